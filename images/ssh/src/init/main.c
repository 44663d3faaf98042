/* Process 1: prepares the machine, keeps sshd running, passes on what it and the system log tell.
 *
 * A single loop over epoll; nothing in it waits for anything else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/channel.h"
#include "../common/frame.h"
#include "../common/record.h"
#include "capture.h"
#include "daemon.h"
#include "logins.h"
#include "output.h"
#include "prepare.h"
#include "recorder.h"
#include "relay.h"
#include "spool.h"

enum {
  EVENTS = 32,
  SYSLOG_MAX = 8 * 1024, /* rsyslog's default message limit */
  LAST_STEPS = 400,      /* of capturing what is waiting at the end */
  DRAIN_MAX = 256,       /* datagrams in one go, so that no sender starves the rest */
};

static int epoll, channel[2], syslog_socket, signals, files = -1;
static bool output_watched, stopping;
static double restart_at; /* 0: sshd runs */
static struct identity identity;

static const double restart_delay = 1; /* seconds; a service manager waits too */
static const double retry_delay = 60;

static void watch(int descriptor, void *what, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = what};
  epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void open_channel(void) {
  struct timeval limit = {.tv_sec = 2};
  int on = 1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) fail("socketpair");
  setsockopt(channel[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  setsockopt(channel[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  fcntl(channel[0], F_SETFL, O_NONBLOCK);
  watch(channel[0], &channel[0], EPOLLIN);
}

static void open_syslog(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
  unlink(address.sun_path);
  syslog_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(syslog_socket, (struct sockaddr *)&address, sizeof address) != 0) fail(address.sun_path);
  chmod(address.sun_path, 0666);
  watch(syslog_socket, &syslog_socket, EPOLLIN);
}

static void open_signals(void) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  signal(SIGPIPE, SIG_IGN);
  signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  watch(signals, &signals, EPOLLIN);
}

/* A node grants only so many such descriptors: when all are taken, one may become free later. */
static void watch_files(void) {
  static double tried_at;
  if (files >= 0 || (tried_at > 0 && logins_clock() < tried_at + retry_delay)) return;
  tried_at = logins_clock();
  files = capture_open();
  if (files >= 0) watch(files, &files, EPOLLIN);
}

/* Who sent it, and the descriptor that came with it or -1. */
static pid_t sender_of(struct msghdr *message, int *descriptor) {
  struct ucred credentials = {.pid = 0};
  *descriptor = -1;
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL; control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_SOCKET) continue;
    if (control->cmsg_type == SCM_CREDENTIALS) memcpy(&credentials, CMSG_DATA(control), sizeof credentials);
    if (control->cmsg_type == SCM_RIGHTS) memcpy(descriptor, CMSG_DATA(control), sizeof *descriptor);
  }
  return credentials.pid;
}

static bool hands_over_a_socket(const unsigned char *record, size_t size) {
  const unsigned char *id;
  size_t at = 0, length;
  return record_next(record, size, &at, &id, &length) && length == strlen(FRAME_SOCKET_RECORD) &&
         memcmp(id, FRAME_SOCKET_RECORD, length) == 0;
}

static void drain_channel(void) {
  static unsigned char bytes[RECORD_MAX];
  /* Descriptors beyond the one that fits are closed by the kernel. */
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
  int descriptor;
  for (int i = 0; i < DRAIN_MAX; i++) {
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = recvmsg(channel[0], &message, MSG_CMSG_CLOEXEC);
    if (size <= 0) return;
    pid_t sender = sender_of(&message, &descriptor);
    if (hands_over_a_socket(bytes, (size_t)size)) {
      recorder_add(descriptor, bytes, (size_t)size);
      continue;
    }
    if (descriptor >= 0) close(descriptor);
    struct login *login = relay_record(bytes, (size_t)size, sender);
    if (login == NULL) continue;
    if (login->process > 0)
      watch(login->process, login, EPOLLIN);
    else
      logins_ended(login); /* gone before we could look */
  }
}

static void drain_syslog(void) {
  static char bytes[SYSLOG_MAX + 1];
  for (int i = 0; i < DRAIN_MAX; i++) {
    ssize_t size = recv(syslog_socket, bytes, SYSLOG_MAX, 0);
    if (size < 0) return;
    relay_syslog(bytes, (size_t)size);
  }
}

static void reap(void) {
  for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
    if (daemon_is(pid)) restart_at = logins_clock() + restart_delay;
}

static void take_signals(void) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) reap();
    /* Only the runtime outside has no process id here; whoever is inside does not stop process 1. */
    if (info.ssi_signo == SIGTERM && info.ssi_pid == 0) stopping = true;
  }
}

static void take(void *what) {
  if (what == &channel[0]) {
    drain_channel();
  } else if (what == &syslog_socket) {
    drain_syslog();
  } else if (what == &signals) {
    take_signals();
  } else if (what == &files) {
    capture_take();
  } else if (recorder_owns(what)) {
    recorder_take(what);
  } else if (what != &output_watched) {
    drain_channel(); /* what the process said before it ended comes first */
    logins_ended(what);
  }
}

static void flush(void) {
  bool left = output_flush();
  if (left && !output_watched) watch(STDOUT_FILENO, &output_watched, EPOLLOUT);
  if (!left && output_watched) epoll_ctl(epoll, EPOLL_CTL_DEL, STDOUT_FILENO, NULL);
  output_watched = left;
}

static void round_of_events(int timeout) {
  struct epoll_event events[EVENTS];
  flush(); /* what was said since the last round, by a tick for one: nothing else may happen for long */
  int count = epoll_wait(epoll, events, EVENTS, timeout);
  for (int i = 0; i < count; i++) take(events[i].data.ptr);
}

static int sooner(int one, int other) { return one < 0 ? other : other < 0 || one < other ? one : other; }

/* Milliseconds until something is to be done although nothing happens. */
static int patience(void) {
  int wait = sooner(recorder_tick(), capture_tick());
  double left = (restart_at - logins_clock()) * 1000;
  return restart_at == 0 ? wait : sooner(wait, left < 0 ? 0 : (int)left + 1);
}

static void stop(void) {
  kill(-1, SIGTERM);
  for (int i = 0; i < 20 && waitpid(-1, NULL, WNOHANG) >= 0; i++) round_of_events(sooner(patience(), 50));
  drain_channel();
  recorder_finish();
  for (int i = 0; i < LAST_STEPS && capture_tick() >= 0; i++) continue;
  drain_syslog();
  flush();
}

int main(int argc, char **argv, char **env) {
  (void)argc;
  if (!prepare(&identity)) return 1;
  forget(argv, env);
  umask(022);
  line_from(identity.hostname);
  relay_version(identity.version[0] != '\0' ? identity.version : identity.installed);
  output_open();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  open_channel();
  open_syslog();
  open_signals();
  spool_open();
  recorder_open(epoll);
  daemon_start(channel[1], identity.version);
  while (!stopping) {
    watch_files();
    round_of_events(patience());
    if (restart_at > 0 && logins_clock() >= restart_at && !stopping) {
      restart_at = 0;
      daemon_start(channel[1], identity.version);
    }
  }
  stop();
  return 0;
}
