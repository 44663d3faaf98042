#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool.h"

enum { BUCKETS = 1024, DEPTH_MAX = 64 };

struct node {
  int watch; /* 0: free */
  int parent, next;
  char *name;
};

static struct node *nodes; /* grows to TREE_MAX */
static int size;
static int first_free = TREE_NONE;
static int buckets[BUCKETS];
static int inotify;
static unsigned long missed;

static const unsigned wanted = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_ONLYDIR | IN_DONT_FOLLOW |
                               IN_EXCL_UNLINK;

/* Not files of a disk, what the machine itself writes all the time, and what it may not betray. */
static const char *const excluded[] = {"/proc", "/sys", "/dev", "/run", "/var/log", SPOOL_PATH};

static bool is_excluded(const char *path) {
  struct stat status;
  for (size_t i = 0; i < sizeof excluded / sizeof *excluded; i++)
    if (strcmp(path, excluded[i]) == 0) return true;
  return lstat(path, &status) == 0 && spool_is(status.st_dev, status.st_ino);
}

int tree_node(int watch) {
  int node = buckets[watch % BUCKETS];
  while (node != TREE_NONE && nodes[node].watch != watch) node = nodes[node].next;
  return node;
}

int tree_child(int parent, const char *name) {
  for (int i = 0; i < size; i++)
    if (i != TREE_ROOT && nodes[i].watch != 0 && nodes[i].parent == parent && strcmp(nodes[i].name, name) == 0)
      return i;
  return TREE_NONE;
}

bool tree_path(int node, const char *name, char path[PATH_MAX]) {
  size_t start = PATH_MAX - 1, length = strlen(name); /* written from the end, then moved to the front */
  path[start] = '\0';
  for (;;) {
    if (length + 1 > start) return false;
    start -= length;
    memcpy(path + start, name, length);
    if (length > 0) path[--start] = '/';
    if (node == TREE_ROOT) break;
    name = nodes[node].name;
    length = strlen(name);
    node = nodes[node].parent;
  }
  if (path[start] == '\0') path[--start] = '/';
  memmove(path, path + start, PATH_MAX - start);
  return true;
}

static int take_free(void) {
  int node = first_free;
  if (node != TREE_NONE) {
    first_free = nodes[node].next;
    return node;
  }
  if (size == TREE_MAX) return TREE_NONE;
  if (size % 256 == 0) {
    struct node *more = realloc(nodes, (size_t)(size + 256) * sizeof *nodes);
    if (more == NULL) return TREE_NONE;
    nodes = more;
  }
  return size++;
}

static int watch(int parent, const char *name, const char *path) {
  int descriptor = inotify_add_watch(inotify, path, wanted);
  if (descriptor <= 0) {
    if (errno == ENOSPC || errno == ENOMEM) missed++;
    return TREE_NONE;
  }
  int node = tree_node(descriptor);
  if (node != TREE_NONE) return node; /* known already */
  node = take_free();
  char *copy = node == TREE_NONE ? NULL : strdup(name);
  if (copy == NULL) {
    inotify_rm_watch(inotify, descriptor);
    missed++;
    return TREE_NONE;
  }
  nodes[node] = (struct node){descriptor, parent, buckets[descriptor % BUCKETS], copy};
  buckets[descriptor % BUCKETS] = node;
  return node;
}

static bool is_directory(const char *path, const struct dirent *entry, bool *regular) {
  struct stat status;
  *regular = entry->d_type == DT_REG;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
  if (lstat(path, &status) != 0) return false;
  *regular = S_ISREG(status.st_mode);
  return S_ISDIR(status.st_mode);
}

static DIR *list(const char *path) {
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *entries = directory < 0 ? NULL : fdopendir(directory);
  if (entries == NULL && directory >= 0) close(directory);
  return entries;
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

static void add(int parent, const char *name, tree_found *found, int depth) {
  static char path[PATH_MAX]; /* made anew for each use: it would be much stack at that depth */
  if (depth == DEPTH_MAX || !tree_path(parent, name, path)) {
    missed++;
    return;
  }
  if (is_excluded(path)) return;
  int node = watch(parent, name, path);
  DIR *entries = node == TREE_NONE ? NULL : list(path);
  if (entries == NULL) return;
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    bool regular;
    if (is_dot(entry->d_name) || !tree_path(node, entry->d_name, path)) continue;
    if (is_directory(path, entry, &regular)) add(node, entry->d_name, found, depth + 1);
    if (regular && found != NULL && tree_path(node, entry->d_name, path)) found(path);
  }
  closedir(entries);
}

void tree_add(int parent, const char *name, tree_found *found) { add(parent, name, found, 0); }

void tree_open(int descriptor) {
  inotify = descriptor;
  for (int i = 0; i < BUCKETS; i++) buckets[i] = TREE_NONE;
  add(TREE_ROOT, "", NULL, 0);
  add(TREE_ROOT, "dev/shm", NULL, 0); /* the one place below /dev where people leave files */
}

void tree_move(int node, int parent, const char *name) {
  char *copy = strdup(name);
  if (copy == NULL) return;
  free(nodes[node].name);
  nodes[node].name = copy;
  nodes[node].parent = parent;
}

void tree_gone(int node) {
  int *at = &buckets[nodes[node].watch % BUCKETS];
  while (*at != node) at = &nodes[*at].next;
  *at = nodes[node].next;
  free(nodes[node].name);
  nodes[node] = (struct node){.next = first_free};
  first_free = node;
}

/* Their watches end, and each one's end is told as an event, which frees the node. */
void tree_forget(int node) {
  for (int i = 0; i < size; i++)
    if (nodes[i].watch != 0 && i != TREE_ROOT && i != node && nodes[i].parent == node) tree_forget(i);
  inotify_rm_watch(inotify, nodes[node].watch);
}

void tree_walk(tree_found *found, int limit) {
  static char path[PATH_MAX];
  for (int i = 0; i < size && limit > 0; i++) {
    DIR *entries = nodes[i].watch != 0 && tree_path(i, "", path) ? list(path) : NULL;
    if (entries == NULL) continue;
    for (struct dirent *entry; limit > 0 && (entry = readdir(entries)) != NULL; limit--) {
      bool regular;
      if (is_dot(entry->d_name) || !tree_path(i, entry->d_name, path)) continue;
      if (!is_directory(path, entry, &regular) && regular) found(path);
    }
    closedir(entries);
  }
}

unsigned long tree_missed(void) {
  unsigned long count = missed;
  missed = 0;
  return count;
}
