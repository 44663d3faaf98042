/* What a login runs: a shell, a command, a subsystem. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "programs.h"
#include "recording.h"
#include "tap.h"

#define SFTP_SERVER "/usr/lib/openssh/sftp-server" /* Subsystem sftp in Debian's sshd_config */

void session_begin(void) {
  role = ROLE_SESSION;
  input_begin();
  recording_open();
}

static void opened(void) {
  char terminal[64];
  event_start("session_opened");
  event_text("principal", login.principal);
  event_text("terminal", ttyname_r(STDIN_FILENO, terminal, sizeof terminal) == 0 ? terminal : "");
  event_send(); /* init lets only the first of a login through */
}

void session_executes(char *const argv[]) {
  opened();
  if (argv[0] == NULL || argv[1] == NULL || argv[2] == NULL || strcmp(argv[1], "-c") != 0) {
    if (argv[0] != NULL && argv[0][0] == '-' && !isatty(STDIN_FILENO)) input_is_shell();
    if (argv[0] != NULL) programs_executes("shell", argv[0]);
    return;
  }
  bool subsystem = strcmp(argv[2], SFTP_SERVER) == 0;
  programs_executes(subsystem ? "subsystem" : "exec", subsystem ? "sftp" : argv[2]);
  event_start("command");
  event_text("principal", login.principal);
  event_text("command", subsystem ? "sftp" : argv[2]);
  event_text("how", subsystem ? "subsystem" : "exec");
  event_send();
}
