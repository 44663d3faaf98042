/* Makes the image into one particular machine: host keys, accounts, message of the day.
 *
 * Run once by init before anything listens. Answers on standard output what init needs to know, one
 * name=value a line; says on standard error why it failed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "accounts.h"
#include "hostkeys.h"
#include "records.h"
#include "settings.h"

static bool write_motd(const char *text) {
  if (text[0] == '\0') return true;
  FILE *file = fopen("/etc/motd", "w");
  if (file == NULL) return false;
  fprintf(file, "%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
  return fclose(file) == 0;
}

/* The version that the installed sshd announces. Its client comes from the same source package. */
static void find_installed(char *version, size_t size) {
  FILE *client = popen("/usr/bin/ssh -V 2>&1", "r");
  if (client == NULL) return;
  if (fgets(version, (int)size, client) != NULL) version[strcspn(version, ",\n")] = '\0';
  pclose(client);
}

int main(void) {
  struct settings settings;
  char installed[128] = "";
  umask(022);
  if (!settings_read(&settings)) return 1;
  mkdir("/run/sshd", 0755); /* sshd's empty root for its unprivileged half; systemd makes it */
  records_write();
  if (!hostkeys_write(&settings) || !accounts_write(&settings)) return 1;
  if (!write_motd(settings.motd)) {
    perror("/etc/motd");
    return 1;
  }
  find_installed(installed, sizeof installed);
  printf("hostname=%s\nversion=%s\ninstalled=%s\n", settings.hostname, settings.version, installed);
  return 0;
}
