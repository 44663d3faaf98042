/* Bytes that depend on nothing but the machine's seed and a label: an endless stream of
 * HMAC-SHA256(HMAC-SHA256(seed, label), counter). */
#ifndef FIRSTBOOT_DERIVE_H
#define FIRSTBOOT_DERIVE_H

#include <stddef.h>
#include <stdint.h>

struct stream {
  unsigned char key[32];
  unsigned char block[32];
  size_t left; /* unused bytes at the end of `block` */
  uint32_t counter;
};

void derive(struct stream *stream, const unsigned char *seed, size_t seed_size, const char *label);
void derive_bytes(struct stream *stream, unsigned char *bytes, size_t size);

#endif
