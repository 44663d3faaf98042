/* Which bytes are UTF-8. */
#ifndef INIT_UTF8_H
#define INIT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes from `text` on are one valid character; 0 when none is. */
size_t utf8_character(const unsigned char *text, size_t length);

/* Whether the bytes could become a character if more of them came. */
bool utf8_begins(const unsigned char *text, size_t length);

#endif
