/* Reads along between sshd's unprivileged half and its monitor.
 *
 * The unprivileged half passes on every password and key as the client sent it, also for users that
 * do not exist and for a root that may not log in; only behind this socket does sshd replace the
 * password by junk. Message numbers and layouts are OpenSSH's monitor.h and monitor_wrap.c. */
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

enum {
  REQUEST_USER = 8,
  REQUEST_PASSWORD = 12,
  ANSWER_PASSWORD = 13,
  REQUEST_KEY = 22,
  ANSWER_KEY = 23,
  KIND_USER_KEY = 2,
  MESSAGE_KEPT = 32 * 1024, /* a 16384-bit RSA certificate is below 8 KiB */
  SECRET_KEPT = 4096,       /* as in the event contract */
};

/* One direction's messages: a length of four bytes, then the type and the body. */
struct stream {
  unsigned char header[4];
  size_t header_have;
  size_t wanted;
  size_t got;
  unsigned char kept[MESSAGE_KEPT];
};

struct part {
  const unsigned char *bytes;
  size_t length;
};

static int monitored = -1;
static struct stream requests, answers;
static unsigned char secret[SECRET_KEPT];
static size_t secret_length;
static bool secret_pending;
static unsigned char last_key[SHA256_DIGEST_LENGTH];
static bool considers_key;

void monitor_socket(int descriptor) { monitored = descriptor; }

bool monitor_considers_key(void) { return considers_key; }

bool monitor_is(int descriptor) { return role == ROLE_MONITOR && descriptor == monitored; }

static uint32_t number_at(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool take_number(struct part *from, uint32_t *number) {
  if (from->length < 4) return false;
  *number = number_at(from->bytes);
  from->bytes += 4;
  from->length -= 4;
  return true;
}

static bool take_string(struct part *from, struct part *string) {
  uint32_t length;
  if (!take_number(from, &length) || length > from->length) return false;
  *string = (struct part){from->bytes, length};
  from->bytes += length;
  from->length -= length;
  return true;
}

static void user_asked(struct part body) {
  struct part name;
  if (!take_string(&body, &name)) return;
  size_t length = name.length < sizeof login.principal - 1 ? name.length : sizeof login.principal - 1;
  memcpy(login.principal, name.bytes, length);
  login.principal[length] = '\0';
}

static void password_asked(struct part body) {
  struct part password;
  if (!take_string(&body, &password)) return;
  secret_length = password.length < SECRET_KEPT ? password.length : SECRET_KEPT;
  memcpy(secret, password.bytes, secret_length);
  secret_pending = true;
}

static void password_answered(struct part body) {
  uint32_t accepted;
  if (!secret_pending || !take_number(&body, &accepted)) return;
  event_start("credential");
  event_text("principal", login.principal);
  event_bytes("secret_printable", secret, secret_length);
  event_base64("secret_b64", secret, secret_length);
  event_text("secret_kind", "plaintext");
  event_text("outcome", accepted ? "accepted" : "refused");
  event_text("method", "password");
  event_send();
  secret_pending = false;
}

static void fingerprint_of(const unsigned char *digest, char text[64]) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t used = (size_t)strlen(strcpy(text, "SHA256:"));
  unsigned bits = 0, have = 0;
  for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
    bits = bits << 8 | digest[i];
    for (have += 8; have >= 6; have -= 6) text[used++] = digits[bits >> (have - 6) & 63];
  }
  if (have > 0) text[used++] = digits[bits << (6 - have) & 63];
  text[used] = '\0';
}

static void key_asked(struct part body) {
  uint32_t kind;
  struct part user, host, key, type, inside;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char fingerprint[64];
  if (!take_number(&body, &kind) || kind != KIND_USER_KEY) return;
  if (!take_string(&body, &user) || !take_string(&body, &host) || !take_string(&body, &key)) return;
  inside = key;
  if (!take_string(&inside, &type)) return;
  SHA256(key.bytes, key.length, digest);
  /* A key that is accepted is asked for twice: first whether it would do, then with its signature. */
  if (memcmp(digest, last_key, sizeof digest) == 0) return;
  memcpy(last_key, digest, sizeof digest);
  fingerprint_of(digest, fingerprint);
  event_start("public_key");
  event_text("principal", login.principal);
  event_bytes("key_type", type.bytes, type.length);
  event_text("fingerprint", fingerprint);
  event_base64("key_b64", key.bytes, key.length);
  event_send();
}

static void complete(const struct stream *stream) {
  size_t length = stream->got < MESSAGE_KEPT ? stream->got : MESSAGE_KEPT;
  if (length == 0) return;
  struct part body = {stream->kept + 1, length - 1};
  switch (stream->kept[0]) {
    case REQUEST_USER:
      user_asked(body);
      break;
    case REQUEST_PASSWORD:
      password_asked(body);
      break;
    case ANSWER_PASSWORD:
      password_answered(body);
      break;
    case REQUEST_KEY:
      considers_key = true;
      key_asked(body);
      break;
    case ANSWER_KEY:
      considers_key = false;
      break;
    default:
      break;
  }
}

static void feed(struct stream *stream, const unsigned char *bytes, size_t length) {
  while (length > 0) {
    size_t step;
    if (stream->header_have < sizeof stream->header) {
      stream->header[stream->header_have++] = *bytes;
      step = 1;
      if (stream->header_have == sizeof stream->header) {
        stream->wanted = number_at(stream->header);
        stream->got = 0;
      }
    } else {
      step = stream->wanted - stream->got < length ? stream->wanted - stream->got : length;
      if (stream->got < MESSAGE_KEPT) {
        size_t room = MESSAGE_KEPT - stream->got;
        memcpy(stream->kept + stream->got, bytes, step < room ? step : room);
      }
      stream->got += step;
    }
    bytes += step;
    length -= step;
    if (stream->header_have == sizeof stream->header && stream->got == stream->wanted) {
      complete(stream);
      stream->header_have = 0;
    }
  }
}

void monitor_read(const unsigned char *bytes, size_t length) { feed(&requests, bytes, length); }

void monitor_written(const unsigned char *bytes, size_t length) { feed(&answers, bytes, length); }
