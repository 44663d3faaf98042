/* The files in which logins are counted: utmp, wtmp. */
#ifndef FIRSTBOOT_RECORDS_H
#define FIRSTBOOT_RECORDS_H

/* Makes /run/utmp, which systemd makes elsewhere, and enters the boot that /proc/uptime tells of. */
void records_write(void);

#endif
