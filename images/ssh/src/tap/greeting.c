/* The client's version line, which sshd reads byte by byte before anything is encrypted. */
#include <sys/socket.h>

#include "tap.h"

enum { LINE_MAX_KEPT = 255 }; /* RFC 4253 section 4.2 */

static char line[LINE_MAX_KEPT];
static size_t kept;
static bool done;

static bool is_connection(int descriptor) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  if (getpeername(descriptor, (struct sockaddr *)&peer, &size) != 0) return false;
  return peer.ss_family == AF_INET || peer.ss_family == AF_INET6;
}

void greeting_read(int descriptor, const unsigned char *bytes, size_t length) {
  if (done || !is_connection(descriptor)) return;
  for (size_t i = 0; i < length && !done; i++) {
    if (bytes[i] == '\n' || kept == LINE_MAX_KEPT)
      done = true;
    else
      line[kept++] = (char)bytes[i];
  }
  if (!done) return;
  if (kept > 0 && line[kept - 1] == '\r') kept--;
  event_start("client_version");
  event_bytes("version", line, kept);
  event_send();
}
