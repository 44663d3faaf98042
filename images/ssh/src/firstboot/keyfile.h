/* Host key files in OpenSSH's own format ("openssh-key-v1", PROTOCOL.key), unencrypted. */
#ifndef FIRSTBOOT_KEYFILE_H
#define FIRSTBOOT_KEYFILE_H

#include <openssl/bn.h>
#include <stdbool.h>
#include <stddef.h>

struct blob {
  unsigned char bytes[8192]; /* an RSA-3072 private key takes about 1.8 KiB */
  size_t used;
};

void blob_bytes(struct blob *blob, const void *bytes, size_t size);
void blob_string(struct blob *blob, const void *bytes, size_t size);
void blob_text(struct blob *blob, const char *text);
void blob_number(struct blob *blob, const BIGNUM *number);

/* Writes `path` and `path`.pub, unless `path` exists. `public` is the public key blob; `private` what
 * follows the two check numbers, without the comment; `check` is the check number. */
bool keyfile_write(const char *path, const struct blob *public, const struct blob *private, const char *type,
                   const char *comment, const unsigned char check[4]);

#endif
