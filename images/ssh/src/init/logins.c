#include "logins.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "owner.h"

static struct login logins[LOGINS_MAX];

double logins_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct login *logins_add(pid_t pid, const char *session, const char *address, const char *port) {
  for (int i = 0; i < LOGINS_MAX; i++) {
    struct login *login = &logins[i];
    if (login->process != 0) continue;
    memset(login, 0, sizeof *login);
    snprintf(login->session, sizeof login->session, "%s", session);
    snprintf(login->address, sizeof login->address, "%s", address);
    snprintf(login->port, sizeof login->port, "%s", port);
    login->process = (int)syscall(SYS_pidfd_open, pid, 0);
    return login;
  }
  return NULL;
}

struct login *logins_find(const char *session) {
  for (int i = 0; i < LOGINS_MAX; i++)
    if (logins[i].process != 0 && strcmp(logins[i].session, session) == 0) return &logins[i];
  return NULL;
}

static void ended(const struct login *login, const char *id, bool with_duration) {
  static struct line line;
  char duration[32];
  line_start(&line, id, strlen(id));
  line_text_field(&line, "src_ip", login->address);
  line_text_field(&line, "src_port", login->port);
  line_text_field(&line, "session", login->session);
  if (with_duration) {
    snprintf(duration, sizeof duration, "%.3f", logins_clock() - login->opened_at);
    line_text_field(&line, "duration", duration);
  }
  line_finish(&line, "", 0);
  output_line(&line);
}

void logins_ended(struct login *login) {
  if (login->opened) {
    ended(login, "session_closed", true);
    owner_closed(login->session);
  }
  ended(login, "disconnect", false);
  if (login->process > 0) close(login->process);
  login->process = 0;
}
