/* Lets sshd's sandboxed half take every user for a real one, because it looks at offered keys only then.
 *
 * The monitor goes on knowing better, so passwords, delays and refusals stay sshd's own. What the two
 * would now say differently, in the log and in the process title, is put right here. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "tap.h"

enum { ANSWER_USER = 9, HEADER = 5 /* length and type, which sshd writes first */, NOBODY = 65534 };

struct entry {
  unsigned char bytes[512];
  size_t used;
};

static unsigned char held[HEADER];
static bool holding;
static bool pretended; /* in the monitor: the user does not exist; in the other half: it was told a lie */

static void put(struct entry *entry, const void *bytes, size_t length) {
  if (length > sizeof entry->bytes - entry->used) return;
  memcpy(entry->bytes + entry->used, bytes, length);
  entry->used += length;
}

static void put_length(struct entry *entry, size_t length) {
  unsigned char bytes[] = {length >> 24 & 0xff, length >> 16 & 0xff, length >> 8 & 0xff, length & 0xff};
  put(entry, bytes, sizeof bytes);
}

static void put_string(struct entry *entry, const void *bytes, size_t length) {
  put_length(entry, length);
  put(entry, bytes, length);
}

/* As mm_answer_pwnamallow composes it. The session's random name stands where a full name would, and
 * tells the other half's copy of this library that the entry is not real. */
static void compose(struct entry *entry) {
  uint32_t id = NOBODY;
  const char *texts[] = {login.principal, "*", login.session, "/nonexistent", "/bin/sh"};
  entry->used = 0;
  put(entry, "\1", 1);
  put_string(entry, &id, sizeof id);
  put_string(entry, &id, sizeof id);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) put_string(entry, texts[i], strlen(texts[i]));
}

static bool write_all(int descriptor, const unsigned char *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = REAL(write)(descriptor, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    size -= (size_t)written;
  }
  return true;
}

ssize_t pretend_write(int descriptor, const unsigned char *bytes, size_t size) {
  if (!holding && size == HEADER && bytes[HEADER - 1] == ANSWER_USER) {
    memcpy(held, bytes, HEADER);
    holding = true;
    return HEADER;
  }
  if (!holding || size == 0) return REAL(write)(descriptor, bytes, size);
  struct entry entry = {.used = 0}, header = {.used = 0};
  holding = false;
  pretended = bytes[0] == 0;
  if (pretended) compose(&entry);
  size_t replaced = pretended ? 1 : 0; /* the byte that says no */
  put_length(&header, size - replaced + entry.used + 1);
  put(&header, &held[HEADER - 1], 1);
  if (!write_all(descriptor, header.bytes, header.used) || !write_all(descriptor, entry.bytes, entry.used) ||
      !write_all(descriptor, bytes + replaced, size - replaced))
    return -1;
  return (ssize_t)size;
}

void pretend_told(const unsigned char *bytes, size_t length) {
  if (!pretended) pretended = memmem(bytes, length, login.session, strlen(login.session)) != NULL;
}

bool pretend_title(const char *format, va_list arguments) {
  va_list copy;
  if (!pretended || role != ROLE_MUTE || strcmp(format, "%s%s") != 0) return false;
  va_copy(copy, arguments);
  (void)va_arg(copy, const char *);
  bool is_title = strcmp(va_arg(copy, const char *), " [net]") == 0;
  va_end(copy);
  return is_title;
}

/* `text` with the first `from` replaced. */
static void replace(char *text, size_t size, const char *from, const char *to) {
  char *at = strstr(text, from), rest[1024];
  if (at == NULL) return;
  snprintf(rest, sizeof rest, "%s", at + strlen(from));
  snprintf(at, size - (size_t)(at - text), "%s%s", to, rest);
}

/* False when sshd would not have said it. */
static bool correct(char *text, size_t size) {
  if (strncmp(text, "Failed ", 7) == 0 && monitor_considers_key()) return false;
  if (strncmp(text, "Failed ", 7) == 0) return true; /* the monitor's own words */
  replace(text, size, " authenticating user ", " invalid user ");
  replace(text, size, "attempts exceeded for ", "attempts exceeded for invalid user ");
  return true;
}

extern void __vsyslog_chk(int, int, const char *, va_list);
extern void __syslog_chk(int, int, const char *, ...);

HOOK void __syslog_chk(int priority, int flag, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  if (pretended && role == ROLE_MONITOR && strcmp(format, "%.500s") == 0) {
    snprintf(text, sizeof text, "%.500s", va_arg(arguments, const char *));
    if (correct(text, sizeof text)) syslog(priority, "%.500s", text);
  } else {
    __vsyslog_chk(priority, flag, format, arguments);
  }
  va_end(arguments);
}
