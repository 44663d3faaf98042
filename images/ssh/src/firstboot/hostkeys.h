/* The machine's three host keys, the same on every start. */
#ifndef FIRSTBOOT_HOSTKEYS_H
#define FIRSTBOOT_HOSTKEYS_H

#include <stdbool.h>

#include "settings.h"

bool hostkeys_write(const struct settings *settings);

#endif
