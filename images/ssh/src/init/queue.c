#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "logins.h"

static struct waiting files[QUEUE_LENGTH];
static int count;

bool queue_add(const char *path, double due) {
  for (int i = 0; i < count; i++)
    if (strcmp(files[i].path, path) == 0) return true;
  if (count == QUEUE_LENGTH) return false;
  char *copy = strdup(path);
  if (copy == NULL) return false;
  files[count++] = (struct waiting){copy, logins_clock(), due};
  return true;
}

bool queue_is_empty(void) { return count == 0; }

bool queue_take(double now, struct waiting *file) {
  for (int i = 0; i < count; i++) {
    if (files[i].due > now) continue;
    *file = files[i];
    count--;
    memmove(files + i, files + i + 1, (size_t)(count - i) * sizeof *files);
    return true;
  }
  return false;
}

double queue_next(void) {
  double next = files[0].due;
  for (int i = 1; i < count; i++)
    if (files[i].due < next) next = files[i].due;
  return next;
}
