#include "records.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <utmpx.h>

static long boot_time(void) {
  char line[256];
  long seconds = 0;
  FILE *file = fopen("/proc/stat", "r");
  if (file == NULL) return 0;
  while (seconds == 0 && fgets(line, sizeof line, file) != NULL) sscanf(line, "btime %ld", &seconds);
  fclose(file);
  return seconds;
}

void records_write(void) {
  struct utmpx boot = {.ut_type = BOOT_TIME, .ut_id = "~~", .ut_line = "~", .ut_user = "reboot"};
  struct utsname kernel;
  struct stat history;
  const struct group *group = getgrnam("utmp");
  int file = open("/run/utmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0664);
  if (file >= 0) {
    (void)!fchown(file, 0, group == NULL ? 0 : group->gr_gid);
    (void)!fchmod(file, 0664);
    close(file);
  }
  boot.ut_tv.tv_sec = (int)boot_time();
  if (uname(&kernel) == 0) snprintf(boot.ut_host, sizeof boot.ut_host, "%s", kernel.release);
  setutxent();
  pututxline(&boot);
  endutxent();
  if (stat("/var/log/wtmp", &history) == 0 && history.st_size == 0) updwtmpx("/var/log/wtmp", &boot);
}
