/* What sshd and the system log tell, on its way out. */
#ifndef INIT_RELAY_H
#define INIT_RELAY_H

#include <stddef.h>
#include <sys/types.h>

#include "logins.h"

/* `version` is written with service_started, the first time sshd listens. */
void relay_version(const char *version);

/* One record from the library inside sshd, sent by process `sender`. Returns a login whose end is to
 * be waited for, or NULL. */
struct login *relay_record(const unsigned char *bytes, size_t size, pid_t sender);

/* One datagram from /dev/log. */
void relay_syslog(char *bytes, size_t size);

#endif
