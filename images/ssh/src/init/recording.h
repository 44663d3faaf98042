/* The recording of one program of a login, in files of bounded size.
 *
 * The first of them go out as soon as they are full. Once they have used up the head's budget, full ones are held
 * back, and the oldest held one makes way for the next: of a flood, its beginning and its end remain. */
#ifndef INIT_RECORDING_H
#define INIT_RECORDING_H

#include <stdint.h>

#include "../common/frame.h"
#include "cast.h"
#include "spool.h"

enum { HELD_MAX = 3, RECORDING_SESSION_MAX = 16 };

struct shard {
  int file; /* negative: none */
  unsigned number;
  size_t size;
};

struct recording {
  char session[RECORDING_SESSION_MAX + 1];
  unsigned program, shards;
  unsigned *numbers; /* the login's next shard number */
  bool terminal, exited;
  int status;
  unsigned columns, rows;
  time_t began_at;
  uint64_t began, last, shard_began; /* nanoseconds, monotonic */
  uint64_t lost;                     /* as sshd counted it */
  struct cast_rest output_rest, input_rest;
  size_t head;
  struct shard open, held[HELD_MAX];
  unsigned held_count;
  unsigned long long evicted, unwritten; /* bytes not reported yet */
};

/* Memory that recording_finish frees; NULL when there is none. `numbers` outlives it. */
struct recording *recording_new(const char *session, const struct frame *begin, unsigned *numbers);

/* One frame that is about it. What it makes may stay in memory until recording_flush. */
void recording_take(struct recording *recording, const struct frame *frame, const unsigned char *bytes, size_t length);

void recording_flush(void);

/* Lets what has been written for a while go out, if the budget allows. `now` is as in frames. */
void recording_age(struct recording *recording, uint64_t now);

/* Bytes in the spool that have not gone out. */
size_t recording_held(const struct recording *recording);

/* Gives up the oldest held shard, or finishes the open one. False when there is neither. */
bool recording_shed(struct recording *recording);

/* Everything goes out. */
void recording_finish(struct recording *recording);

#endif
