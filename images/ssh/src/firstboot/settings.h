/* The machine's settings, from the environment variable SETTINGS. */
#ifndef FIRSTBOOT_SETTINGS_H
#define FIRSTBOOT_SETTINGS_H

#include <stdbool.h>

enum { SEED_SIZE = 32 };

struct settings {
  const char *hostname;
  unsigned char seed[SEED_SIZE];
  const char *version; /* empty: as installed */
  const char *users;   /* name:password,name:password */
  const char *motd;    /* empty: as installed */
};

/* False when the settings cannot be used; it has said why on standard error. */
bool settings_read(struct settings *settings);

#endif
