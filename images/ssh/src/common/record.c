#include "record.h"

#include <stdint.h>
#include <string.h>

static void put(struct record *record, const void *string, size_t length) {
  uint32_t header;
  if (record->used + sizeof header > RECORD_MAX) return;
  size_t room = RECORD_MAX - record->used - sizeof header;
  if (length > room) length = room;
  header = (uint32_t)length;
  memcpy(record->bytes + record->used, &header, sizeof header);
  if (length > 0) memcpy(record->bytes + record->used + sizeof header, string, length);
  record->used += sizeof header + length;
}

void record_start(struct record *record, const char *id) {
  record->used = 0;
  put(record, id, strlen(id));
  put(record, "", 0);
}

void record_add(struct record *record, const char *name, const void *value, size_t length) {
  /* A name without its value would shift every field that follows. */
  if (record->used + 2 * sizeof(uint32_t) + strlen(name) > RECORD_MAX) return;
  put(record, name, strlen(name));
  put(record, value, length);
}

void record_add_text(struct record *record, const char *name, const char *value) {
  record_add(record, name, value, strlen(value));
}

bool record_next(const unsigned char *bytes, size_t size, size_t *at, const unsigned char **string,
                 size_t *length) {
  uint32_t header;
  if (*at > size || size - *at < sizeof header) return false;
  memcpy(&header, bytes + *at, sizeof header);
  if (header > size - *at - sizeof header) return false;
  *string = bytes + *at + sizeof header;
  *length = header;
  *at += sizeof header + header;
  return true;
}
