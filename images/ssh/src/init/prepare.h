/* The machine's own settings: handed to firstboot, then forgotten. */
#ifndef INIT_PREPARE_H
#define INIT_PREPARE_H

#include <stdbool.h>

struct identity {
  char hostname[256];
  char version[256];   /* to claim in the banner; empty: sshd's own */
  char installed[256]; /* what sshd is by itself */
};

/* Runs firstboot and reads its answers. False when it failed; it has said why. */
bool prepare(struct identity *identity);

/* Leaves nothing of the settings where a process of the machine could read them. */
void forget(char **argv, char **env);

#endif
