/* One event on its way to init: a list of byte strings, each with its length in front.
 *
 * The strings are the event id, the free text, then name and value of each field. Both ends run on
 * the same machine, so lengths are in host order. */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include <stdbool.h>
#include <stddef.h>

enum { RECORD_MAX = 56 * 1024 }; /* with its header and escapes it stays a line of 64 KiB */

struct record {
  size_t used;
  unsigned char bytes[RECORD_MAX];
};

/* Starts `record` as event `id` without text. */
void record_start(struct record *record, const char *id);

/* Adds a field. A value that does not fit is cut to the room that is left. */
void record_add(struct record *record, const char *name, const void *value, size_t length);
void record_add_text(struct record *record, const char *name, const char *value);

/* Takes the next string out of `bytes` at `*at`. False at the end or when the lengths lie. */
bool record_next(const unsigned char *bytes, size_t size, size_t *at, const unsigned char **string,
                 size_t *length);

#endif
