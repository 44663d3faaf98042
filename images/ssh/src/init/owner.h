/* Whose session it was that wrote a file. */
#ifndef INIT_OWNER_H
#define INIT_OWNER_H

#include <sys/types.h>

#include "report.h"

void owner_opened(const char *session, const char *address, const char *port, const char *principal);
void owner_closed(const char *session);

/* The session that can have written a file of `owner` at `when` (monotonic seconds), when there is only one. All
 * strings are empty otherwise. They stay valid until the next session opens. */
struct origin owner_of(uid_t owner, double when);

#endif
