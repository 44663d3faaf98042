#include "hostkeys.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <stdio.h>
#include <string.h>

#include "derive.h"
#include "keyfile.h"
#include "prime.h"

#define ECDSA_TYPE "ecdsa-sha2-nistp256"

enum { RSA_BITS = 3072 /* ssh-keygen's default */, P256_BYTES = 32, P256_POINT = 65, ED25519_BYTES = 32 };

struct key {
  const char *name;
  const char *type;
  bool (*make)(struct stream *stream, struct blob *public, struct blob *private);
};

static bool make_ed25519(struct stream *stream, struct blob *public, struct blob *private) {
  unsigned char seed[2 * ED25519_BYTES], point[ED25519_BYTES];
  size_t size = sizeof point;
  derive_bytes(stream, seed, ED25519_BYTES);
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_BYTES);
  bool made = key != NULL && EVP_PKEY_get_raw_public_key(key, point, &size) == 1;
  EVP_PKEY_free(key);
  if (!made) return false;
  memcpy(seed + ED25519_BYTES, point, sizeof point);
  blob_text(public, "ssh-ed25519");
  blob_string(public, point, sizeof point);
  blob_bytes(private, public->bytes, public->used);
  blob_string(private, seed, sizeof seed);
  return true;
}

static bool make_ecdsa(struct stream *stream, struct blob *public, struct blob *private) {
  unsigned char bytes[P256_BYTES], point[P256_POINT];
  EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT *at = EC_POINT_new(group);
  BIGNUM *secret = BN_new();
  do {
    derive_bytes(stream, bytes, sizeof bytes);
    BN_bin2bn(bytes, sizeof bytes, secret);
  } while (BN_is_zero(secret) || BN_cmp(secret, EC_GROUP_get0_order(group)) >= 0);
  bool made = EC_POINT_mul(group, at, secret, NULL, NULL, NULL) == 1 &&
              EC_POINT_point2oct(group, at, POINT_CONVERSION_UNCOMPRESSED, point, sizeof point, NULL) == sizeof point;
  if (made) {
    blob_text(public, ECDSA_TYPE);
    blob_text(public, "nistp256");
    blob_string(public, point, sizeof point);
    blob_bytes(private, public->bytes, public->used);
    blob_number(private, secret);
  }
  BN_clear_free(secret);
  EC_POINT_free(at);
  EC_GROUP_free(group);
  return made;
}

static bool make_rsa(struct stream *stream, struct blob *public, struct blob *private) {
  BN_CTX *context = BN_CTX_new();
  BIGNUM *e = BN_new(), *p = BN_new(), *q = BN_new(), *n = BN_new(), *d = BN_new(), *phi = BN_new(), *r = BN_new();
  BN_set_word(e, PUBLIC_EXPONENT);
  bool made = prime_make(stream, RSA_BITS / 2, p) && prime_make(stream, RSA_BITS / 2, q) && BN_cmp(p, q) != 0;
  if (made && BN_cmp(p, q) < 0) BN_swap(p, q);
  made = made && BN_mul(n, p, q, context) && BN_sub(phi, n, p) && BN_sub(phi, phi, q) && BN_add_word(phi, 1) &&
         BN_mod_inverse(d, e, phi, context) != NULL && BN_mod_inverse(r, q, p, context) != NULL;
  if (made) {
    blob_text(public, "ssh-rsa");
    blob_number(public, e);
    blob_number(public, n);
    blob_text(private, "ssh-rsa");
    const BIGNUM *parts[] = {n, e, d, r, p, q};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) blob_number(private, parts[i]);
  }
  BIGNUM *all[] = {e, p, q, n, d, phi, r};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) BN_clear_free(all[i]);
  BN_CTX_free(context);
  return made;
}

static const struct key keys[] = {
    {"/etc/ssh/ssh_host_rsa_key", "ssh-rsa", make_rsa},
    {"/etc/ssh/ssh_host_ecdsa_key", ECDSA_TYPE, make_ecdsa},
    {"/etc/ssh/ssh_host_ed25519_key", "ssh-ed25519", make_ed25519},
};

bool hostkeys_write(const struct settings *settings) {
  char comment[300];
  snprintf(comment, sizeof comment, "root@%.255s", settings->hostname);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    struct stream stream;
    struct blob public = {.used = 0}, private = {.used = 0};
    unsigned char check[4];
    derive(&stream, settings->seed, SEED_SIZE, keys[i].name);
    derive_bytes(&stream, check, sizeof check);
    if (!keys[i].make(&stream, &public, &private) ||
        !keyfile_write(keys[i].name, &public, &private, keys[i].type, comment, check)) {
      fprintf(stderr, "%s cannot be written\n", keys[i].name);
      return false;
    }
  }
  return true;
}
