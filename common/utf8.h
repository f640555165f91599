/* SPDX-License-Identifier: Apache-2.0
 * UTF-8, as strict as RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* What is written in place of a byte that is not UTF-8. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

/* The length of the character at text (1..4), or 0 when the len bytes there
 * do not begin with a whole valid one. */
size_t utf8_char_len(const char *text, size_t len);

bool utf8_is_valid(const char *text, size_t len);

/* The longest prefix of at most max bytes that does not end inside a
 * character. Bytes that are not UTF-8 count as characters of their own. */
size_t utf8_cut(const char *text, size_t len, size_t max);

#endif
