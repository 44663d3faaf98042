#include "line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "utf8.h"

#define APP_NAME "ssh"

enum {
  PRIORITY = 16 * 8 + 6, /* local0, informational */
  RESERVED = 8,          /* always room for the element's end and the newline */
};

static char from[256] = "-";

void line_from(const char *hostname) {
  size_t used = 0;
  for (; *hostname != '\0' && used < sizeof from - 1; hostname++)
    if (*hostname > ' ' && *hostname < 0x7f) from[used++] = *hostname;
  if (used > 0) from[used] = '\0';
}

static bool put(struct line *line, const char *text, size_t length) {
  if (line->used + length > LINE_MAX_SIZE - RESERVED) return false;
  memcpy(line->text + line->used, text, length);
  line->used += length;
  return true;
}

/* Control characters become \xNN as the Python codec writes them; so do bytes that are not UTF-8.
 * In a value, RFC 5424 wants ", \ and ] escaped, the backslash of \xNN for such a byte included. */
static void put_escaped(struct line *line, const char *text, size_t length, bool value) {
  for (size_t i = 0; i < length;) {
    const unsigned char *at = (const unsigned char *)text + i;
    size_t size = utf8_character(at, length - i);
    char escaped[8];
    if (size == 0) {
      size = 1;
      snprintf(escaped, sizeof escaped, value ? "\\\\x%02x" : "\\x%02x", *at);
      if (!put(line, escaped, strlen(escaped))) return;
    } else if (*at < 0x20 || *at == 0x7f) {
      snprintf(escaped, sizeof escaped, "\\x%02x", *at);
      if (!put(line, escaped, strlen(escaped))) return;
    } else if (value && (*at == '"' || *at == '\\' || *at == ']')) {
      if (!put(line, (char[]){'\\', (char)*at}, 2)) return;
    } else if (!put(line, (const char *)at, size)) {
      return;
    }
    i += size;
  }
}

void line_start(struct line *line, const char *id, size_t id_length) {
  struct timespec now;
  struct tm utc;
  char when[32];
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
  if (id_length > 32) id_length = 32; /* MSGID, RFC 5424 section 6 */
  line->fields = false;
  line->used = (size_t)snprintf(line->text, LINE_MAX_SIZE, "<%d>1 %s.%06ldZ %s " APP_NAME " - %.*s ", PRIORITY, when,
                                now.tv_nsec / 1000, from, (int)id_length, id);
}

void line_field(struct line *line, const char *name, size_t name_length, const char *value, size_t length) {
  if (line->used + name_length + 64 > LINE_MAX_SIZE - RESERVED) return;
  put(line, line->fields ? " " : "[relay@55555 ", line->fields ? 1 : 13);
  line->fields = true;
  put(line, name, name_length);
  put(line, "=\"", 2);
  put_escaped(line, value, length, true);
  line->text[line->used++] = '"'; /* within RESERVED: a value that is cut still ends */
}

void line_text_field(struct line *line, const char *name, const char *value) {
  line_field(line, name, strlen(name), value, strlen(value));
}

void line_finish(struct line *line, const char *message, size_t length) {
  line->text[line->used++] = line->fields ? ']' : '-';
  if (length > 0 && put(line, " ", 1)) put_escaped(line, message, length, false);
  line->text[line->used++] = '\n';
}
