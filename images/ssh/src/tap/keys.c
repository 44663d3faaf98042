#include "keys.h"

#include <string.h>

enum { CONTROL_C = 3, CONTROL_D = 4, CONTROL_L = 12, CONTROL_U = 21, CONTROL_W = 23, CONTROL_Z = 26, DELETE = 127 };

void keys_reset(struct keys *keys) {
  keys->used = 0;
  keys->inexact = false;
  keys->pasting = false;
  keys->state = KEYS_PLAIN;
}

static void append(struct keys *keys, unsigned char key) {
  if (keys->used < KEYS_MAX) keys->line[keys->used++] = (char)key;
}

static void delete_character(struct keys *keys) {
  while (keys->used > 0 && ((unsigned char)keys->line[keys->used - 1] & 0xc0) == 0x80) keys->used--; /* UTF-8 */
  if (keys->used > 0) keys->used--;
}

static void delete_word(struct keys *keys) {
  while (keys->used > 0 && keys->line[keys->used - 1] == ' ') keys->used--;
  while (keys->used > 0 && keys->line[keys->used - 1] != ' ') keys->used--;
}

static void sequence_done(struct keys *keys, unsigned char final) {
  keys->parameters[keys->parameters_used] = '\0';
  keys->state = KEYS_PLAIN;
  if (final == '~' && strcmp(keys->parameters, "200") == 0)
    keys->pasting = true;
  else if (final == '~' && strcmp(keys->parameters, "201") == 0)
    keys->pasting = false;
  else if (strchr("RcnIO", final) == NULL) /* those are the terminal's own answers and focus reports */
    keys->inexact = true;
}

static void in_sequence(struct keys *keys, unsigned char key) {
  if (key >= 0x40 && key <= 0x7e)
    sequence_done(keys, key);
  else if (keys->parameters_used < sizeof keys->parameters - 1)
    keys->parameters[keys->parameters_used++] = (char)key;
}

static void edit(struct keys *keys, unsigned char key, bool cooked) {
  switch (key) {
    case DELETE:
    case '\b':
      delete_character(keys);
      break;
    case CONTROL_U:
      keys->used = 0;
      break;
    case CONTROL_W:
      delete_word(keys);
      break;
    case CONTROL_C:
    case CONTROL_Z:
      keys_reset(keys);
      break;
    case CONTROL_D:
    case CONTROL_L:
      break;
    default:
      if (cooked)
        append(keys, key);
      else
        keys->inexact = true;
  }
}

bool keys_press(struct keys *keys, unsigned char key, bool cooked) {
  if (keys->state == KEYS_ESCAPE) {
    keys->parameters_used = 0;
    keys->state = key == '[' ? KEYS_SEQUENCE : key == 'O' ? KEYS_SHIFT : KEYS_PLAIN;
    if (keys->state == KEYS_PLAIN) keys->inexact = true;
  } else if (keys->state == KEYS_SEQUENCE) {
    in_sequence(keys, key);
  } else if (keys->state == KEYS_SHIFT) {
    keys->state = KEYS_PLAIN;
    keys->inexact = true;
  } else if (key == 0x1b && !cooked) {
    keys->state = KEYS_ESCAPE;
  } else if (key == '\r' || key == '\n') {
    if (!keys->pasting) return true;
    append(keys, '\n');
  } else if ((key < 0x20 && !keys->pasting) || key == DELETE) {
    edit(keys, key, cooked);
  } else {
    append(keys, key);
  }
  return false;
}
