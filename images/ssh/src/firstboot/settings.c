#include "settings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/channel.h"

static bool complain(const char *what) {
  fprintf(stderr, "SETTINGS: %s\n", what);
  return false;
}

static const char *text(const json_t *object, const char *name) {
  const char *value = json_string_value(json_object_get(object, name));
  return value == NULL ? "" : value;
}

static bool seed(const char *hex, unsigned char *bytes) {
  if (strlen(hex) != 2 * SEED_SIZE || strspn(hex, "0123456789abcdefABCDEF") != 2 * SEED_SIZE) return false;
  for (int i = 0; i < SEED_SIZE; i++) sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
  return true;
}

static bool is_version(const char *version) {
  if (strlen(version) > VERSION_MAX) return false;
  for (; *version != '\0'; version++)
    if (*version < ' ' || *version > '~') return false;
  return true;
}

bool settings_read(struct settings *settings) {
  json_error_t error;
  const char *value = getenv("SETTINGS");
  if (value == NULL) return complain("not set");
  const json_t *root = json_loads(value, 0, &error);
  if (root == NULL) return complain(error.text);
  const json_t *persona = json_object_get(root, "persona");
  settings->hostname = text(root, "hostname");
  settings->version = text(persona, "version");
  settings->users = text(persona, "users");
  settings->motd = text(persona, "motd");
  if (settings->hostname[0] == '\0') return complain("hostname is missing");
  if (!seed(text(root, "seed"), settings->seed)) return complain("seed is not 64 hexadecimal digits");
  if (!is_version(settings->version)) return complain("version is not printable ASCII of 200 characters at most");
  return true;
}
