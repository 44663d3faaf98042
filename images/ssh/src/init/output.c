#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE_MAX = 4 * 1024 * 1024 };

static char *queue; /* grows to QUEUE_MAX; lines stand from `first` to `last` */
static size_t size, first, last;
static unsigned long dropped;

void output_open(void) { fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK); }

static bool make_room(size_t length) {
  if (last + length <= size) return true;
  if (first > 0) {
    memmove(queue, queue + first, last - first);
    last -= first;
    first = 0;
  }
  if (last + length <= size) return true;
  if (last + length > QUEUE_MAX) return false;
  size_t wanted = size == 0 ? LINE_MAX_SIZE : 2 * size;
  while (wanted < last + length) wanted *= 2;
  char *larger = realloc(queue, wanted);
  if (larger == NULL) return false;
  queue = larger;
  size = wanted;
  return true;
}

static bool add(const struct line *line) {
  if (!make_room(line->used)) return false;
  memcpy(queue + last, line->text, line->used);
  last += line->used;
  return true;
}

static void report_dropped(void) {
  static struct line line;
  char message[64];
  if (dropped == 0 || last - first > QUEUE_MAX / 2) return;
  snprintf(message, sizeof message, "%lu lines were dropped: nobody read them", dropped);
  line_start(&line, "daemon_log", strlen("daemon_log"));
  line_text_field(&line, "program", "init");
  line_finish(&line, message, strlen(message));
  if (add(&line)) dropped = 0;
}

void output_line(const struct line *line) {
  report_dropped();
  if (!add(line)) dropped++;
}

bool output_flush(void) {
  while (first < last) {
    ssize_t written = write(STDOUT_FILENO, queue + first, last - first);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno == EAGAIN;
    first += (size_t)written;
  }
  first = last = 0;
  if (size > 16 * LINE_MAX_SIZE) { /* give back what a burst needed */
    free(queue);
    queue = NULL;
    size = 0;
  }
  return false;
}
