#include "seen.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "logins.h"

enum { KEPT = 128 };

struct entry {
  unsigned char sha256[SHA256_SIZE];
  uint64_t path;
  double when;
  char stored_as[SPOOL_NAME_MAX];
};

static struct entry entries[KEPT];
static int next;

static uint64_t digest(const char *path) { /* FNV-1a */
  uint64_t value = 0xcbf29ce484222325;
  for (; *path != '\0'; path++) value = (value ^ (unsigned char)*path) * 0x100000001b3;
  return value;
}

const char *seen_content(const unsigned char sha256[SHA256_SIZE], const char *path, bool *same_path) {
  const char *stored_as = NULL;
  uint64_t wanted = digest(path);
  *same_path = false;
  for (int i = 0; i < KEPT; i++) {
    if (entries[i].when == 0 || memcmp(entries[i].sha256, sha256, SHA256_SIZE) != 0) continue;
    stored_as = entries[i].stored_as;
    if (entries[i].path == wanted) *same_path = true;
  }
  return stored_as;
}

void seen_remember(const unsigned char sha256[SHA256_SIZE], const char *path, const char *stored_as) {
  struct entry *entry = &entries[next++ % KEPT];
  next %= KEPT;
  memcpy(entry->sha256, sha256, SHA256_SIZE);
  entry->path = digest(path);
  entry->when = logins_clock();
  snprintf(entry->stored_as, sizeof entry->stored_as, "%s", stored_as);
}

double seen_at(const char *path) {
  uint64_t wanted = digest(path);
  double latest = 0;
  for (int i = 0; i < KEPT; i++)
    if (entries[i].when > latest && entries[i].path == wanted) latest = entries[i].when;
  return latest;
}
