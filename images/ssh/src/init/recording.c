#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SHARD_MAX = 4 * 1024 * 1024,
  HEAD_TERMINAL = 16 * 1024 * 1024,
  /* Programs without a terminal move files, which are kept as files: of their data a quarter is enough. */
  HEAD_OTHER = 4 * 1024 * 1024,
  HELD_OTHER = 1,
};

static const uint64_t out_after = 300ull * 1000000000; /* nobody waits longer than five minutes for a quiet session */

static char line[CAST_LINE_MAX];

/* Lines of one recording that are not in its file yet. */
static char pending[CAST_LINE_MAX + 16 * 1024];
static size_t pending_used;
static struct recording *pending_of;

struct recording *recording_new(const char *session, const struct frame *begin, unsigned *numbers) {
  struct recording *recording = calloc(1, sizeof *recording);
  if (recording == NULL) return NULL;
  snprintf(recording->session, sizeof recording->session, "%s", session);
  recording->program = begin->program;
  recording->numbers = numbers;
  recording->terminal = begin->terminal == 1;
  recording->columns = begin->columns > 0 ? begin->columns : 80;
  recording->rows = begin->rows > 0 ? begin->rows : 24;
  recording->began = recording->last = begin->time;
  recording->began_at = time(NULL);
  recording->open.file = -1;
  return recording;
}

static void name_of(const struct recording *recording, unsigned number, char *name) {
  snprintf(name, SPOOL_NAME_MAX, "session-%s-%04u.cast", recording->session, number);
}

static double seconds(const struct recording *recording) { return (double)(recording->last - recording->began) / 1e9; }

static void release(const struct recording *recording, struct shard *shard) {
  char name[SPOOL_NAME_MAX];
  name_of(recording, shard->number, name);
  spool_finish(shard->file, name);
  shard->file = -1;
}

static void evict_held(struct recording *recording) {
  char name[SPOOL_NAME_MAX];
  name_of(recording, recording->held[0].number, name);
  spool_discard(recording->held[0].file, name);
  recording->evicted += recording->held[0].size;
  recording->held_count--;
  memmove(recording->held, recording->held + 1, recording->held_count * sizeof *recording->held);
}

static bool in_head(const struct recording *recording) {
  size_t budget = recording->terminal ? HEAD_TERMINAL : HEAD_OTHER;
  return recording->head + recording->open.size <= budget;
}

static void close_shard(struct recording *recording) {
  if (pending_of == recording) recording_flush();
  if (recording->open.file < 0) return;
  if (in_head(recording)) {
    recording->head += recording->open.size;
    release(recording, &recording->open);
    return;
  }
  if (recording->held_count == (recording->terminal ? HELD_MAX : HELD_OTHER)) evict_held(recording);
  recording->held[recording->held_count++] = recording->open;
  recording->open.file = -1;
}

static bool open_shard(struct recording *recording) {
  char name[SPOOL_NAME_MAX], header[512];
  struct cast_header about = {recording->session, recording->program, recording->shards, recording->terminal,
                              recording->columns, recording->rows,    recording->began_at};
  recording->open.number = (*recording->numbers)++;
  name_of(recording, recording->open.number, name);
  recording->open.file = spool_begin(name);
  if (recording->open.file < 0) return false;
  size_t length = cast_header(header, sizeof header, &about);
  recording->shards++;
  recording->shard_began = recording->last;
  recording->open.size = spool_append(recording->open.file, SPOOL_RECORDINGS, header, length);
  return recording->open.file >= 0 && recording->open.size == length;
}

void recording_flush(void) {
  struct recording *recording = pending_of;
  size_t length = pending_used;
  pending_of = NULL; /* first: what follows may come back here */
  pending_used = 0;
  if (recording == NULL || recording->open.file < 0) return;
  if (spool_append(recording->open.file, SPOOL_RECORDINGS, pending, length) == length) return;
  recording->unwritten += length; /* it now ends in the middle of a line, so the next shard is begun */
  close_shard(recording);
  spool_check();
}

static void put(struct recording *recording, size_t length) {
  if (length == 0) return;
  if (pending_of != recording || pending_used + length > sizeof pending) recording_flush();
  if (recording->open.file >= 0 && recording->open.size + length > SHARD_MAX) close_shard(recording);
  if (recording->open.file < 0 && !open_shard(recording)) {
    recording->unwritten += length;
    close_shard(recording);
    return;
  }
  memcpy(pending + pending_used, line, length);
  pending_used += length;
  pending_of = recording;
  recording->open.size += length;
}

static void mark(struct recording *recording, char code, const char *text) {
  put(recording, cast_text(line, seconds(recording), code, text));
}

static void moved(struct recording *recording, char code, const unsigned char *bytes, size_t length) {
  struct cast_rest *rest = code == 'o' ? &recording->output_rest : &recording->input_rest;
  for (size_t step; length > 0; bytes += step, length -= step) {
    step = length < CAST_BYTES_MAX ? length : CAST_BYTES_MAX;
    put(recording, cast_bytes(line, seconds(recording), code, bytes, step, rest));
  }
}

static void count_lost(struct recording *recording, uint64_t lost) {
  char text[64];
  if (lost <= recording->lost) return;
  snprintf(text, sizeof text, "%llu bytes are missing", (unsigned long long)(lost - recording->lost));
  put(recording, cast_rest(line, seconds(recording), 'o', &recording->output_rest));
  mark(recording, 'm', text);
  recording->lost = lost;
}

void recording_take(struct recording *recording, const struct frame *frame, const unsigned char *bytes, size_t length) {
  static char text[CAST_BYTES_MAX + 1];
  if (frame->time > recording->last) recording->last = frame->time;
  if (frame->kind != FRAME_PROGRAM) count_lost(recording, frame->lost); /* the child does not count */
  switch (frame->kind) {
    case FRAME_OUTPUT:
      moved(recording, 'o', bytes, length);
      break;
    case FRAME_INPUT:
      moved(recording, 'i', bytes, length);
      break;
    case FRAME_PROGRAM:
      if (length > CAST_BYTES_MAX) length = CAST_BYTES_MAX;
      snprintf(text, sizeof text, "%.*s", (int)length, (const char *)bytes);
      mark(recording, 'm', text);
      break;
    case FRAME_RESIZE:
      recording->columns = frame->columns;
      recording->rows = frame->rows;
      snprintf(text, sizeof text, "%ux%u", frame->columns, frame->rows);
      mark(recording, 'r', text);
      break;
    case FRAME_EXIT:
      recording->exited = true;
      recording->status = frame->status;
      break;
    default:
      break;
  }
}

void recording_age(struct recording *recording, uint64_t now) {
  if (recording->open.file < 0 || !in_head(recording)) return;
  if (now > recording->shard_began + out_after) close_shard(recording);
}

size_t recording_held(const struct recording *recording) {
  size_t held = recording->open.file < 0 ? 0 : recording->open.size;
  for (unsigned i = 0; i < recording->held_count; i++) held += recording->held[i].size;
  return held;
}

bool recording_shed(struct recording *recording) {
  if (pending_of == recording) recording_flush();
  if (recording->held_count > 0) {
    evict_held(recording);
  } else if (recording->open.file >= 0) {
    release(recording, &recording->open);
  } else {
    return false;
  }
  return true;
}

void recording_finish(struct recording *recording) {
  char text[16];
  put(recording, cast_rest(line, seconds(recording), 'o', &recording->output_rest));
  put(recording, cast_rest(line, seconds(recording), 'i', &recording->input_rest));
  snprintf(text, sizeof text, "%d", recording->status);
  if (recording->exited) mark(recording, 'x', text);
  recording_flush();
  for (unsigned i = 0; i < recording->held_count; i++) release(recording, &recording->held[i]);
  if (recording->open.file >= 0) release(recording, &recording->open);
  free(recording);
}
