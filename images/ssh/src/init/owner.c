#include "owner.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "logins.h"

enum { SESSIONS_MAX = 256 };

/* Seconds. What a session closes as it ends is seen a little later, much later when nothing else goes on. */
static const double short_grace = 0.1, long_grace = 2;

struct session {
  char name[SESSION_MAX + 1], address[ADDRESS_MAX + 1], port[6], principal[64];
  double closed_at; /* 0 while it is open */
};

static struct session sessions[SESSIONS_MAX];
static int next;

void owner_opened(const char *name, const char *address, const char *port, const char *principal) {
  for (int i = 0; i < SESSIONS_MAX; i++) { /* an open one is forgotten only when all are open */
    next = (next + 1) % SESSIONS_MAX;
    if (sessions[next].name[0] == '\0' || sessions[next].closed_at > 0) break;
  }
  struct session *session = &sessions[next];
  snprintf(session->name, sizeof session->name, "%s", name);
  snprintf(session->address, sizeof session->address, "%s", address);
  snprintf(session->port, sizeof session->port, "%s", port);
  snprintf(session->principal, sizeof session->principal, "%s", principal);
  session->closed_at = 0;
}

void owner_closed(const char *name) {
  for (int i = 0; i < SESSIONS_MAX; i++)
    if (strcmp(sessions[i].name, name) == 0) sessions[i].closed_at = logins_clock();
}

/* Straight from the file: the library's own way may load modules and ask the network. */
static bool is_user(const char *name, uid_t id) {
  bool is = false;
  FILE *file = fopen("/etc/passwd", "re");
  if (file == NULL) return false;
  for (const struct passwd *entry; !is && (entry = fgetpwent(file)) != NULL;)
    is = entry->pw_uid == id && strcmp(entry->pw_name, name) == 0;
  fclose(file);
  return is;
}

/* Whether `session` was there at `when`, or had ended no more than `grace` seconds before. */
static bool is_candidate(const struct session *session, double when, double grace) {
  if (session->name[0] == '\0') return false;
  return session->closed_at == 0 || session->closed_at + grace >= when;
}

/* The only candidate; if there are several, the only one whose user owns the file. NULL: none or many. */
static const struct session *only_one(uid_t owner, double when, double grace, int *candidates) {
  const struct session *only = NULL, *fitting = NULL;
  int owners = 0;
  *candidates = 0;
  for (int i = 0; i < SESSIONS_MAX; i++) {
    if (!is_candidate(&sessions[i], when, grace)) continue;
    only = &sessions[i];
    ++*candidates;
  }
  if (*candidates <= 1) return only;
  for (int i = 0; i < SESSIONS_MAX; i++) {
    if (!is_candidate(&sessions[i], when, grace) || !is_user(sessions[i].principal, owner)) continue;
    fitting = &sessions[i];
    owners++;
  }
  return owners == 1 ? fitting : NULL;
}

struct origin owner_of(uid_t owner, double when) {
  int candidates;
  const struct session *found = only_one(owner, when, short_grace, &candidates);
  if (candidates == 0) found = only_one(owner, when, long_grace, &candidates);
  if (found == NULL) return (struct origin){"", "", ""};
  return (struct origin){found->name, found->address, found->port};
}
