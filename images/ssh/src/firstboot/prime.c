#include "prime.h"

#include <stdlib.h>
#include <string.h>

enum {
  SIEVE_LIMIT = 1 << 16, /* small primes that candidates are tried with */
  WINDOW = 1 << 14,      /* odd candidates; a prime of 1536 bits comes every 532 of them */
};

/* Strikes out the candidates start, start + 2, … that a small prime divides. */
static void sieve(const BIGNUM *start, unsigned char *struck) {
  static unsigned char composite[SIEVE_LIMIT];
  memset(composite, 0, sizeof composite);
  memset(struck, 0, WINDOW);
  for (unsigned long prime = 3; prime < SIEVE_LIMIT; prime += 2) {
    if (composite[prime]) continue;
    for (unsigned long multiple = prime * prime; multiple < SIEVE_LIMIT; multiple += 2 * prime) composite[multiple] = 1;
    unsigned long rest = BN_mod_word(start, prime);
    unsigned long first = rest == 0 ? 0 : prime - rest; /* distance to the next multiple */
    if (first % 2 != 0) first += prime;
    for (unsigned long i = first / 2; i < WINDOW; i += prime) struck[i] = 1;
  }
}

static bool is_good(const BIGNUM *candidate, BN_CTX *context) {
  if (BN_mod_word(candidate, PUBLIC_EXPONENT) == 1) return false; /* divides p - 1 */
  return BN_check_prime(candidate, context, NULL) == 1;
}

bool prime_make(struct stream *stream, int bits, BIGNUM *prime) {
  static unsigned char struck[WINDOW];
  unsigned char bytes[512];
  size_t size = (size_t)bits / 8;
  if (size > sizeof bytes) return false;
  derive_bytes(stream, bytes, size);
  bytes[0] |= 0xc0;
  bytes[size - 1] |= 1;
  BN_CTX *context = BN_CTX_new();
  if (context == NULL || BN_bin2bn(bytes, (int)size, prime) == NULL) return false;
  bool found = false;
  while (!found) {
    unsigned long passed = 0;
    sieve(prime, struck);
    for (unsigned long i = 0; i < WINDOW && !found; i++) {
      if (struck[i]) continue;
      BN_add_word(prime, 2 * (i - passed));
      passed = i;
      found = is_good(prime, context);
    }
    if (!found) BN_add_word(prime, 2 * (WINDOW - passed));
  }
  BN_CTX_free(context);
  return true;
}
