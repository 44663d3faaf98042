/* Sends events to init over the socket that sshd inherited from it. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../common/record.h"
#include "tap.h"

static int channel = -1;
static struct record record;

void event_descriptor(int descriptor) { channel = descriptor; }

int event_channel(void) { return channel; }

/* The sandboxed half parses what strangers send: it must have no way to write events. */
void event_mute(void) {
  if (channel >= 0) close(channel);
  channel = -1;
}

void event_start(const char *id) {
  record_start(&record, id);
  event_text("src_ip", login.address);
  event_text("src_port", login.port);
  event_text("session", login.session);
}

void event_text(const char *name, const char *value) { record_add_text(&record, name, value); }

void event_bytes(const char *name, const void *value, size_t length) {
  record_add(&record, name, value, length);
}

void event_base64(const char *name, const void *value, size_t length) {
  unsigned char *text = malloc(4 * (length / 3 + 1) + 1);
  if (text == NULL) return;
  int written = EVP_EncodeBlock(text, value, (int)length);
  record_add(&record, name, text, (size_t)written);
  free(text);
}

/* init always reads, so this waits only for a moment; SO_SNDTIMEO bounds even that. */
void event_send(void) {
  if (channel >= 0) (void)!send(channel, record.bytes, record.used, MSG_NOSIGNAL);
}

/* The event and a copy of `descriptor`. */
void event_send_with(int descriptor) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {0};
  struct iovec part = {record.bytes, record.used};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  if (channel >= 0) (void)!sendmsg(channel, &message, MSG_NOSIGNAL);
}
