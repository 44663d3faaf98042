#include "logfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 1024 * 1024, AUTH = 4, AUTHPRIV = 10, ADM_GROUP = 4 };

static void stamp(char *text, size_t size) {
  struct timeval now;
  struct tm local;
  char seconds[24], zone[8];
  gettimeofday(&now, NULL);
  localtime_r(&now.tv_sec, &local);
  strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &local);
  strftime(zone, sizeof zone, "%z", &local);
  snprintf(text, size, "%s.%06ld%.3s:%s", seconds, (long)now.tv_usec, zone, zone + 3);
}

/* rsyslog writes control characters as #NNN. */
static void append_escaped(char *text, size_t size, const char *message) {
  size_t used = strlen(text);
  for (; *message != '\0' && used + 6 < size; message++) {
    unsigned char byte = (unsigned char)*message;
    if (byte < 0x20 || byte == 0x7f)
      used += (size_t)snprintf(text + used, size - used, "#%03o", byte);
    else
      text[used++] = (char)byte;
  }
  text[used++] = '\n';
  text[used] = '\0';
}

void logfile_write(int priority, const char *text) {
  int facility = priority / 8;
  const char *path = facility == AUTH || facility == AUTHPRIV ? "/var/log/auth.log" : "/var/log/syslog";
  char when[48], host[65] = "", entry[8 * 1024], old[64];
  struct stat status;
  gethostname(host, sizeof host - 1);
  stamp(when, sizeof when);
  snprintf(entry, sizeof entry, "%s %s ", when, host);
  append_escaped(entry, sizeof entry, text);
  /* The path belongs to intruders too: no links, nothing but regular files, no waiting. */
  int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
  if (file < 0) return;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
    if (status.st_size == 0) (void)!fchown(file, 0, ADM_GROUP);
    (void)!write(file, entry, strlen(entry));
    if (status.st_size > SIZE_MAX_BYTES) {
      snprintf(old, sizeof old, "%s.1", path);
      rename(path, old);
    }
  }
  close(file);
}
