/* The event line: RFC 5424 with the fields in the element relay@55555. */
#ifndef INIT_LINE_H
#define INIT_LINE_H

#include <stdbool.h>
#include <stddef.h>

enum { LINE_MAX_SIZE = 64 * 1024 };

/* Who the lines are from: HOSTNAME of every line. Non-printable characters are left out. */
void line_from(const char *hostname);

struct line {
  size_t used;
  bool fields; /* the element is open */
  char text[LINE_MAX_SIZE];
};

void line_start(struct line *line, const char *id, size_t id_length);
void line_field(struct line *line, const char *name, size_t name_length, const char *value, size_t length);
void line_text_field(struct line *line, const char *name, const char *value);

/* Ends the line with `message`; the text then ends in a newline. */
void line_finish(struct line *line, const char *message, size_t length);

#endif
