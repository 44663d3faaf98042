/* Files that are to be looked at, each once however often it was reported meanwhile. */
#ifndef INIT_QUEUE_H
#define INIT_QUEUE_H

#include <stdbool.h>

enum { QUEUE_LENGTH = 1024 };

struct waiting {
  char *path;
  double when; /* it was reported, monotonic seconds */
  double due;  /* not to be looked at before */
};

/* False when it is full. `due` counts only for a file that is not waiting yet. */
bool queue_add(const char *path, double due);
bool queue_is_empty(void);

/* The first that is due; the caller frees its path. False when there is none. */
bool queue_take(double now, struct waiting *file);

/* When the next one is due. Only when the queue is not empty. */
double queue_next(void);

#endif
