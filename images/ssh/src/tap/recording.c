/* The socket on which a login's terminals and pipes are told to init.
 *
 * What finds no room is counted, and the next frame carries the count. Bulk (output, data for programs without a
 * terminal) leaves some room free, so that keys and resizes pass in a flood of output. A short burst waits for init to
 * make room, as a busy node may let it stand for a moment; but all waiting together is a small part of the time. */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/channel.h"
#include "tap.h"

enum {
  BUFFER_WANTED = 1024 * 1024, /* the kernel gives what net.core.wmem_max allows */
  KEPT_FREE = 96 * 1024,       /* for what is no bulk */
  SMALL = 1024,                /* of so many frames that small only one looks for room */
  SMALL_UNCHECKED = 16,
  LAST_WORD = 300,             /* milliseconds to wait at the very end for init to make room */
  WAIT = 20,                   /* milliseconds at a time, and all in all */
  WAIT_FREELY = 500,           /* milliseconds, and then */
  WAIT_SHARE = 50,             /* one in so many */
};

#define MILLISECOND 1000000ull /* nanoseconds */

static int stream = -1;
static int bulk_limit; /* bytes of the buffer in use from which on bulk is left out */

static int high_copy(int descriptor) {
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, RECORDING_DESCRIPTOR);
  REAL(close)(descriptor);
  return copy;
}

void recording_open(void) {
  int pair[2], wanted = BUFFER_WANTED, size = 0;
  socklen_t length = sizeof size;
  if (REAL(socketpair)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return;
  setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  if (getsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size > 2 * KEPT_FREE)
    bulk_limit = size - KEPT_FREE;
  event_start(FRAME_SOCKET_RECORD);
  event_send_with(pair[0]);
  REAL(close)(pair[0]);
  stream = high_copy(pair[1]);
}

int recording_descriptor(void) { return stream; }

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static bool has_room(void) {
  int used;
  return ioctl(stream, SIOCOUTQ, &used) == 0 && used < bulk_limit;
}

static bool has_room_for_bulk(size_t length) {
  static uint64_t first, waited;
  static int unchecked;
  struct pollfd room = {.fd = stream, .events = POLLOUT};
  if (length < SMALL && unchecked++ < SMALL_UNCHECKED) return true;
  unchecked = 0;
  if (has_room()) return true;
  uint64_t begun = now();
  if (first == 0) first = begun;
  if (waited > WAIT_FREELY * MILLISECOND + (begun - first) / WAIT_SHARE) return false;
  poll(&room, 1, WAIT);
  waited += now() - begun;
  return has_room();
}

static bool post(struct frame *frame, const void *bytes, size_t length) {
  struct iovec parts[2] = {{frame, sizeof *frame}, {(void *)bytes, length}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = length > 0 ? 2 : 1};
  frame->time = now();
  if (sendmsg(stream, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
    REAL(close)(stream); /* init is not listening to this login */
    stream = -1;
  }
  return false;
}

bool recording_send(struct frame frame, bool bulk, const void *bytes, size_t length) {
  int saved = errno;
  bool sent = stream >= 0 && (!bulk || has_room_for_bulk(length)) && post(&frame, bytes, length);
  errno = saved;
  return sent;
}

void recording_last_word(struct frame frame) {
  if (stream < 0 || post(&frame, NULL, 0) || stream < 0) return;
  struct pollfd room = {.fd = stream, .events = POLLOUT};
  if (poll(&room, 1, LAST_WORD) == 1) post(&frame, NULL, 0);
}
