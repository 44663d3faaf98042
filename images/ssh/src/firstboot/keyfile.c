#include "keyfile.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 8, LINE_WIDTH = 70 /* as ssh-keygen wraps it */ };

void blob_bytes(struct blob *blob, const void *bytes, size_t size) {
  if (size > sizeof blob->bytes - blob->used) abort();
  memcpy(blob->bytes + blob->used, bytes, size);
  blob->used += size;
}

static void length(struct blob *blob, size_t size) {
  unsigned char bytes[4] = {size >> 24 & 0xff, size >> 16 & 0xff, size >> 8 & 0xff, size & 0xff};
  blob_bytes(blob, bytes, sizeof bytes);
}

void blob_string(struct blob *blob, const void *bytes, size_t size) {
  length(blob, size);
  blob_bytes(blob, bytes, size);
}

void blob_text(struct blob *blob, const char *text) { blob_string(blob, text, strlen(text)); }

void blob_number(struct blob *blob, const BIGNUM *number) {
  unsigned char bytes[1024] = {0};
  size_t size = (size_t)BN_num_bytes(number);
  if (size + 1 > sizeof bytes) abort();
  BN_bn2bin(number, bytes + 1);
  bool padded = size > 0 && (bytes[1] & 0x80) != 0; /* the sign bit */
  blob_string(blob, padded ? bytes : bytes + 1, padded ? size + 1 : size);
}

static void compose(struct blob *file, const struct blob *public, const struct blob *private, const char *comment,
                    const unsigned char check[4]) {
  struct blob inner = {.used = 0};
  blob_bytes(&inner, check, 4);
  blob_bytes(&inner, check, 4);
  blob_bytes(&inner, private->bytes, private->used);
  blob_text(&inner, comment);
  for (unsigned char i = 1; inner.used % BLOCK != 0; i++) blob_bytes(&inner, &i, 1);
  blob_bytes(file, "openssh-key-v1", sizeof "openssh-key-v1");
  blob_text(file, "none"); /* cipher */
  blob_text(file, "none"); /* key derivation */
  blob_text(file, "");
  length(file, 1); /* keys */
  blob_string(file, public->bytes, public->used);
  blob_string(file, inner.bytes, inner.used);
}

static FILE *create(const char *path, mode_t mode) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  return file < 0 ? NULL : fdopen(file, "w");
}

bool keyfile_write(const char *path, const struct blob *public, const struct blob *private, const char *type,
                   const char *comment, const unsigned char check[4]) {
  struct blob key = {.used = 0};
  unsigned char text[sizeof key.bytes * 4 / 3 + 8];
  char public_path[128];
  if (access(path, F_OK) == 0) return true;
  compose(&key, public, private, comment, check);
  int size = EVP_EncodeBlock(text, key.bytes, (int)key.used);
  FILE *file = create(path, 0600);
  if (file == NULL) return false;
  fputs("-----BEGIN OPENSSH PRIVATE KEY-----\n", file);
  for (int i = 0; i < size; i += LINE_WIDTH) fprintf(file, "%.*s\n", LINE_WIDTH, (const char *)text + i);
  fputs("-----END OPENSSH PRIVATE KEY-----\n", file);
  if (fclose(file) != 0) return false;
  snprintf(public_path, sizeof public_path, "%s.pub", path);
  EVP_EncodeBlock(text, public->bytes, (int)public->used);
  file = create(public_path, 0644);
  if (file == NULL) return false;
  fprintf(file, "%s %s %s\n", type, (const char *)text, comment);
  return fclose(file) == 0;
}
