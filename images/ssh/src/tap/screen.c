#include "screen.h"

#include <stdlib.h>
#include <string.h>

enum { TAB_WIDTH = 8, DEFAULT_COLUMNS = 80 };

void screen_reset(struct screen *screen) {
  memset(screen, 0, sizeof *screen);
  screen->columns = DEFAULT_COLUMNS;
}

void screen_width(struct screen *screen, int columns) {
  if (columns < 2) columns = DEFAULT_COLUMNS;
  screen->columns = columns < SCREEN_COLUMNS ? columns : SCREEN_COLUMNS;
  if (screen->column >= screen->columns) screen->column = screen->columns - 1;
}

void screen_mark(struct screen *screen) {
  screen->mark_row = screen->row;
  screen->mark_column = screen->column;
}

static void clear_row(struct screen *screen, int row, int from, int to) {
  memset(&screen->cells[row][from], 0, sizeof(uint32_t) * (size_t)(to - from));
  if (to == SCREEN_COLUMNS) screen->wrapped[row] = false;
}

static void down(struct screen *screen) {
  screen->wrap_pending = false;
  if (screen->row < SCREEN_ROWS - 1) {
    screen->row++;
    return;
  }
  memmove(screen->cells[0], screen->cells[1], sizeof screen->cells - sizeof screen->cells[0]);
  memmove(&screen->wrapped[0], &screen->wrapped[1], sizeof screen->wrapped - sizeof screen->wrapped[0]);
  clear_row(screen, SCREEN_ROWS - 1, 0, SCREEN_COLUMNS);
  if (screen->mark_row > 0)
    screen->mark_row--;
  else
    screen->mark_column = 0;
}

static void put(struct screen *screen, uint32_t character) {
  if (screen->wrap_pending) {
    screen->wrapped[screen->row] = true;
    down(screen);
    screen->column = 0;
  }
  screen->cells[screen->row][screen->column] = character;
  if (screen->column == screen->columns - 1)
    screen->wrap_pending = true;
  else
    screen->column++;
}

static void move(struct screen *screen, int row, int column) {
  screen->row = row < 0 ? 0 : row < SCREEN_ROWS ? row : SCREEN_ROWS - 1;
  screen->column = column < 0 ? 0 : column < screen->columns ? column : screen->columns - 1;
  screen->wrap_pending = false;
}

static void erase_line(struct screen *screen, int how) {
  int from = how == 0 ? screen->column : 0;
  int to = how == 1 ? screen->column + 1 : SCREEN_COLUMNS;
  clear_row(screen, screen->row, from, to);
}

static void erase_screen(struct screen *screen, int how) {
  if (how == 0) {
    erase_line(screen, 0);
    for (int row = screen->row + 1; row < SCREEN_ROWS; row++) clear_row(screen, row, 0, SCREEN_COLUMNS);
  } else if (how >= 2) {
    for (int row = 0; row < SCREEN_ROWS; row++) clear_row(screen, row, 0, SCREEN_COLUMNS);
    move(screen, 0, 0);
    screen->mark_row = 0; /* the prompt is drawn again at the top */
  }
}

static void shift(struct screen *screen, int count) { /* right when positive, left when negative */
  uint32_t *row = screen->cells[screen->row];
  int room = screen->columns - screen->column;
  int moved = abs(count) < room ? abs(count) : room;
  size_t kept = sizeof(uint32_t) * (size_t)(room - moved);
  if (count > 0) {
    memmove(row + screen->column + moved, row + screen->column, kept);
    memset(row + screen->column, 0, sizeof(uint32_t) * (size_t)moved);
  } else {
    memmove(row + screen->column, row + screen->column + moved, kept);
    memset(row + screen->columns - moved, 0, sizeof(uint32_t) * (size_t)moved);
  }
}

static void mode(struct screen *screen, bool on) {
  int number = atoi(screen->sequence + 1);
  if (number == 1049 || number == 1047 || number == 47) screen->full_screen = on;
}

static void control(struct screen *screen, unsigned char final) {
  screen->sequence[screen->sequence_used] = '\0';
  if (screen->sequence[0] == '?') {
    if (final == 'h' || final == 'l') mode(screen, final == 'h');
    return;
  }
  int number = atoi(screen->sequence);
  if (number > SCREEN_COLUMNS) number = SCREEN_COLUMNS;
  if (number < 0) number = 0;
  int steps = number > 0 ? number : 1;
  switch (final) {
    case 'A':
      move(screen, screen->row - steps, screen->column);
      break;
    case 'B':
      move(screen, screen->row + steps, screen->column);
      break;
    case 'C':
      move(screen, screen->row, screen->column + steps);
      break;
    case 'D':
      move(screen, screen->row, screen->column - steps);
      break;
    case 'G':
      move(screen, screen->row, steps - 1);
      break;
    case 'J':
      erase_screen(screen, number);
      break;
    case 'K':
      erase_line(screen, number);
      break;
    case '@':
      shift(screen, steps);
      break;
    case 'P':
      shift(screen, -steps);
      break;
    default:
      break;
  }
}

static void in_escape(struct screen *screen, unsigned char byte) {
  screen->sequence_used = 0;
  switch (byte) {
    case '[':
      screen->state = SCREEN_SEQUENCE;
      break;
    case ']':
    case 'P':
    case '_':
    case '^':
      screen->state = SCREEN_STRING;
      break;
    case '(':
    case ')':
      screen->state = SCREEN_CHARSET;
      break;
    default:
      screen->state = SCREEN_PLAIN;
  }
}

static void in_sequence(struct screen *screen, unsigned char byte) {
  if (byte >= 0x40 && byte <= 0x7e) {
    screen->state = SCREEN_PLAIN;
    control(screen, byte);
  } else if (screen->sequence_used < SEQUENCE_MAX - 1) {
    screen->sequence[screen->sequence_used++] = (char)byte;
  }
}

static void text(struct screen *screen, unsigned char byte) {
  if (byte >= 0x80 && byte < 0xc0 && screen->character_left > 0) {
    screen->character = screen->character << 6 | (byte & 0x3f);
    if (--screen->character_left == 0) put(screen, screen->character);
    return;
  }
  screen->character_left = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
  screen->character = byte & (0xff >> (screen->character_left + 2));
  if (screen->character_left == 0) put(screen, byte < 0x80 ? byte : '?');
}

/* Line editors go from a full row to the next with line feeds too; the mark stays then. Any other line
 * feed means that the line is drawn anew below, as after a list of completions. */
static void line_feed(struct screen *screen) {
  bool inside = screen->cells[screen->row][screen->columns - 1] != 0;
  screen->wrapped[screen->row] = inside;
  down(screen);
  if (!inside) screen->mark_row = screen->row;
}

static void plain(struct screen *screen, unsigned char byte) {
  switch (byte) {
    case 0x1b:
      screen->state = SCREEN_ESCAPE;
      break;
    case '\r':
      move(screen, screen->row, 0);
      break;
    case '\n':
      line_feed(screen);
      break;
    case '\b':
      move(screen, screen->row, screen->column - 1);
      break;
    case '\t':
      move(screen, screen->row, (screen->column / TAB_WIDTH + 1) * TAB_WIDTH);
      break;
    default:
      if (byte >= 0x20 && byte != 0x7f) text(screen, byte);
  }
}

bool screen_ends_line(const struct screen *screen, unsigned char byte) {
  return screen->state == SCREEN_PLAIN && byte == '\n';
}

void screen_show(struct screen *screen, unsigned char byte) {
  switch (screen->state) {
    case SCREEN_PLAIN:
      plain(screen, byte);
      break;
    case SCREEN_ESCAPE:
      in_escape(screen, byte);
      break;
    case SCREEN_SEQUENCE:
      in_sequence(screen, byte);
      break;
    case SCREEN_CHARSET:
      screen->state = SCREEN_PLAIN;
      break;
    case SCREEN_STRING: /* ends with BEL or with ESC \ */
      if (byte == 0x07) screen->state = SCREEN_PLAIN;
      if (byte == 0x1b) screen->state = SCREEN_CHARSET;
      break;
  }
}

static size_t encode(uint32_t character, char *text) {
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
  for (size_t i = length; i-- > 1; character >>= 6) text[i] = (char)(0x80 | (character & 0x3f));
  text[0] = (char)(lead[length == 1 ? 0 : length] | character);
  return length;
}

size_t screen_line(const struct screen *screen, char *text, size_t size) {
  size_t used = 0;
  int column = screen->mark_column;
  for (int row = screen->mark_row; row < SCREEN_ROWS; row++, column = 0) {
    for (; column < screen->columns && used + 4 <= size; column++) {
      uint32_t character = screen->cells[row][column];
      used += encode(character == 0 ? ' ' : character, text + used);
    }
    if (!screen->wrapped[row]) break;
  }
  while (used > 0 && text[used - 1] == ' ') used--;
  return used;
}
