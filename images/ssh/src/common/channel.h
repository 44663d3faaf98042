/* How init and the library inside sshd find each other. */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

/* "<descriptor>:<version to claim>". A variable that systemd gives to every service, in a form that
 * looks like systemd's "<device>:<inode>"; the library wipes it before anything can look. */
#define CHANNEL_VARIABLE "JOURNAL_STREAM"

/* Loaded from the default library path. libnss_systemd belongs to a stock Debian and is mapped into
 * every sshd there, so its name in /proc/<pid>/maps says nothing. */
#define TAP_LIBRARY "libnss_systemd.so.2"

enum {
  CHANNEL_DESCRIPTOR = 19, /* above what sshd hands to its re-executed self (3 to 5) */
  RECORDING_DESCRIPTOR = 20, /* of each login's own socket, or the next one that is free */
  OWN_DESCRIPTORS_END = 64,
  VERSION_MAX = 200,       /* RFC 4253 allows 255 with "SSH-2.0-" and the line end */
};

#endif
