#include "utf8.h"

static size_t size_of(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

static bool goes_on(const unsigned char *text, size_t length) {
  for (size_t i = 1; i < length; i++)
    if ((text[i] & 0xc0) != 0x80) return false;
  if (length < 2) return true;
  if (text[0] == 0xe0 && text[1] < 0xa0) return false; /* overlong */
  if (text[0] == 0xed && text[1] > 0x9f) return false; /* surrogate */
  if (text[0] == 0xf0 && text[1] < 0x90) return false; /* overlong */
  if (text[0] == 0xf4 && text[1] > 0x8f) return false; /* beyond Unicode */
  return true;
}

size_t utf8_character(const unsigned char *text, size_t length) {
  size_t size = size_of(text[0]);
  return size == 0 || size > length || !goes_on(text, size) ? 0 : size;
}

bool utf8_begins(const unsigned char *text, size_t length) {
  return size_of(text[0]) > length && goes_on(text, length);
}
