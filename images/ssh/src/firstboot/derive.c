#include "derive.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

void derive(struct stream *stream, const unsigned char *seed, size_t seed_size, const char *label) {
  HMAC(EVP_sha256(), seed, (int)seed_size, (const unsigned char *)label, strlen(label), stream->key, NULL);
  stream->left = 0;
  stream->counter = 0;
}

void derive_bytes(struct stream *stream, unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (stream->left == 0) {
      uint32_t n = stream->counter++;
      unsigned char counter[4] = {n >> 24 & 0xff, n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff};
      HMAC(EVP_sha256(), stream->key, sizeof stream->key, counter, sizeof counter, stream->block, NULL);
      stream->left = sizeof stream->block;
    }
    bytes[i] = stream->block[sizeof stream->block - stream->left--];
  }
}
