/* The pseudo terminals of a login: keys go in, output comes back, lines are made of both.
 *
 * A line that was only typed is taken from the keys. When keys were pressed whose effect only the
 * shell knows (completion, history, arrows), it is read off the screen at the moment it is entered. */
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "keys.h"
#include "screen.h"
#include "tap.h"

enum { TERMINALS = 10 /* sshd's MaxSessions */, UNUSED = -1 };

struct terminal {
  int number; /* N of /dev/pts/N plus one; 0 is free */
  bool cooked, hidden;
  struct keys keys;
  struct screen screen;
  bool marked;
  bool entered; /* a line to be read off the screen when its line feed comes */
};

static struct terminal terminals[TERMINALS];

struct terminal *terminal_of(int descriptor) {
  static int oldest;
  unsigned number;
  if (ioctl(descriptor, TIOCGPTN, &number) != 0) return NULL; /* no master side */
  for (int i = 0; i < TERMINALS; i++)
    if (terminals[i].number == (int)number + 1) return &terminals[i];
  struct terminal *terminal = NULL;
  for (int i = 0; i < TERMINALS && terminal == NULL; i++)
    if (terminals[i].number == 0) terminal = &terminals[i];
  if (terminal == NULL) terminal = &terminals[oldest++ % TERMINALS];
  memset(terminal, 0, sizeof *terminal);
  terminal->number = (int)number + 1;
  screen_reset(&terminal->screen);
  return terminal;
}

int terminal_number(const struct terminal *terminal) { return terminal->number - 1; }

void terminal_closed(struct terminal *terminal) { terminal->number = 0; }

static bool is_blank(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (text[i] != ' ') return false;
  return true;
}

static void line_done(const char *text, size_t length, bool hidden) {
  if (is_blank(text, length)) return;
  event_start(hidden ? "hidden_input" : "command");
  event_text("principal", login.principal);
  event_bytes(hidden ? "input" : "command", text, length);
  if (!hidden) event_text("how", "shell");
  event_send();
}

/* How the terminal stands before the keys reach it: afterwards the program may have changed it. */
void terminal_before_input(struct terminal *terminal, int descriptor) {
  struct termios settings;
  if (tcgetattr(descriptor, &settings) != 0) return;
  terminal->cooked = (settings.c_lflag & ICANON) != 0;
  terminal->hidden = terminal->cooked && (settings.c_lflag & ECHO) == 0;
}

static void enter(struct terminal *terminal) {
  struct keys *keys = &terminal->keys;
  if (terminal->screen.full_screen && !terminal->hidden) {
    /* keys of an editor or a pager, not a line */
  } else if (keys->inexact && !terminal->hidden && terminal->marked) {
    terminal->entered = true;
  } else {
    line_done(keys->line, keys->used, terminal->hidden);
  }
  keys_reset(keys);
  terminal->marked = false;
}

void terminal_input(struct terminal *terminal, const unsigned char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (!terminal->marked && !terminal->entered) {
      screen_mark(&terminal->screen);
      terminal->marked = true;
    }
    if (keys_press(&terminal->keys, bytes[i], terminal->cooked)) enter(terminal);
    if (terminal->keys.used == 0 && !terminal->keys.inexact && terminal->keys.state == KEYS_PLAIN)
      terminal->marked = false;
  }
}

void terminal_output(struct terminal *terminal, int descriptor, const unsigned char *bytes, size_t length) {
  struct winsize size;
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0) screen_width(&terminal->screen, size.ws_col);
  for (size_t i = 0; i < length; i++) {
    if (terminal->entered && screen_ends_line(&terminal->screen, bytes[i])) {
      char text[KEYS_MAX];
      line_done(text, screen_line(&terminal->screen, text, sizeof text), false);
      terminal->entered = false;
    }
    screen_show(&terminal->screen, bytes[i]);
  }
}
