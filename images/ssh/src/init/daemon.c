#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../common/channel.h"

static pid_t running;

bool daemon_is(pid_t pid) { return pid == running; }

void daemon_start(int channel, const char *version) {
  char variable[sizeof CHANNEL_VARIABLE + VERSION_MAX + 16];
  char *arguments[] = {"/usr/sbin/sshd", "-D", NULL};
  /* What systemd gives to ssh.service; the two of ours come last, where sshd's title covers them. */
  char *environment[] = {"LANG=C.UTF-8",
                         "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "SSHD_OPTS=",
                         "LD_PRELOAD=" TAP_LIBRARY,
                         variable,
                         NULL};
  sigset_t none;
  snprintf(variable, sizeof variable, CHANNEL_VARIABLE "=%d:%.*s", CHANNEL_DESCRIPTOR, VERSION_MAX, version);
  running = fork();
  if (running != 0) return;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  int null = open("/dev/null", O_RDWR);
  for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) dup2(null, i);
  dup2(channel, CHANNEL_DESCRIPTOR);
  close_range(STDERR_FILENO + 1, CHANNEL_DESCRIPTOR - 1, 0);
  close_range(CHANNEL_DESCRIPTOR + 1, ~0U, 0);
  execve(arguments[0], arguments, environment);
  _exit(127);
}
