#include "accounts.h"

#include <crypt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "derive.h"
#include "table.h"

enum {
  FIRST_ID = 1000,
  NOBODY = 65534,
  FIRST_DAY = 19500, /* 2023-05-23, after Debian 12's freeze; passwords were set in the year after it */
};

struct account {
  char name[33];
  char hash[CRYPT_OUTPUT_SIZE];
  unsigned id;
  unsigned day; /* of the last password change */
};

static bool complain(const char *name, const char *what) {
  fprintf(stderr, "users: %s: %s\n", name, what);
  return false;
}

static bool hash(struct stream *stream, const char *password, char *text) {
  static struct crypt_data work;
  unsigned char random[16];
  char salt[CRYPT_GENSALT_OUTPUT_SIZE];
  derive_bytes(stream, random, sizeof random);
  if (crypt_gensalt_rn("$y$", 0, (const char *)random, sizeof random, salt, sizeof salt) == NULL) return false;
  const char *result = crypt_r(password, salt, &work);
  if (result == NULL || result[0] == '*') return false;
  snprintf(text, CRYPT_OUTPUT_SIZE, "%s", result);
  return true;
}

static bool copy(const char *from, const char *to, unsigned id) {
  char bytes[4096];
  size_t size;
  FILE *source = fopen(from, "r"), *target = fopen(to, "w");
  while (source != NULL && target != NULL && (size = fread(bytes, 1, sizeof bytes, source)) > 0)
    fwrite(bytes, 1, size, target);
  bool done = source != NULL && target != NULL && fchown(fileno(target), id, id) == 0;
  if (source != NULL) fclose(source);
  if (target != NULL) done = fclose(target) == 0 && done;
  return done;
}

static bool make_home(const struct account *account) {
  static const char *const skeleton[] = {".bash_logout", ".bashrc", ".profile"};
  char home[64], from[64], to[128];
  snprintf(home, sizeof home, "/home/%s", account->name);
  if (mkdir(home, 0700) != 0 || chown(home, account->id, account->id) != 0) return false;
  for (size_t i = 0; i < sizeof skeleton / sizeof *skeleton; i++) {
    snprintf(from, sizeof from, "/etc/skel/%s", skeleton[i]);
    snprintf(to, sizeof to, "%s/%s", home, skeleton[i]);
    if (!copy(from, to, account->id)) return false;
  }
  return true;
}

/* Groups that Debian's installer gives to the first user; sudo when root has no password. */
static bool join_groups(const struct account *account, bool administrator) {
  static const char *const groups[] = {"cdrom", "floppy", "audio", "dip", "video", "plugdev", "users"};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    if (!table_join("/etc/group", groups[i], account->name) || !table_join("/etc/gshadow", groups[i], account->name))
      return false;
  if (!administrator) return true;
  return table_join("/etc/group", "sudo", account->name) && table_join("/etc/gshadow", "sudo", account->name);
}

static bool add(const struct account *account, bool first, bool administrator) {
  char line[512];
  snprintf(line, sizeof line, "%s:x:%u:%u:,,,:/home/%s:/bin/bash", account->name, account->id, account->id, account->name);
  if (!table_append("/etc/passwd", line)) return false;
  snprintf(line, sizeof line, "%s:%s:%u:0:99999:7:::", account->name, account->hash, account->day);
  if (!table_append("/etc/shadow", line)) return false;
  snprintf(line, sizeof line, "%s:x:%u:", account->name, account->id);
  if (!table_append("/etc/group", line)) return false;
  snprintf(line, sizeof line, "%s:!::", account->name);
  if (!table_append("/etc/gshadow", line)) return false;
  if (!make_home(account)) return false;
  return first || administrator ? join_groups(account, administrator) : true;
}

static bool set_root(const struct account *account) {
  char line[512];
  snprintf(line, sizeof line, "root:%s:%u:0:99999:7:::", account->hash, account->day);
  return table_replace("/etc/shadow", "root", line);
}

static bool is_name(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
  static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789.-";
  size_t length = strlen(name);
  return length > 0 && length <= 32 && strchr(letters, name[0]) != NULL && strspn(name, rest) == length;
}

static bool set_up(const struct settings *settings, const char *name, const char *password, bool root_has_password) {
  static unsigned people;
  struct account account = {.id = FIRST_ID + people};
  struct stream stream;
  char label[64];
  unsigned char days[2];
  bool is_root = strcmp(name, "root") == 0;
  if (!is_name(name)) return complain(name, "is no user name (a-z, 0-9, _, . and -, at most 32)");
  const struct passwd *known = is_root ? NULL : getpwnam(name);
  if (known != NULL && known->pw_uid >= FIRST_ID && known->pw_uid < NOBODY) return true; /* a restart */
  if (known != NULL) return complain(name, "is a system user");
  snprintf(account.name, sizeof account.name, "%s", name);
  snprintf(label, sizeof label, "account:%s", name);
  derive(&stream, settings->seed, SEED_SIZE, label);
  derive_bytes(&stream, days, sizeof days);
  account.day = FIRST_DAY + (unsigned)(days[0] << 8 | days[1]) % 365;
  if (!hash(&stream, password, account.hash)) return complain(name, "the password cannot be hashed");
  if (!is_root) people++;
  if (is_root ? set_root(&account) : add(&account, people == 1, !root_has_password)) return true;
  return complain(name, "cannot be added");
}

bool accounts_write(const struct settings *settings) {
  char *users = strdup(settings->users), *rest = users;
  bool root_has_password = strncmp(users, "root:", 5) == 0 || strstr(users, ",root:") != NULL;
  bool added = true;
  for (char *user; added && (user = strsep(&rest, ",")) != NULL;) {
    char *password = strchr(user, ':');
    if (*user == '\0') continue;
    if (password == NULL) {
      added = complain(user, "has no password: write name:password");
    } else {
      *password = '\0';
      added = set_up(settings, user, password + 1, root_has_password);
    }
  }
  free(users);
  return added;
}
