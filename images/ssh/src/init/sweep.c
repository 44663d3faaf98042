#include "sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

enum { DEPTH_MAX = 24 };

static bool starts(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static bool is_part(const char *name) {
  size_t length = strlen(name);
  return name[0] == '.' && length > 6 && strcmp(name + length - 5, ".part") == 0;
}

/* SPOOL_KINDS when it is none of ours. */
static enum spool_kind kind_of(const char *name) {
  const char *base = is_part(name) ? name + 1 : name;
  if (strlen(base) >= SPOOL_NAME_MAX + 5) return SPOOL_KINDS;
  if (!is_part(name) && strlen(base) >= SPOOL_NAME_MAX) return SPOOL_KINDS;
  return starts(base, "session-") ? SPOOL_RECORDINGS : starts(base, "file-") ? SPOOL_FILES : SPOOL_KINDS;
}

static DIR *list(int directory) {
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return copy < 0 ? NULL : fdopendir(copy);
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* What somebody keeps open would keep its room: it is emptied first, unless it has another name elsewhere. */
static void empty(int directory, const char *name) {
  struct stat status;
  int file = openat(directory, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1) (void)!ftruncate(file, 0);
  close(file);
}

static void remove_tree(int directory, const char *name, int depth) {
  empty(directory, name);
  if (unlinkat(directory, name, 0) == 0 || depth == 0) return;
  int inside = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *entries = inside < 0 ? NULL : fdopendir(inside);
  if (entries == NULL) {
    if (inside >= 0) close(inside);
    return;
  }
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
    if (!is_dot(entry->d_name)) remove_tree(inside, entry->d_name, depth - 1);
  closedir(entries);
  unlinkat(directory, name, AT_REMOVEDIR);
}

void sweep_remove(int directory, const char *name) { remove_tree(directory, name, DEPTH_MAX); }

void sweep_report(const char *name, size_t size, const char *reason) {
  char session[17] = "";
  sscanf(name, "%*[a-z]-%16[0-9a-f]-", session);
  report_dropped((struct origin){strlen(session) == 16 ? session : "", "", ""}, reason, size, name);
}

static bool older(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void remember(struct sweep *found, enum spool_kind kind, const char *name, const struct stat *status) {
  struct finished *list = found->oldest[kind];
  unsigned at = found->oldest_count[kind];
  if (at == SWEEP_OLDEST && !older(&status->st_ctim, &list[at - 1].when)) return;
  if (at < SWEEP_OLDEST)
    found->oldest_count[kind]++;
  else
    at--;
  for (; at > 0 && older(&status->st_ctim, &list[at - 1].when); at--) list[at] = list[at - 1];
  snprintf(list[at].name, sizeof list[at].name, "%s", name);
  list[at].size = (size_t)status->st_size;
  list[at].when = status->st_ctim; /* of the renaming; an intruder cannot set it */
}

static void look_at(int directory, struct sweep *found, const char *name) {
  struct stat status;
  enum spool_kind kind = kind_of(name);
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (kind == SPOOL_KINDS || !S_ISREG(status.st_mode)) {
    sweep_remove(directory, name);
    found->foreign_bytes += (size_t)status.st_size;
    snprintf(found->foreign, sizeof found->foreign, "%.*s", (int)sizeof found->foreign - 1, name);
    return;
  }
  found->bytes[kind] += (size_t)status.st_blocks * 512;
  if (is_part(name)) return;
  found->count[kind]++;
  remember(found, kind, name, &status);
}

void sweep(int directory, struct sweep *found) {
  memset(found, 0, sizeof *found);
  DIR *entries = list(directory);
  if (entries == NULL) return;
  struct dirent *entry;
  for (int i = 0; i < SWEEP_ENTRIES_MAX && (entry = readdir(entries)) != NULL; i++)
    if (!is_dot(entry->d_name)) look_at(directory, found, entry->d_name);
  closedir(entries);
  if (found->foreign[0] != '\0') sweep_report(found->foreign, found->foreign_bytes, "foreign");
}

void sweep_adopt(int directory) {
  DIR *entries = list(directory);
  if (entries == NULL) return;
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    char name[SPOOL_NAME_MAX];
    size_t length = strlen(entry->d_name);
    if (!is_part(entry->d_name)) continue;
    if (kind_of(entry->d_name) != SPOOL_RECORDINGS || length - 6 >= sizeof name) {
      sweep_remove(directory, entry->d_name);
      continue;
    }
    snprintf(name, sizeof name, "%.*s", (int)(length - 6), entry->d_name + 1);
    renameat(directory, entry->d_name, directory, name);
  }
  closedir(entries);
}
