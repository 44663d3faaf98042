/* Ports that a client asks to have forwarded: written down, then failed as a closed network fails them.
 *
 * sshd resolves the target and connects (local), or binds (remote); no other code of a session
 * process does either. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tap.h"

static void asked(const char *direction, const char *host, const char *port) {
  event_start("forward_request");
  event_text("direction", direction);
  event_text("host", host);
  event_text("port", port);
  event_send();
}

static bool is_address(const char *host) {
  unsigned char address[sizeof(struct in6_addr)];
  return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* sshd asks for a listening address without a host, or with a loopback address only (GatewayPorts no);
 * which of the two a loopback address is for shows at bind or connect. */
static char pending_host[NI_MAXHOST], pending_port[NI_MAXSERV];

HOOK int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                     struct addrinfo **result) {
  if (role != ROLE_SESSION || service == NULL || hints == NULL || hints->ai_socktype != SOCK_STREAM)
    return REAL(getaddrinfo)(host, service, hints, result);
  strncpy(pending_host, host == NULL ? "localhost" : host, sizeof pending_host - 1);
  strncpy(pending_port, service, sizeof pending_port - 1);
  if (host == NULL || is_address(host) || strcmp(host, "localhost") == 0)
    return REAL(getaddrinfo)(host, service, hints, result);
  asked("local", host, service);
  pending_host[0] = '\0';
  return EAI_AGAIN; /* as without a name server: asking one would only take longer to fail */
}

static bool is_inet(const struct sockaddr *address) {
  return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

/* A name with several addresses is tried several times but was asked for once. */
static void asked_once(const char *direction) {
  if (pending_host[0] != '\0') asked(direction, pending_host, pending_port);
  pending_host[0] = '\0';
}

HOOK int connect(int descriptor, const struct sockaddr *address, socklen_t size) {
  if (role != ROLE_SESSION) return REAL(connect)(descriptor, address, size);
  if (is_inet(address)) {
    asked_once("local");
    errno = ECONNREFUSED;
    return -1;
  }
  if (address->sa_family == AF_UNIX) {
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1] = "";
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    memcpy(path, ((const struct sockaddr_un *)address)->sun_path,
           length < sizeof path - 1 ? length : sizeof path - 1);
    asked("local", path, "0");
  }
  return REAL(connect)(descriptor, address, size);
}

HOOK int bind(int descriptor, const struct sockaddr *address, socklen_t size) {
  if (role != ROLE_SESSION || !is_inet(address)) return REAL(bind)(descriptor, address, size);
  asked_once("remote");
  errno = EADDRINUSE;
  return -1;
}
