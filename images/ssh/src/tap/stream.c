/* The hooks on read and write: who reads or writes decides what the bytes are. */
#include <errno.h>
#include <unistd.h>

#include "programs.h"
#include "tap.h"

HOOK ssize_t read(int descriptor, void *bytes, size_t size) {
  ssize_t length = REAL(read)(descriptor, bytes, size);
  int saved = errno;
  if (role == ROLE_GREETING && length > 0) {
    greeting_read(descriptor, bytes, (size_t)length);
  } else if (monitor_is(descriptor) && length > 0) {
    monitor_read(bytes, (size_t)length);
  } else if (role == ROLE_MUTE && length > 0) {
    pretend_told(bytes, (size_t)length);
  } else if (role == ROLE_SESSION) {
    input_flush();
    struct terminal *terminal = terminal_of(descriptor);
    if (length > 0)
      programs_output(terminal == NULL ? -1 : terminal_number(terminal), descriptor, bytes, (size_t)length);
    if (terminal != NULL && length > 0) terminal_output(terminal, descriptor, bytes, (size_t)length);
    if (terminal != NULL && length <= 0 && saved == EIO) terminal_closed(terminal);
  }
  errno = saved;
  return length;
}

HOOK ssize_t write(int descriptor, const void *bytes, size_t size) {
  struct terminal *terminal = NULL;
  int before = errno;
  if (role == ROLE_SESSION) terminal = terminal_of(descriptor);
  if (terminal != NULL) terminal_before_input(terminal, descriptor);
  errno = before;
  ssize_t length = monitor_is(descriptor) ? pretend_write(descriptor, bytes, size) : REAL(write)(descriptor, bytes, size);
  int saved = errno;
  if (length > 0) {
    if (role == ROLE_SESSION)
      programs_input(terminal == NULL ? -1 : terminal_number(terminal), descriptor, bytes, (size_t)length);
    if (monitor_is(descriptor))
      monitor_written(bytes, (size_t)length);
    else if (terminal != NULL)
      terminal_input(terminal, bytes, (size_t)length);
    else if (role == ROLE_SESSION)
      input_written(descriptor, bytes, (size_t)length);
  }
  errno = saved;
  return length;
}
