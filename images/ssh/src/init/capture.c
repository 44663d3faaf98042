#include "capture.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* the newer interface loads providers, which take a megabyte */
#include <fcntl.h>
#include <linux/magic.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "logins.h"
#include "owner.h"
#include "queue.h"
#include "report.h"
#include "seen.h"
#include "spool.h"
#include "watcher.h"

enum {
  SIZE_MAX_BYTES = 100 * 1024 * 1024,
  STEP = 1024 * 1024,        /* read before the sessions have their turn again */
  FILES_BURST = 1000,        /* captured at once, and then */
  FILES_RATE = 50,           /* a second */
  BYTES_BURST = 512 * 1024 * 1024,
  BYTES_RATE = 16 * 1024 * 1024,
};

/* The file that is being copied. */
static struct {
  int from, to; /* `from` is negative when there is none; `to` when its copy found no room */
  struct waiting file;
  struct stat status;
  struct origin origin;
  SHA256_CTX digest;
  size_t size;
  bool copying; /* it has been read once, and its content is new */
  bool cut, stored_whole;
  char name[SPOOL_NAME_MAX];
} job = {.from = -1};

static double files_left = FILES_BURST, bytes_left = BYTES_BURST;

int capture_open(void) { return watcher_open(); }

void capture_take(void) { watcher_take(); }

static void name_job(void) {
  static long long last;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  long long number = (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  last = number > last ? number : last + 1; /* unique, also after process 1 was started anew */
  const char *session = job.origin.session[0] == '\0' ? "none" : job.origin.session;
  snprintf(job.name, sizeof job.name, "file-%s-%lld", session, last);
}

static bool is_of_a_disk(int file) {
  struct statfs system;
  if (fstatfs(file, &system) != 0) return false;
  return system.f_type != PROC_SUPER_MAGIC && system.f_type != SYSFS_MAGIC && system.f_type != CGROUP_SUPER_MAGIC &&
         system.f_type != CGROUP2_SUPER_MAGIC;
}

static bool start_job(void) {
  job.from = open(job.file.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME | O_CLOEXEC);
  if (job.from < 0) return false;
  if (fstat(job.from, &job.status) != 0 || !S_ISREG(job.status.st_mode) || job.status.st_size == 0 ||
      !is_of_a_disk(job.from)) {
    close(job.from);
    job.from = -1;
    return false;
  }
  job.origin = owner_of(job.status.st_uid, job.file.when);
  job.copying = job.cut = false;
  job.to = -1;
  job.size = 0;
  SHA256_Init(&job.digest);
  return true;
}

/* It is new. The digest is made again, of what is copied: somebody may write to the file meanwhile. */
static bool start_copy(void) {
  if (lseek(job.from, 0, SEEK_SET) != 0) return false;
  name_job();
  job.to = spool_begin(job.name);
  job.stored_whole = job.to >= 0;
  job.copying = true;
  job.cut = false;
  job.size = 0;
  SHA256_Init(&job.digest);
  return true;
}

static void end_job(void) {
  if (job.to >= 0 && job.stored_whole && job.size > 0)
    job.stored_whole = spool_finish(job.to, job.name);
  else if (job.to >= 0)
    spool_discard(job.to, job.name);
  close(job.from);
  job.from = -1;
  files_left--;
}

static void report_job(const unsigned char sha256[SHA256_SIZE], const char *known) {
  char text[2 * SHA256_SIZE + 1], name[SPOOL_NAME_MAX] = "";
  if (known != NULL || job.stored_whole) snprintf(name, sizeof name, "%s", known != NULL ? known : job.name);
  for (int i = 0; i < SHA256_SIZE; i++) snprintf(text + 2 * i, 3, "%02x", sha256[i]);
  struct captured captured = {job.file.path, name, text, job.size, job.cut, job.status.st_uid, job.status.st_mode};
  report_captured(job.origin, &captured);
  if (name[0] != '\0')
    seen_remember(sha256, job.file.path, name);
  else
    report_dropped(job.origin, "disk", job.size, job.name);
}

/* Everything has been read, for the first time or for the copy. */
static void read_whole(void) {
  unsigned char sha256[SHA256_SIZE];
  bool same_path;
  SHA256_Final(sha256, &job.digest);
  const char *known = seen_content(sha256, job.file.path, &same_path);
  if (!job.copying && job.size > 0 && known == NULL && start_copy()) return;
  bool copied = job.copying;
  end_job();
  if (job.size > 0 && (copied || (known != NULL && !same_path))) report_job(sha256, copied ? NULL : known);
}

static void read_some(void) {
  static unsigned char bytes[64 * 1024];
  for (size_t step = 0; step < STEP && job.from >= 0;) {
    size_t room = SIZE_MAX_BYTES - job.size < sizeof bytes ? SIZE_MAX_BYTES - job.size : sizeof bytes;
    ssize_t size = read(job.from, bytes, room == 0 ? 1 : room);
    if (size > 0 && room == 0) job.cut = true;
    if (size <= 0 || room == 0) {
      read_whole();
      continue;
    }
    SHA256_Update(&job.digest, bytes, (size_t)size);
    if (job.to >= 0 && job.stored_whole &&
        spool_append(job.to, SPOOL_FILES, bytes, (size_t)size) != (size_t)size) {
      job.stored_whole = false;
      spool_check();
    }
    job.size += (size_t)size;
    step += (size_t)size;
    bytes_left -= (double)size;
  }
}

static void refill(double now) {
  static double last;
  files_left += last > 0 ? (now - last) * FILES_RATE : 0;
  bytes_left += last > 0 ? (now - last) * BYTES_RATE : 0;
  if (files_left > FILES_BURST) files_left = FILES_BURST;
  if (bytes_left > BYTES_BURST) bytes_left = BYTES_BURST;
  last = now;
}

int capture_tick(void) {
  double now = logins_clock();
  refill(now);
  if (job.from < 0 && (files_left < 1 || bytes_left < 0)) return queue_is_empty() ? -1 : 100;
  if (job.from < 0 && queue_take(now, &job.file)) {
    static char path[4096];
    snprintf(path, sizeof path, "%s", job.file.path);
    free(job.file.path);
    job.file.path = path;
    start_job();
  }
  if (job.from >= 0) read_some();
  if (job.from >= 0) return 0;
  watcher_catch_up();
  if (queue_is_empty()) return -1;
  double wait = (queue_next() - now) * 1000;
  return wait <= 0 ? 0 : wait > 1000 ? 1000 : (int)wait + 1;
}
