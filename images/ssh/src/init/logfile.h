/* /var/log/auth.log and /var/log/syslog, as rsyslog on Debian 12 writes them. */
#ifndef INIT_LOGFILE_H
#define INIT_LOGFILE_H

/* `text` is "tag[pid]: message". Each file is rotated once at its size limit: an intruder who logs
 * without end fills neither the disk nor, beyond the limit, the log. */
void logfile_write(int priority, const char *text);

#endif
