#include "watcher.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "logins.h"
#include "queue.h"
#include "report.h"
#include "seen.h"
#include "tree.h"

enum {
  READS_AT_ONCE = 16,
  WALK_MAX = 60000, /* directory entries; a stock machine has 12,000 */
};

static const double again_after = 2; /* seconds between two captures of one path */
static const double tell_again_after = 60;
static const double settle = 0.5;    /* for files that were found, not reported: they may be written still */

static const struct origin nobody = {"", "", ""};

static int inotify = -1;
static time_t all_seen_at; /* when the kernel's queue was last empty */
static time_t behind_since; /* 0: nothing was missed */
static int moved = TREE_NONE; /* a directory that was moved away; the next event tells where to */
static uint32_t moved_cookie;

int watcher_open(void) {
  inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify >= 0)
    tree_open(inotify);
  else
    report_dropped(nobody, "directories", 0, "");
  all_seen_at = time(NULL);
  return inotify;
}

static void fall_behind(void) {
  if (behind_since == 0) behind_since = all_seen_at;
}

static void queue(const char *path, double delay) {
  double now = logins_clock(), due = now + delay, last = seen_at(path);
  if (last > 0 && last + again_after > due) due = last + again_after;
  if (queue_add(path, due)) return;
  fall_behind();
}

static void found_in_new_directory(const char *path) {
  struct stat status;
  if (lstat(path, &status) == 0 && status.st_ctime >= all_seen_at - 2) queue(path, settle);
}

static void found_behind(const char *path) {
  struct stat status;
  if (lstat(path, &status) == 0 && status.st_ctime >= behind_since - 1) queue(path, 0);
}

static void directory_changed(int node, const struct inotify_event *event) {
  if ((event->mask & IN_MOVED_FROM) != 0) {
    moved = tree_child(node, event->name);
    moved_cookie = event->cookie;
  } else if ((event->mask & IN_MOVED_TO) != 0 && moved != TREE_NONE && moved_cookie == event->cookie) {
    tree_move(moved, node, event->name);
    moved = TREE_NONE;
  } else if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    tree_add(node, event->name, found_in_new_directory);
  }
}

static void take(const struct inotify_event *event) {
  static char path[PATH_MAX];
  if ((event->mask & IN_Q_OVERFLOW) != 0) {
    fall_behind();
    return;
  }
  int node = tree_node(event->wd);
  if (moved != TREE_NONE && event->cookie != moved_cookie) { /* it left for where nobody watches */
    tree_forget(moved);
    moved = TREE_NONE;
  }
  if (node == TREE_NONE) return;
  if ((event->mask & IN_IGNORED) != 0)
    tree_gone(node);
  else if ((event->mask & IN_ISDIR) != 0)
    directory_changed(node, event);
  else if ((event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0 && tree_path(node, event->name, path))
    queue(path, 0);
}

void watcher_take(void) {
  static char bytes[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
  for (int i = 0; i < READS_AT_ONCE; i++) {
    ssize_t size = read(inotify, bytes, sizeof bytes);
    if (size <= 0) {
      all_seen_at = time(NULL);
      return;
    }
    for (ssize_t at = 0; at < size;) {
      const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
      take(event);
      at += (ssize_t)(sizeof *event + event->len);
    }
  }
}

void watcher_catch_up(void) {
  static double told_at;
  if ((told_at == 0 || logins_clock() > told_at + tell_again_after) && tree_missed() > 0) {
    report_dropped(nobody, "directories", 0, "");
    told_at = logins_clock();
  }
  if (behind_since == 0 || !queue_is_empty()) return;
  report_dropped(nobody, "files", 0, "");
  tree_walk(found_behind, WALK_MAX);
  behind_since = 0; /* one look: who writes that much for ever would keep us looking for ever */
}
