#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../common/frame.h"
#include "../common/record.h"
#include "logins.h"
#include "recording.h"
#include "report.h"

enum {
  STREAMS_MAX = 512,
  PROGRAMS_MAX = 16, /* of one login at a time; sshd allows ten and some linger */
  FRAMES_AT_ONCE = 1024,
  ALLOWANCE_MAX = 16 * 1024 * 1024, /* read at full speed after a quiet time */
  RATE = 4 * 1024 * 1024,           /* bytes a second of all flooding sessions together */
  PAUSE = 5,                        /* milliseconds between two looks at a busy session: a wake-up costs both sides */
  UPKEEP = 2000,
  REPORT_EVERY = 10, /* seconds */
};

static const uint64_t LINGER = 2000000000; /* nanoseconds */

struct stream {
  int socket; /* negative: free */
  bool paused;
  char session[SESSION_MAX + 1], address[ADDRESS_MAX + 1], port[6];
  unsigned numbers;
  double allowance, drained_at;
  double reported_at;
  unsigned long long lost, evicted, unwritten; /* not reported yet */
  struct recording *recordings[PROGRAMS_MAX];
};

static struct stream *streams[STREAMS_MAX];
static int epoll, paused;

static bool shed(void);

void recorder_open(int descriptor) {
  epoll = descriptor;
  spool_on_shortage(shed);
}

static struct origin origin_of(const struct stream *stream) {
  return (struct origin){stream->session, stream->address, stream->port};
}

static void take_field(const unsigned char *record, size_t size, const char *wanted, char *text, size_t room) {
  const unsigned char *name, *value;
  size_t at = 0, name_length, length;
  if (!record_next(record, size, &at, &name, &length) || !record_next(record, size, &at, &name, &length)) return;
  while (record_next(record, size, &at, &name, &name_length) && record_next(record, size, &at, &value, &length))
    if (name_length == strlen(wanted) && memcmp(name, wanted, name_length) == 0)
      snprintf(text, room, "%.*s", (int)(length < room ? length : room - 1), (const char *)value);
}

static bool is_session(const char *text) { /* it becomes part of a file's name */
  return strlen(text) == SESSION_MAX && strspn(text, "0123456789abcdef") == SESSION_MAX;
}

void recorder_add(int socket, const unsigned char *record, size_t size) {
  int slot = 0;
  struct stream fresh = {.socket = socket, .allowance = ALLOWANCE_MAX};
  take_field(record, size, "session", fresh.session, sizeof fresh.session);
  take_field(record, size, "src_ip", fresh.address, sizeof fresh.address);
  take_field(record, size, "src_port", fresh.port, sizeof fresh.port);
  while (slot < STREAMS_MAX && streams[slot] != NULL) slot++;
  struct stream *stream = slot < STREAMS_MAX && is_session(fresh.session) && socket >= 0 ? malloc(sizeof fresh) : NULL;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
  if (stream == NULL || fcntl(socket, F_SETFL, O_NONBLOCK) != 0 ||
      epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0) {
    report_dropped(origin_of(&fresh), "room", 0, "");
    if (socket >= 0) close(socket);
    free(stream);
    return;
  }
  *stream = fresh;
  stream->reported_at = logins_clock();
  streams[slot] = stream;
}

bool recorder_owns(const void *what) {
  for (int i = 0; i < STREAMS_MAX; i++)
    if (streams[i] != NULL && streams[i] == what) return true;
  return false;
}

static void collect(struct stream *stream, struct recording *recording) {
  stream->evicted += recording->evicted;
  stream->unwritten += recording->unwritten;
  recording->evicted = recording->unwritten = 0;
}

static void end_recording(struct stream *stream, int slot) {
  collect(stream, stream->recordings[slot]);
  recording_finish(stream->recordings[slot]);
  stream->recordings[slot] = NULL;
}

static void report(struct stream *stream) {
  for (int i = 0; i < PROGRAMS_MAX; i++)
    if (stream->recordings[i] != NULL) collect(stream, stream->recordings[i]);
  if (stream->lost > 0) report_dropped(origin_of(stream), "rate", stream->lost, "");
  if (stream->evicted > 0) report_dropped(origin_of(stream), "budget", stream->evicted, "");
  if (stream->unwritten > 0) report_dropped(origin_of(stream), "disk", stream->unwritten, "");
  stream->lost = stream->evicted = stream->unwritten = 0;
  stream->reported_at = logins_clock();
}

static void end_stream(struct stream *stream) {
  for (int i = 0; i < PROGRAMS_MAX; i++)
    if (stream->recordings[i] != NULL) end_recording(stream, i);
  report(stream);
  close(stream->socket);
  if (stream->paused) paused--;
  for (int i = 0; i < STREAMS_MAX; i++)
    if (streams[i] == stream) streams[i] = NULL;
  free(stream);
}

static struct recording *begin(struct stream *stream, const struct frame *frame) {
  int slot = -1;
  for (int i = 0; i < PROGRAMS_MAX; i++) {
    struct recording *other = stream->recordings[i];
    if (other == NULL) {
      slot = i;
      break;
    }
    if (other->exited && (slot < 0 || other->last < stream->recordings[slot]->last)) slot = i;
  }
  if (slot < 0) return NULL;
  if (stream->recordings[slot] != NULL) end_recording(stream, slot);
  return stream->recordings[slot] = recording_new(stream->session, frame, &stream->numbers);
}

static void take_frame(struct stream *stream, const struct frame *frame, const unsigned char *bytes, size_t length) {
  struct recording *recording = NULL;
  for (int i = 0; i < PROGRAMS_MAX; i++)
    if (stream->recordings[i] != NULL && stream->recordings[i]->program == frame->program)
      recording = stream->recordings[i];
  if (recording == NULL && (frame->kind == FRAME_BEGIN || length > 0)) recording = begin(stream, frame);
  stream->allowance -= (double)length;
  if (recording == NULL) {
    stream->lost += length;
    return;
  }
  if (frame->kind != FRAME_PROGRAM && frame->lost > recording->lost) stream->lost += frame->lost - recording->lost;
  recording_take(recording, frame, bytes, length);
}

static void set_paused(struct stream *stream, bool pause) {
  struct epoll_event event = {.events = pause ? 0 : EPOLLIN, .data.ptr = stream}; /* a hang-up is told all the same */
  if (stream->paused == pause || epoll_ctl(epoll, EPOLL_CTL_MOD, stream->socket, &event) != 0) return;
  stream->paused = pause;
  paused += pause ? 1 : -1;
}

/* Reads what is there. Frames read; negative when the login's processes are gone. */
static int drain(struct stream *stream) {
  static unsigned char bytes[FRAME_BYTES_MAX];
  struct frame frame;
  struct iovec parts[2] = {{&frame, sizeof frame}, {bytes, sizeof bytes}};
  int frames = 0;
  ssize_t size = 1;
  while (frames < FRAMES_AT_ONCE && stream->allowance > -ALLOWANCE_MAX && size > 0) {
    size = readv(stream->socket, parts, 2);
    if (size > 0) frames++;
    if (size >= (ssize_t)sizeof frame) take_frame(stream, &frame, bytes, (size_t)size - sizeof frame);
  }
  recording_flush();
  stream->drained_at = logins_clock();
  bool gone = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
  return gone ? -1 : frames;
}

void recorder_take(void *what) {
  struct stream *stream = what;
  /* Woken while paused, it has hung up: what its buffer still holds is little. */
  if (drain(stream) < 0)
    end_stream(stream);
  else
    set_paused(stream, true);
}

static uint64_t frame_clock(void) { return (uint64_t)(logins_clock() * 1e9); }

/* A program that has ended may leave something behind that still writes; after a while nobody waits for that. */
static void upkeep_stream(struct stream *stream) {
  for (int i = 0; i < PROGRAMS_MAX; i++) {
    struct recording *recording = stream->recordings[i];
    if (recording == NULL) continue;
    if (recording->exited && frame_clock() > recording->last + LINGER)
      end_recording(stream, i);
    else
      recording_age(recording, frame_clock());
  }
}

int recorder_tick(void) {
  static double ticked_at, kept_up_at;
  double now = logins_clock(), passed = now - ticked_at;
  bool any = false, upkeep = (now - kept_up_at) * 1000 >= UPKEEP;
  ticked_at = now;
  if (upkeep) kept_up_at = now;
  for (int i = 0; i < STREAMS_MAX; i++) {
    struct stream *stream = streams[i];
    if (stream == NULL) continue;
    any = true;
    stream->allowance += passed * RATE / (paused > 0 ? paused : 1);
    if (stream->allowance > ALLOWANCE_MAX) stream->allowance = ALLOWANCE_MAX;
    if (stream->paused && stream->allowance > 0 && (now - stream->drained_at) * 1000 >= PAUSE) {
      int frames = drain(stream);
      if (frames == 0) set_paused(stream, false);
      if (frames < 0) {
        end_stream(stream);
        continue;
      }
    }
    if (upkeep) upkeep_stream(stream);
    if (now - stream->reported_at > REPORT_EVERY) report(stream);
  }
  if (any && upkeep) spool_check();
  return paused > 0 ? PAUSE : any ? UPKEEP : -1;
}

/* The recordings that are being written are too much together: the largest gives way. */
static bool shed(void) {
  struct recording *largest = NULL;
  for (int i = 0; i < STREAMS_MAX; i++)
    for (int j = 0; streams[i] != NULL && j < PROGRAMS_MAX; j++) {
      struct recording *recording = streams[i]->recordings[j];
      if (recording != NULL && (largest == NULL || recording_held(recording) > recording_held(largest)))
        largest = recording;
    }
  return largest != NULL && recording_shed(largest);
}

void recorder_finish(void) {
  for (int i = 0; i < STREAMS_MAX; i++) {
    if (streams[i] == NULL) continue;
    while (drain(streams[i]) > 0) continue;
    end_stream(streams[i]);
  }
}
