/* Start-up, and the hooks that follow sshd from process to process. */
#include "tap.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/channel.h"
#include "programs.h"

extern char **environ;

enum role role;
struct login login;
char claimed_version[VERSION_MAX + 1];

static bool awaiting_monitor;

void *real_function(const char *name) { return dlsym(RTLD_NEXT, name); }

static void learn_peer(void) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  if (getpeername(STDIN_FILENO, (struct sockaddr *)&peer, &size) != 0) return;
  if (peer.ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
    inet_ntop(AF_INET, &v4->sin_addr, login.address, sizeof login.address);
    snprintf(login.port, sizeof login.port, "%u", ntohs(v4->sin_port));
  } else if (peer.ss_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;
    inet_ntop(AF_INET6, &v6->sin6_addr, login.address, sizeof login.address);
    snprintf(login.port, sizeof login.port, "%u", ntohs(v6->sin6_port));
  }
}

static void name_session(void) {
  unsigned char random[8];
  if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return;
  for (size_t i = 0; i < sizeof random; i++) snprintf(login.session + 2 * i, 3, "%02x", random[i]);
}

static void greet(void) {
  char port[6] = "";
  struct sockaddr_storage own;
  socklen_t size = sizeof own;
  learn_peer();
  name_session();
  if (getsockname(STDIN_FILENO, (struct sockaddr *)&own, &size) == 0)
    /* sin_port and sin6_port lie at the same place */
    snprintf(port, sizeof port, "%u", ntohs(((struct sockaddr_in *)&own)->sin_port));
  role = ROLE_GREETING;
  event_start("connect");
  event_text("dst_port", port);
  event_send();
}

/* Reads our variable and erases it, so that neither sshd's environment nor /proc shows it. */
static bool learn_channel(void) {
  char *value = getenv(CHANNEL_VARIABLE);
  char *preload = getenv("LD_PRELOAD");
  char *version = value == NULL ? NULL : strchr(value, ':');
  if (version == NULL) return false;
  event_descriptor(atoi(value));
  snprintf(claimed_version, VERSION_MAX + 1, "%s", version + 1);
  explicit_bzero(value - strlen(CHANNEL_VARIABLE "="), strlen(value) + strlen(CHANNEL_VARIABLE "="));
  if (preload != NULL)
    explicit_bzero(preload - strlen("LD_PRELOAD="), strlen(preload) + strlen("LD_PRELOAD="));
  size_t kept = 0;
  for (size_t i = 0; environ[i] != NULL; i++)
    if (environ[i][0] != '\0') environ[kept++] = environ[i];
  environ[kept] = NULL;
  fcntl(event_channel(), F_SETFD, FD_CLOEXEC);
  return true;
}

__attribute__((constructor)) static void start(int argc, char **argv) {
  if (!learn_channel()) return;
  role = ROLE_LISTENER;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "-R") == 0) greet(); /* how the listener runs itself for a connection */
}

/* The listener executes itself anew for each connection and on SIGHUP; both must keep the library. */
HOOK int execv(const char *path, char *const argv[]) {
  char preload[] = "LD_PRELOAD=" TAP_LIBRARY;
  char channel[sizeof CHANNEL_VARIABLE + VERSION_MAX + 16];
  char *with[64];
  size_t count = 0;
  if (role != ROLE_LISTENER) return REAL(execv)(path, argv);
  for (; environ[count] != NULL && count < sizeof with / sizeof *with - 3; count++) with[count] = environ[count];
  snprintf(channel, sizeof channel, CHANNEL_VARIABLE "=%d:%s", event_channel(), claimed_version);
  with[count++] = preload;
  with[count++] = channel;
  with[count] = NULL;
  fcntl(event_channel(), F_SETFD, 0);
  int result = REAL(execve)(path, argv, with);
  fcntl(event_channel(), F_SETFD, FD_CLOEXEC);
  return result;
}

HOOK int execve(const char *path, char *const argv[], char *const env[]) {
  if (role == ROLE_SESSION) session_executes(argv);
  return REAL(execve)(path, argv, env);
}

HOOK pid_t fork(void) {
  bool splits = role == ROLE_GREETING && awaiting_monitor;
  if (role == ROLE_SESSION) programs_forking();
  pid_t child = REAL(fork)();
  if (role == ROLE_SESSION) {
    programs_forked(child);
    input_forked(child);
  }
  if (child == 0 && (splits || role == ROLE_MONITOR)) {
    role = ROLE_MUTE;
    event_mute();
  } else if (child > 0 && splits) {
    role = ROLE_MONITOR;
  }
  return child;
}

HOOK int socketpair(int domain, int type, int protocol, int pair[2]) {
  int result = REAL(socketpair)(domain, type, protocol, pair);
  if (result != 0) return result;
  if (role == ROLE_GREETING) {
    /* sshd keeps the second end in the monitor (monitor_openfds) and splits next. */
    monitor_socket(pair[1]);
    awaiting_monitor = true;
  } else if (role == ROLE_SESSION) {
    input_pair(pair);
  }
  return result;
}

HOOK int pam_open_session(pam_handle_t *handle, int flags) {
  int result = REAL(pam_open_session)(handle, flags);
  if (result == PAM_SUCCESS && role == ROLE_MONITOR) session_begin();
  return result;
}

/* The version goes into the key exchange's hash too, so it must be right where sshd composes it. */
static bool is_banner(const char *format) {
  return claimed_version[0] != '\0' && role == ROLE_GREETING && strcmp(format, "SSH-%d.%d-%.100s%s%s\r\n") == 0;
}

static int rewrite(char *text, size_t size, const char *format, va_list arguments) {
  if (is_banner(format)) return snprintf(text, size, "SSH-2.0-%s\r\n", claimed_version);
  if (pretend_title(format, arguments)) return snprintf(text, size, "unknown [net]");
  return -1;
}

HOOK int vsnprintf(char *text, size_t size, const char *format, va_list arguments) {
  int length = rewrite(text, size, format, arguments);
  return length >= 0 ? length : REAL(vsnprintf)(text, size, format, arguments);
}

extern int __vsnprintf_chk(char *, size_t, int, size_t, const char *, va_list);

HOOK int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format,
                         va_list arguments) {
  int length = rewrite(text, size, format, arguments);
  return length >= 0 ? length : REAL(__vsnprintf_chk)(text, size, flag, room, format, arguments);
}
