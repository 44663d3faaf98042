#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void change(FILE *to, const char *line, const char *argument);

/* Writes `path` anew with `edit` in the place of the entry `name`, or without a name at the end. The
 * file keeps its inode, and so its owner and mode. */
static bool rewrite(const char *path, const char *name, change *edit, const char *argument) {
  char *text = NULL, *line = NULL;
  size_t size = 0, line_size = 0;
  FILE *file = fopen(path, "r+"), *changed = open_memstream(&text, &size);
  if (file == NULL || changed == NULL) return false;
  while (getline(&line, &line_size, file) >= 0) {
    size_t length = name == NULL ? 0 : strlen(name);
    line[strcspn(line, "\n")] = '\0';
    if (name != NULL && strncmp(line, name, length) == 0 && line[length] == ':')
      edit(changed, line, argument);
    else
      fprintf(changed, "%s\n", line);
  }
  if (name == NULL) edit(changed, "", argument);
  free(line);
  fclose(changed);
  rewind(file);
  bool written = fwrite(text, 1, size, file) == size;
  free(text);
  return fclose(file) == 0 && written;
}

static void replace(FILE *to, const char *line, const char *argument) {
  (void)line;
  fprintf(to, "%s\n", argument);
}

static void join(FILE *to, const char *line, const char *argument) {
  bool first = line[0] == '\0' || line[strlen(line) - 1] == ':';
  fprintf(to, "%s%s%s\n", line, first ? "" : ",", argument);
}

bool table_append(const char *path, const char *line) { return rewrite(path, NULL, replace, line); }

bool table_replace(const char *path, const char *name, const char *line) { return rewrite(path, name, replace, line); }

bool table_join(const char *path, const char *name, const char *member) { return rewrite(path, name, join, member); }
