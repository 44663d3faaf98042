#include "cast.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

size_t cast_header(char *line, size_t size, const struct cast_header *header) {
  return (size_t)snprintf(line, size,
                          "{\"version\": 2, \"width\": %u, \"height\": %u, \"timestamp\": %lld, \"session\": \"%s\", "
                          "\"program\": %u, \"shard\": %u, \"terminal\": %s}\n",
                          header->columns, header->rows, (long long)header->began, header->session, header->program,
                          header->shard, header->terminal ? "true" : "false");
}

static size_t control(char *to, unsigned char byte) {
  static const char digits[] = "0123456789abcdef";
  static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
  to[0] = '\\';
  if (byte < sizeof letters && letters[byte] != 0) {
    to[1] = letters[byte];
    return 2;
  }
  memcpy(to + 1, "u00", 3);
  to[4] = digits[byte >> 4];
  to[5] = digits[byte & 15];
  return 6;
}

static size_t no_character(char *to, unsigned char byte) {
  to[0] = (char)0xee; /* UTF-8 of U+EF80 to U+EFFF */
  to[1] = (char)(0xbc + (byte >> 6));
  to[2] = (char)(0x80 | (byte & 0x3f));
  return 3;
}

static bool stands_for_a_byte(const unsigned char *text, size_t size) {
  return size == 3 && text[0] == 0xee && text[1] >= 0xbe;
}

/* `whole`: nothing follows, so an incomplete character is none. Returns what was written, `*taken` what was used. */
static size_t escape(char *to, const unsigned char *bytes, size_t length, bool whole, size_t *taken) {
  char *at = to;
  size_t i = 0;
  while (i < length) {
    unsigned char byte = bytes[i];
    if (byte >= 0x80) {
      size_t size = utf8_character(bytes + i, length - i);
      if (size == 0 && !whole && utf8_begins(bytes + i, length - i)) break;
      if (size > 0 && !stands_for_a_byte(bytes + i, size)) {
        memcpy(at, bytes + i, size);
        at += size;
        i += size;
        continue;
      }
      at += no_character(at, byte);
    } else if (byte < 0x20 || byte == 0x7f) {
      at += control(at, byte);
    } else {
      if (byte == '"' || byte == '\\') *at++ = '\\';
      *at++ = (char)byte;
    }
    i++;
  }
  *taken = i;
  return (size_t)(at - to);
}

static size_t start(char *line, double seconds, char code) {
  return (size_t)snprintf(line, 64, "[%.6f, \"%c\", \"", seconds, code);
}

static size_t finish(char *line, size_t used) {
  memcpy(line + used, "\"]\n", 3);
  return used + 3;
}

size_t cast_bytes(char *line, double seconds, char code, const unsigned char *bytes, size_t length,
                  struct cast_rest *rest) {
  size_t taken, prefix = start(line, seconds, code), used = prefix;
  while (rest->used > 0 && length > 0) { /* byte by byte until it is a character or cannot become one */
    rest->bytes[rest->used++] = *bytes++;
    length--;
    used += escape(line + used, rest->bytes, rest->used, false, &taken);
    memmove(rest->bytes, rest->bytes + taken, rest->used - taken);
    rest->used -= taken;
  }
  used += escape(line + used, bytes, length, false, &taken);
  if (taken < length) {
    memcpy(rest->bytes, bytes + taken, length - taken);
    rest->used = length - taken;
  }
  return used == prefix ? 0 : finish(line, used);
}

size_t cast_rest(char *line, double seconds, char code, struct cast_rest *rest) {
  size_t taken, used = start(line, seconds, code);
  if (rest->used == 0) return 0;
  used += escape(line + used, rest->bytes, rest->used, true, &taken);
  rest->used = 0;
  return finish(line, used);
}

size_t cast_text(char *line, double seconds, char code, const char *text) {
  size_t taken, used = start(line, seconds, code), length = strlen(text);
  if (length > CAST_BYTES_MAX) length = CAST_BYTES_MAX;
  used += escape(line + used, (const unsigned char *)text, length, true, &taken);
  return finish(line, used);
}
