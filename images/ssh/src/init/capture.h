/* Copies of what is written on the machine, with their digest. */
#ifndef INIT_CAPTURE_H
#define INIT_CAPTURE_H

/* The descriptor to wait on; negative when files cannot be watched. */
int capture_open(void);

/* The descriptor is readable. */
void capture_take(void);

/* Works for a moment. Milliseconds until it wants to work again; -1: not before the next event. */
int capture_tick(void);

#endif
