/* Standard output, never waited for.
 *
 * The reader of our output may be slow; sshd must not become slow with it. Lines wait in a bounded
 * queue. When that is full, new ones are dropped and counted, and the count is written once there is
 * room again. */
#ifndef INIT_OUTPUT_H
#define INIT_OUTPUT_H

#include <stdbool.h>

#include "line.h"

void output_open(void);
void output_line(const struct line *line);

/* Writes what the reader takes. True when something is left over: call again when it is writable. */
bool output_flush(void);

#endif
