#include "prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRSTBOOT "/usr/lib/init/firstboot"

static void answer(struct identity *identity, char *line) {
  line[strcspn(line, "\n")] = '\0';
  char *value = strchr(line, '=');
  if (value == NULL) return;
  *value++ = '\0';
  if (strcmp(line, "hostname") == 0) snprintf(identity->hostname, sizeof identity->hostname, "%s", value);
  if (strcmp(line, "version") == 0) snprintf(identity->version, sizeof identity->version, "%s", value);
  if (strcmp(line, "installed") == 0) snprintf(identity->installed, sizeof identity->installed, "%s", value);
}

bool prepare(struct identity *identity) {
  char line[512];
  int answers[2], status = -1;
  memset(identity, 0, sizeof *identity);
  if (pipe(answers) != 0) return false;
  pid_t child = fork();
  if (child == 0) {
    dup2(answers[1], STDOUT_FILENO);
    close(answers[0]);
    close(answers[1]);
    execl(FIRSTBOOT, FIRSTBOOT, (char *)NULL);
    _exit(127);
  }
  close(answers[1]);
  FILE *stream = fdopen(answers[0], "r");
  if (stream == NULL) return false;
  while (fgets(line, sizeof line, stream) != NULL) answer(identity, line);
  fclose(stream);
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void forget(char **argv, char **env) {
  /* Not even root reads /proc/1/{environ,fd,mem} of a process that may not be dumped, unless it may
   * trace everything, which nobody here may. */
  prctl(PR_SET_DUMPABLE, 0);
  for (int i = 1; argv[0] != NULL && argv[i] != NULL; i++) explicit_bzero(argv[i], strlen(argv[i]));
  for (int i = 0; env[i] != NULL; i++) explicit_bzero(env[i], strlen(env[i]));
  clearenv();
}
