#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "sweep.h"

static int directory = -1;
static size_t used[SPOOL_KINDS]; /* as of the last look, and what has been written since */
static const size_t limits[SPOOL_KINDS] = {SPOOL_RECORDINGS_MAX, SPOOL_FILES_MAX};
static spool_shed *shed;

static const struct origin nobody = {"", "", ""};

void spool_on_shortage(spool_shed *function) { shed = function; }

/* The volume is mounted with everybody's permissions; root alone has business here. */
static bool reopen(void) {
  struct stat status, named;
  if (directory >= 0 && fstat(directory, &status) == 0 && lstat(SPOOL_PATH, &named) == 0 &&
      status.st_ino == named.st_ino && status.st_dev == named.st_dev)
    return true;
  if (directory >= 0) close(directory);
  if (mkdir("/var/lib/systemd", 0755) != 0 && errno != EEXIST) return false;
  if (mkdir(SPOOL_PATH, 0700) != 0 && errno != EEXIST) return false;
  directory = open(SPOOL_PATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0) { /* something else has its name */
    sweep_remove(AT_FDCWD, SPOOL_PATH);
    mkdir(SPOOL_PATH, 0700);
    directory = open(SPOOL_PATH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }
  return directory >= 0 && fchown(directory, 0, 0) == 0 && fchmod(directory, 0700) == 0;
}

void spool_open(void) {
  if (reopen()) sweep_adopt(directory);
  spool_check();
}

bool spool_is(dev_t device, ino_t inode) {
  struct stat status;
  return directory >= 0 && fstat(directory, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static void part_of(const char *name, char *part) { snprintf(part, SPOOL_NAME_MAX + 8, ".%s.part", name); }

int spool_begin(const char *name) {
  char part[SPOOL_NAME_MAX + 8];
  part_of(name, part);
  for (int i = 0; i < 2 && reopen(); i++) {
    int file = openat(directory, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file >= 0) return file;
    sweep_remove(directory, part); /* somebody has been here before */
  }
  return -1;
}

size_t spool_append(int file, enum spool_kind kind, const void *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t written = write(file, (const char *)bytes + done, length - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += (size_t)written;
  }
  used[kind] += done;
  if (used[kind] > limits[kind]) spool_check();
  return done;
}

/* A file that was deleted while it was written still has its content as long as it is open. */
static int restore(int file, off_t size, const char *name) {
  off_t from = 0;
  int copy = spool_begin(name);
  while (copy >= 0 && from < size && sendfile(copy, file, &from, (size_t)(size - from)) > 0) continue;
  report_dropped(nobody, "deleted", (unsigned long long)(size - from), name);
  close(file);
  return copy;
}

bool spool_finish(int file, const char *name) {
  char part[SPOOL_NAME_MAX + 8];
  struct stat status = {.st_size = 0};
  part_of(name, part);
  if (fstat(file, &status) == 0 && status.st_nlink == 0) file = restore(file, status.st_size, name);
  if (file < 0) return false;
  close(file);
  if (renameat(directory, part, directory, name) == 0) return true;
  sweep_remove(directory, name);
  if (renameat(directory, part, directory, name) == 0) return true;
  report_dropped(nobody, "deleted", (unsigned long long)status.st_size, name);
  return false;
}

void spool_discard(int file, const char *name) {
  char part[SPOOL_NAME_MAX + 8];
  part_of(name, part);
  close(file);
  unlinkat(directory, part, 0);
}

/* Evicts until `kind` is within its limit. False when there is nothing finished to evict. */
static bool make_room(enum spool_kind kind, const struct sweep *found) {
  size_t over = used[kind] > limits[kind] ? used[kind] - limits[kind] : 0;
  unsigned crowd = found->count[kind] > SWEEP_COUNT_MAX ? found->count[kind] - SWEEP_COUNT_MAX : 0;
  for (unsigned i = 0; i < found->oldest_count[kind] && (over > 0 || crowd > 0); i++) {
    const struct finished *victim = &found->oldest[kind][i];
    if (unlinkat(directory, victim->name, 0) != 0) continue; /* taken away just now */
    sweep_report(victim->name, victim->size, "spool");
    over = over > victim->size ? over - victim->size : 0;
    used[kind] -= victim->size < used[kind] ? victim->size : used[kind];
    if (crowd > 0) crowd--;
  }
  return over == 0;
}

void spool_check(void) {
  static struct sweep found; /* too large for the stack */
  static bool checking;
  if (checking || !reopen()) return; /* shedding finishes files, which may come back here */
  checking = true;
  for (int round = 0; round < 64; round++) {
    sweep(directory, &found);
    memcpy(used, found.bytes, sizeof used);
    make_room(SPOOL_FILES, &found);
    if (make_room(SPOOL_RECORDINGS, &found)) break;
    if (found.oldest_count[SPOOL_RECORDINGS] == 0 && (shed == NULL || !shed())) break;
  }
  checking = false;
}
