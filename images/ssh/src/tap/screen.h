/* The last rows of a terminal's screen, enough to read an edited command line off it. */
#ifndef TAP_SCREEN_H
#define TAP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCREEN_ROWS = 12, SCREEN_COLUMNS = 512, SEQUENCE_MAX = 32 };

struct screen {
  uint32_t cells[SCREEN_ROWS][SCREEN_COLUMNS]; /* code points; 0 is an empty cell */
  bool wrapped[SCREEN_ROWS];                   /* the row's text goes on in the next one */
  int columns;                                 /* the terminal's width */
  int row, column;
  bool wrap_pending;  /* a character stands in the last column; the next one wraps */
  int mark_row, mark_column;
  bool full_screen;   /* an editor or pager has taken the alternate screen */
  enum { SCREEN_PLAIN, SCREEN_ESCAPE, SCREEN_SEQUENCE, SCREEN_STRING, SCREEN_CHARSET } state;
  char sequence[SEQUENCE_MAX];
  size_t sequence_used;
  uint32_t character; /* a UTF-8 character that is not complete */
  int character_left;
};

void screen_reset(struct screen *screen);
void screen_width(struct screen *screen, int columns);

/* Whether `byte` is about to leave the current line behind. */
bool screen_ends_line(const struct screen *screen, unsigned char byte);

/* Shows one byte of output. */
void screen_show(struct screen *screen, unsigned char byte);

/* Remembers where the cursor is: what is typed from here on is the line. */
void screen_mark(struct screen *screen);

/* The text from the mark to the end of its line, as UTF-8. Returns its length. */
size_t screen_line(const struct screen *screen, char *text, size_t size);

#endif
