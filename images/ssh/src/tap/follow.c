/* The hooks that follow the programs of a login from their start to their end. */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/channel.h"
#include "programs.h"
#include "recording.h"
#include "tap.h"

HOOK int pipe(int pair[2]) {
  int result = REAL(pipe)(pair);
  if (result != 0 || role != ROLE_SESSION) return result;
  input_pair(pair);
  programs_pipe(pair);
  return result;
}

HOOK int dup(int descriptor) {
  int result = REAL(dup)(descriptor);
  if (result >= 0 && role == ROLE_SESSION) programs_copied(descriptor);
  return result;
}

HOOK int ioctl(int descriptor, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  int result = REAL(ioctl)(descriptor, request, argument);
  if (result == 0 && request == TIOCSWINSZ && role == ROLE_SESSION) {
    const struct winsize *size = argument;
    programs_resized(descriptor, size->ws_col, size->ws_row);
  }
  return result;
}

HOOK int close(int descriptor) {
  if (role == ROLE_SESSION) programs_closed(descriptor);
  return REAL(close)(descriptor);
}

HOOK pid_t waitpid(pid_t pid, int *status, int options) {
  pid_t ended = REAL(waitpid)(pid, status, options);
  if (ended > 0 && status != NULL && role == ROLE_SESSION) programs_ended(ended, *status);
  return ended;
}

/* sshd ends by exit or, when the client is gone, by _exit. */
HOOK __attribute__((noreturn)) void _exit(int status) {
  if (role == ROLE_SESSION) programs_finish();
  REAL(_exit)(status);
  abort(); /* not reached */
}

__attribute__((destructor)) static void ends(void) {
  if (role == ROLE_SESSION) programs_finish();
}

static bool is_ours(unsigned descriptor) {
  return (int)descriptor == event_channel() || (int)descriptor == recording_descriptor();
}

/* sshd closes every descriptor that it does not know; ours must live. Both are low numbers. */
HOOK int close_range(unsigned first, unsigned last, int flags) {
  for (unsigned own = first; own <= last && own < OWN_DESCRIPTORS_END; own++) {
    if (!is_ours(own)) continue;
    if (own > first && REAL(close_range)(first, own - 1, flags) != 0) return -1;
    first = own + 1;
  }
  return first <= last ? REAL(close_range)(first, last, flags) : 0;
}
