#include "report.h"

#include <stdio.h>
#include <string.h>

#include "line.h"
#include "output.h"

static struct line line;

static void begin(const char *id, struct origin origin) {
  line_start(&line, id, strlen(id));
  if (origin.address[0] != '\0') line_text_field(&line, "src_ip", origin.address);
  if (origin.port[0] != '\0') line_text_field(&line, "src_port", origin.port);
  if (origin.session[0] != '\0') line_text_field(&line, "session", origin.session);
}

static void number(const char *name, unsigned long long value) {
  char text[24];
  snprintf(text, sizeof text, "%llu", value);
  line_text_field(&line, name, text);
}

static void end(void) {
  line_finish(&line, "", 0);
  output_line(&line);
}

void report_dropped(struct origin origin, const char *reason, unsigned long long bytes, const char *name) {
  begin("recording_dropped", origin);
  line_text_field(&line, "reason", reason);
  number("bytes", bytes);
  if (name[0] != '\0') line_text_field(&line, "name", name);
  end();
}

void report_captured(struct origin origin, const struct captured *file) {
  char mode[8];
  begin("file_captured", origin);
  line_text_field(&line, "path", file->path);
  number("size", file->size);
  line_text_field(&line, "sha256", file->sha256);
  if (file->stored_as[0] != '\0') line_text_field(&line, "stored_as", file->stored_as);
  line_text_field(&line, "cut", file->cut ? "1" : "0");
  number("owner", file->owner);
  snprintf(mode, sizeof mode, "%04o", file->mode & 07777);
  line_text_field(&line, "mode", mode);
  end();
}
