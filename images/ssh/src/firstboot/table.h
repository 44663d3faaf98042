/* Tables such as /etc/passwd: one line an entry, fields between colons, the name first. */
#ifndef FIRSTBOOT_TABLE_H
#define FIRSTBOOT_TABLE_H

#include <stdbool.h>

bool table_append(const char *path, const char *line);

/* Puts `line` in the place of the entry `name`. */
bool table_replace(const char *path, const char *name, const char *line);

/* Adds `member` to the comma-separated last field of the entry `name`, if there is such an entry. */
bool table_join(const char *path, const char *name, const char *member);

#endif
