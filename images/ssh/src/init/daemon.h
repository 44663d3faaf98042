/* sshd, started the way a service manager starts it, and again whenever it ends. */
#ifndef INIT_DAEMON_H
#define INIT_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

/* `channel` is the end of the socket that the library in sshd writes to. */
void daemon_start(int channel, const char *version);
bool daemon_is(pid_t pid);

#endif
