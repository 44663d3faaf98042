/* The line that somebody is typing, worked out from the keys alone. */
#ifndef TAP_KEYS_H
#define TAP_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum { KEYS_MAX = 4096 };

struct keys {
  char line[KEYS_MAX];
  size_t used;
  bool inexact; /* a key was pressed whose effect only the program knows: Tab, an arrow, history */
  bool pasting; /* inside a bracketed paste, where Enter does not enter */
  enum { KEYS_PLAIN, KEYS_ESCAPE, KEYS_SEQUENCE, KEYS_SHIFT } state;
  char parameters[16];
  size_t parameters_used;
};

/* Takes one key. `cooked`: the terminal itself edits the line, so escape sequences and Tab are text.
 * True when the line was entered; the caller reads it and calls keys_reset. */
bool keys_press(struct keys *keys, unsigned char key, bool cooked);
void keys_reset(struct keys *keys);

#endif
