/* Text of asciicast v2: a header line, then one line an event.
 *
 * An asciicast is UTF-8, a terminal's bytes need not be. A byte that is not part of a character stands as the
 * character U+EF00 plus the byte; so do the three bytes of such a character itself. Whoever turns U+EF80 to U+EFFF back
 * into bytes has exactly what passed. Our codes beside "o", "i", "m" and "r": "x" is the exit status at the end. */
#ifndef INIT_CAST_H
#define INIT_CAST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum {
  CAST_BYTES_MAX = 8 * 1024,                   /* that one event is made of */
  CAST_LINE_MAX = 6 * (CAST_BYTES_MAX + 4) + 64 /* an escape is six characters */
};

struct cast_header {
  const char *session;
  unsigned program, shard;
  bool terminal;
  unsigned columns, rows;
  time_t began;
};

/* The start of a character whose end has not come yet. */
struct cast_rest {
  unsigned char bytes[4];
  size_t used;
};

/* Each writes one line to `line` (CAST_LINE_MAX bytes) and returns its length. */
size_t cast_header(char *line, size_t size, const struct cast_header *header);
size_t cast_text(char *line, double seconds, char code, const char *text);

/* `rest` is put in front and takes what is incomplete. 0 when there is nothing to write yet. */
size_t cast_bytes(char *line, double seconds, char code, const unsigned char *bytes, size_t length,
                  struct cast_rest *rest);

/* What is still in `rest`, as bytes that are no character. */
size_t cast_rest(char *line, double seconds, char code, struct cast_rest *rest);

#endif
