/* What was captured lately, so that nothing is stored twice in a row. */
#ifndef INIT_SEEN_H
#define INIT_SEEN_H

#include "spool.h"

enum { SHA256_SIZE = 32 };

/* The name under which this content was stored, or NULL. `*same_path`: from this very path. */
const char *seen_content(const unsigned char sha256[SHA256_SIZE], const char *path, bool *same_path);

void seen_remember(const unsigned char sha256[SHA256_SIZE], const char *path, const char *stored_as);

/* When `path` was last captured, monotonic seconds; 0 when it is not remembered. */
double seen_at(const char *path);

#endif
