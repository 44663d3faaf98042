/* Every directory that is watched for files. */
#ifndef INIT_TREE_H
#define INIT_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { TREE_MAX = 6000 /* a stock machine has 1,400 */, TREE_ROOT = 0, TREE_NONE = -1 };

/* Called for each regular file that is found. */
typedef void tree_found(const char *path);

/* Watches everything from the root on. */
void tree_open(int inotify);

int tree_node(int watch);
int tree_child(int parent, const char *name);
bool tree_path(int node, const char *name, char path[PATH_MAX]);

/* Watches a directory and what is in it; `found` may be NULL. */
void tree_add(int parent, const char *name, tree_found *found);
void tree_move(int node, int parent, const char *name);
void tree_forget(int node);

/* The kernel has dropped the watch of `node`. */
void tree_gone(int node);

/* Visits the files of all watched directories, at most `limit` entries. */
void tree_walk(tree_found *found, int limit);

/* Directories that could not be watched since the last call. */
unsigned long tree_missed(void);

#endif
