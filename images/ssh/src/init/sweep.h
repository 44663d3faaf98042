/* Looks through the spool: how much there is, what is oldest, what does not belong there. */
#ifndef INIT_SWEEP_H
#define INIT_SWEEP_H

#include <stddef.h>
#include <time.h>

#include "spool.h"

enum {
  SWEEP_OLDEST = 16,
  SWEEP_COUNT_MAX = 4096,    /* finished files of one kind */
  SWEEP_ENTRIES_MAX = 20000, /* looked at in one go, so that a crowded directory does not hold us up */
};

struct finished {
  char name[SPOOL_NAME_MAX];
  size_t size;
  struct timespec when;
};

struct sweep {
  size_t bytes[SPOOL_KINDS]; /* unfinished ones included */
  unsigned count[SPOOL_KINDS];
  unsigned oldest_count[SPOOL_KINDS];
  struct finished oldest[SPOOL_KINDS][SWEEP_OLDEST]; /* oldest first */
  size_t foreign_bytes;
  char foreign[SPOOL_NAME_MAX]; /* one of those that did not belong there */
};

/* Removes what does not belong in `directory` and describes the rest. */
void sweep(int directory, struct sweep *found);

/* Finishes recordings that an earlier process left, removes files that it had not copied whole. */
void sweep_adopt(int directory);

/* Removes whatever has that name, a tree too. */
void sweep_remove(int directory, const char *name);

/* Says that the finished file `name` is gone. */
void sweep_report(const char *name, size_t size, const char *reason);

#endif
