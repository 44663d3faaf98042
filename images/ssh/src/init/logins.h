/* The connections that are open, so that each one's end is written whatever ended it. */
#ifndef INIT_LOGINS_H
#define INIT_LOGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LOGINS_MAX = 1024, SESSION_MAX = 16, ADDRESS_MAX = 46 };

struct login {
  int process; /* pidfd; readable once the process has ended; 0 when the entry is free */
  char session[SESSION_MAX + 1];
  char address[ADDRESS_MAX + 1];
  char port[6];
  bool opened;
  double opened_at; /* seconds, monotonic */
};

/* NULL when there is no room. `process` of the result is negative when the process is gone already. */
struct login *logins_add(pid_t pid, const char *session, const char *address, const char *port);
struct login *logins_find(const char *session);

/* Writes the end of `login` and frees it. */
void logins_ended(struct login *login);

double logins_clock(void);

#endif
