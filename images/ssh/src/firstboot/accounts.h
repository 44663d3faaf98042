/* The accounts that somebody can log in to. */
#ifndef FIRSTBOOT_ACCOUNTS_H
#define FIRSTBOOT_ACCOUNTS_H

#include <stdbool.h>

#include "settings.h"

/* Adds the users of the settings the way Debian's installer and adduser do; those that exist already
 * keep what they have. False when one cannot be added; it has said why. */
bool accounts_write(const struct settings *settings);

#endif
