/* Lines sent to a shell that has no terminal, the way loaders and `ssh -T` work.
 *
 * sshd makes a socket pair or pipes, forks, and the child executes the shell. Only the child knows
 * that it is a shell and not a command reading data, so it says so in a page shared with its parent. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "tap.h"

enum { CHANNELS = 10, /* sshd's MaxSessions */ LINE_KEPT = 4096, NONE = -1 };

struct channel {
  int descriptor;
  size_t used;
  char line[LINE_KEPT];
};

static struct channel channels[CHANNELS];
static atomic_bool *is_shell; /* one for each channel, shared with the children */
static int next_channel;
static int waiting = NONE;     /* the parent's end of what the next child will read */
static int own_channel = NONE; /* in a child */

void input_begin(void) {
  size_t size = CHANNELS * sizeof *is_shell;
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) is_shell = page;
  for (int i = 0; i < CHANNELS; i++) channels[i].descriptor = NONE;
}

void input_pair(const int pair[2]) {
  if (waiting == NONE) waiting = pair[1];
}

void input_forked(pid_t child) {
  if (waiting == NONE || is_shell == NULL) return;
  if (child == 0) {
    own_channel = next_channel;
    for (int i = 0; i < CHANNELS; i++) channels[i].descriptor = NONE;
  } else if (child > 0) {
    atomic_store(&is_shell[next_channel], false);
    channels[next_channel] = (struct channel){.descriptor = waiting};
    next_channel = (next_channel + 1) % CHANNELS;
  }
  waiting = NONE;
}

void input_is_shell(void) {
  if (own_channel != NONE) atomic_store(&is_shell[own_channel], true);
}

static void line_done(struct channel *channel) {
  size_t length = channel->used;
  while (length > 0 && channel->line[length - 1] == '\r') length--;
  channel->used = 0;
  if (length == 0) return;
  event_start("command");
  event_text("principal", login.principal);
  event_bytes("command", channel->line, length);
  event_text("how", "shell");
  event_send();
}

static void take_lines(struct channel *channel) {
  for (char *end; (end = memchr(channel->line, '\n', channel->used)) != NULL;) {
    size_t line = (size_t)(end - channel->line), all = channel->used;
    channel->used = line;
    line_done(channel);
    memmove(channel->line, end + 1, all - line - 1);
    channel->used = all - line - 1;
  }
  if (channel->used == LINE_KEPT) line_done(channel);
}

/* The first lines may come before the child has said what it is: they wait in the buffer. */
void input_flush(void) {
  for (int i = 0; is_shell != NULL && i < CHANNELS; i++)
    if (channels[i].used > 0 && atomic_load(&is_shell[i])) take_lines(&channels[i]);
}

void input_written(int descriptor, const unsigned char *bytes, size_t length) {
  for (int i = 0; is_shell != NULL && i < CHANNELS; i++) {
    struct channel *channel = &channels[i];
    if (channel->descriptor != descriptor) continue;
    for (size_t taken = 0; taken < length;) {
      size_t room = LINE_KEPT - channel->used;
      size_t step = length - taken < room ? length - taken : room;
      memcpy(channel->line + channel->used, bytes + taken, step);
      channel->used += step;
      taken += step;
      if (!atomic_load(&is_shell[i])) break; /* what does not fit before that is no shell's line */
      take_lines(channel);
    }
  }
}
