/* Learns which files have been written. */
#ifndef INIT_WATCHER_H
#define INIT_WATCHER_H

/* Watches the whole machine. The descriptor to wait on; negative when the kernel grants none. */
int watcher_open(void);

/* Takes what the kernel has to tell and queues the files. */
void watcher_take(void);

/* After more was told than could be queued: looks for what changed meanwhile, once the queue is empty. */
void watcher_catch_up(void);

#endif
