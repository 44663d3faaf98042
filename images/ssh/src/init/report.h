/* Events about what was kept of a session and what was not. */
#ifndef INIT_REPORT_H
#define INIT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Whose it is; any of the strings may be empty. */
struct origin {
  const char *session, *address, *port;
};

/* `reason` is one word; `name` the file that it was about, or "". */
void report_dropped(struct origin origin, const char *reason, unsigned long long bytes, const char *name);

struct captured {
  const char *path, *stored_as, *sha256; /* stored_as is empty when there was no room */
  unsigned long long size;
  bool cut;
  unsigned owner, mode;
};

void report_captured(struct origin origin, const struct captured *file);

#endif
