/* What sshd sends of its logins' terminals and pipes, made into recordings.
 *
 * Each login has a socket of its own. It is read as fast as it comes until its allowance is used up; from then on at a
 * rate that costs little, and sshd counts what finds no room meanwhile. No session ever waits for us. */
#ifndef INIT_RECORDER_H
#define INIT_RECORDER_H

#include <stdbool.h>
#include <stddef.h>

void recorder_open(int epoll);

/* A new login hands over its socket, which is ours from here on. `record` is as relay_record gets it. */
void recorder_add(int socket, const unsigned char *record, size_t size);

/* Whether an event's pointer is one of ours; what to do with the event. */
bool recorder_owns(const void *what);
void recorder_take(void *what);

/* What time brings. Milliseconds until it wants to be called again; -1: not before the next event. */
int recorder_tick(void);

/* The end of everything: all that is there goes out. */
void recorder_finish(void);

#endif
