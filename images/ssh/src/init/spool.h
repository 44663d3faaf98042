/* The directory in which finished recordings and files wait to be taken away from outside.
 *
 * It belongs to intruders too: what they delete is made again, what they put there is removed. Its size is bounded for
 * recordings and files separately, so that neither pushes out the other; the oldest finished ones go first. */
#ifndef INIT_SPOOL_H
#define INIT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SPOOL_PATH "/var/lib/systemd/coredump"

enum spool_kind { SPOOL_RECORDINGS, SPOOL_FILES, SPOOL_KINDS };

enum {
  SPOOL_NAME_MAX = 64,
  /* Together with one file that is being copied they fit into the volume. */
  SPOOL_RECORDINGS_MAX = 44 * 1024 * 1024,
  SPOOL_FILES_MAX = 104 * 1024 * 1024,
};

/* Makes the directory; what an earlier process 1 left unfinished is finished or removed. */
void spool_open(void);

/* Whether a directory is the spool, wherever somebody has moved it. */
bool spool_is(dev_t device, ino_t inode);

/* Starts the file that is going to be `name`. Negative when it cannot be. */
int spool_begin(const char *name);

/* Appends all of `bytes`. Bytes written, fewer when the disk is full. */
size_t spool_append(int file, enum spool_kind kind, const void *bytes, size_t length);

/* Closes `file` and lets it be taken under `name`. */
bool spool_finish(int file, const char *name);
void spool_discard(int file, const char *name);

/* Keeps the bounds. To be called every few seconds while something is written. */
void spool_check(void);

/* Asked when the recordings that are still written are too much by themselves: gives up some of them, or finishes them.
 * False when there is nothing to give up. */
typedef bool spool_shed(void);
void spool_on_shortage(spool_shed *shed);

#endif
