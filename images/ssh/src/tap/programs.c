/* The programs of a login, and which descriptors of sshd lead to each.
 *
 * Before sshd starts a program it makes three pipes, or copies the descriptor of a terminal's master side; then
 * it forks. Frames about a program come from the parent alone, so they are in order; only what is executed is
 * known to the child alone. */
#include "programs.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recording.h"
#include "tap.h"

enum { PROGRAMS = 12 /* sshd's MaxSessions and some that have just ended */, PIPES = 3, NONE = -1 };

struct program {
  bool used;
  uint16_t number;
  int terminal; /* N of /dev/pts/N, or NONE */
  int descriptors[PIPES];
  pid_t pid; /* 0 once it has ended */
  uint64_t lost, told;
};

static struct program programs[PROGRAMS];
static uint16_t next_number;
static int pipes[PIPES], pipes_made; /* the parent's ends of those made since the last program */
static int waiting_terminal = NONE, waiting_master;
static struct program *starting;
static bool is_child;
static uint16_t own_number;

void programs_pipe(const int pair[2]) {
  /* Standard input is made first and written to by the parent, the others are read. */
  if (pipes_made < PIPES) pipes[pipes_made] = pair[pipes_made == 0 ? 1 : 0];
  pipes_made++;
}

void programs_copied(int descriptor) {
  unsigned number;
  if (ioctl(descriptor, TIOCGPTN, &number) != 0) return;
  waiting_terminal = (int)number;
  waiting_master = descriptor;
}

static struct program *new_program(void) {
  struct program *program = NULL;
  for (int i = 0; i < PROGRAMS; i++) {
    struct program *other = &programs[i];
    if (other->used && other->terminal != NONE && other->terminal == waiting_terminal) return other;
    if (program != NULL && !program->used) continue;
    if (!other->used || (other->pid == 0 && (program == NULL || other->number < program->number))) program = other;
  }
  return program;
}

static struct frame frame_of(const struct program *program, enum frame_kind kind) {
  return (struct frame){
      .kind = kind, .terminal = program->terminal != NONE, .program = program->number, .lost = program->lost};
}

void programs_forking(void) {
  struct winsize size;
  starting = NULL;
  if (is_child || recording_descriptor() < 0 || (waiting_terminal == NONE && pipes_made < PIPES)) return;
  struct program *program = new_program();
  if (program == NULL) return;
  *program = (struct program){.used = true, .number = next_number++, .terminal = waiting_terminal};
  for (int i = 0; i < PIPES; i++) program->descriptors[i] = waiting_terminal == NONE ? pipes[i] : NONE;
  struct frame begin = frame_of(program, FRAME_BEGIN);
  if (waiting_terminal != NONE && ioctl(waiting_master, TIOCGWINSZ, &size) == 0) {
    begin.columns = size.ws_col;
    begin.rows = size.ws_row;
  }
  recording_send(begin, false, NULL, 0);
  starting = program;
}

void programs_forked(pid_t child) {
  if (starting != NULL) {
    if (child == 0) is_child = true;
    if (child == 0) own_number = starting->number;
    if (child > 0) starting->pid = child;
    if (child < 0) starting->used = false;
  }
  starting = NULL;
  waiting_terminal = NONE;
  pipes_made = 0;
}

void programs_executes(const char *how, const char *what) {
  char text[FRAME_BYTES_MAX];
  size_t used = 0;
  if (!is_child) return;
  for (; *how != '\0'; how++) text[used++] = *how;
  text[used++] = ' ';
  for (; *what != '\0' && used < sizeof text; what++) text[used++] = *what;
  recording_send((struct frame){.kind = FRAME_PROGRAM, .program = own_number}, false, text, used);
}

void programs_resized(int descriptor, unsigned columns, unsigned rows) {
  unsigned number;
  if (ioctl(descriptor, TIOCGPTN, &number) != 0) return;
  for (int i = 0; i < PROGRAMS; i++) {
    if (!programs[i].used || programs[i].terminal != (int)number) continue;
    struct frame frame = frame_of(&programs[i], FRAME_RESIZE);
    frame.columns = (uint16_t)columns;
    frame.rows = (uint16_t)rows;
    recording_send(frame, false, NULL, 0);
  }
}

void programs_ended(pid_t pid, int status) {
  for (int i = 0; i < PROGRAMS; i++) {
    if (!programs[i].used || programs[i].pid != pid) continue;
    struct frame frame = frame_of(&programs[i], FRAME_EXIT);
    frame.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    recording_send(frame, false, NULL, 0);
    programs[i].pid = 0;
  }
}

void programs_closed(int descriptor) {
  for (int i = 0; i < PROGRAMS; i++)
    for (int j = 0; j < PIPES; j++)
      if (programs[i].used && programs[i].descriptors[j] == descriptor) programs[i].descriptors[j] = NONE;
}

static struct program *program_at(int terminal, int descriptor) {
  for (int i = 0; i < PROGRAMS; i++) {
    struct program *program = &programs[i];
    if (!program->used) continue;
    if (terminal != NONE && program->terminal == terminal) return program;
    for (int j = 0; j < PIPES && terminal == NONE; j++)
      if (program->descriptors[j] == descriptor) return program;
  }
  return NULL;
}

static void moved(enum frame_kind kind, int terminal, int descriptor, const unsigned char *bytes, size_t length) {
  struct program *program = is_child ? NULL : program_at(terminal, descriptor);
  bool bulk = kind == FRAME_OUTPUT || terminal == NONE;
  for (size_t step; program != NULL && length > 0; bytes += step, length -= step) {
    step = length < FRAME_BYTES_MAX ? length : FRAME_BYTES_MAX;
    struct frame frame = frame_of(program, kind);
    if (recording_send(frame, bulk, bytes, step))
      program->told = frame.lost;
    else
      program->lost += step;
  }
}

void programs_output(int terminal, int descriptor, const unsigned char *bytes, size_t length) {
  moved(FRAME_OUTPUT, terminal, descriptor, bytes, length);
}

void programs_input(int terminal, int descriptor, const unsigned char *bytes, size_t length) {
  moved(FRAME_INPUT, terminal, descriptor, bytes, length);
}

void programs_finish(void) {
  for (int i = 0; !is_child && i < PROGRAMS; i++)
    if (programs[i].used && programs[i].lost > programs[i].told)
      recording_last_word(frame_of(&programs[i], FRAME_LOST));
}
