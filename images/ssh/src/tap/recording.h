/* The socket on which a login's terminals and pipes are told to init. */
#ifndef TAP_RECORDING_H
#define TAP_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/frame.h"

/* Makes the socket and hands init its end. Without one, the login goes on unrecorded and init knows. */
void recording_open(void);
int recording_descriptor(void);

/* False when there was no room; the time is filled in. Bulk may wait for a moment now and then. */
bool recording_send(struct frame frame, bool bulk, const void *bytes, size_t length);

/* For a process that is about to end: waits a moment for room. */
void recording_last_word(struct frame frame);

#endif
