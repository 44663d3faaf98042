/* The programs of a login, and which descriptors of sshd lead to each. */
#ifndef TAP_PROGRAMS_H
#define TAP_PROGRAMS_H

#include <stddef.h>
#include <sys/types.h>

/* sshd made a pipe, copied a descriptor, forks, closes. */
void programs_pipe(const int pair[2]);
void programs_copied(int descriptor);
void programs_forking(void);
void programs_forked(pid_t child);
void programs_closed(int descriptor);

/* In the child: what it is about to execute. `how` is exec, subsystem or shell. */
void programs_executes(const char *how, const char *what);

void programs_resized(int descriptor, unsigned columns, unsigned rows);
void programs_ended(pid_t pid, int status);

/* Bytes that passed. `terminal` is the N of /dev/pts/N, or -1 when `descriptor` is no terminal's. */
void programs_output(int terminal, int descriptor, const unsigned char *bytes, size_t length);
void programs_input(int terminal, int descriptor, const unsigned char *bytes, size_t length);

/* The process ends: says what was lost and not yet told. */
void programs_finish(void);

#endif
