/* What a login's terminals and pipes carry, on its way from sshd to init.
 *
 * One datagram is one frame: this header, then the bytes. Both ends are the same machine's, so the header
 * travels as it lies in memory. */
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H

#include <stdint.h>

/* The id of the record with which a login hands over its socket. */
#define FRAME_SOCKET_RECORD "session_stream"

enum frame_kind {
  FRAME_BEGIN,   /* a program is about to be started; `columns` and `rows` when it has a terminal */
  FRAME_PROGRAM, /* it is known what: the bytes are "exec <command>", "subsystem <name>" or "shell <name>" */
  FRAME_OUTPUT,
  FRAME_INPUT,
  FRAME_RESIZE,
  FRAME_EXIT, /* it ended with `status` */
  FRAME_LOST, /* nothing but `lost` */
};

enum { FRAME_BYTES_MAX = 32 * 1024 /* of one read or write of sshd; more becomes several frames */ };

struct frame {
  uint8_t kind;
  uint8_t terminal; /* 1: it has one */
  uint16_t program; /* programs of one login are numbered from 0 */
  uint16_t columns, rows;
  int32_t status; /* exit code, or 128 plus the signal's number */
  uint64_t time;  /* nanoseconds, monotonic */
  uint64_t lost;  /* bytes of this program that found no room, since it began */
};

#endif
