#ifndef FIRSTBOOT_PRIME_H
#define FIRSTBOOT_PRIME_H

#include <openssl/bn.h>
#include <stdbool.h>

#include "derive.h"

enum { PUBLIC_EXPONENT = 65537 };

/* The first prime at or above a number of `bits` bits out of `stream`, whose two top bits are set (so
 * that the product of two has twice as many bits) and which serves for PUBLIC_EXPONENT. Takes about
 * 0.1 s for 1536 bits. False when memory runs out. */
bool prime_make(struct stream *stream, int bits, BIGNUM *prime);

#endif
