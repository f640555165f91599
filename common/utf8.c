/* SPDX-License-Identifier: Apache-2.0
 * Strict UTF-8 validation. */
#include "common/utf8.h"

static bool
is_tail(unsigned char byte)
{
    return (byte & 0xC0U) == 0x80U;
}

/* The second byte carries the limits that keep out overlong forms,
 * surrogates and values above U+10FFFF. */
static bool
is_second(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return is_tail(second);
    }
}

static size_t
lead_len(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

size_t
utf8_char_len(const char *text, size_t len)
{
    if (len == 0)
        return 0;
    size_t need = lead_len((unsigned char)text[0]);
    if (need > len || need == 0)
        return 0;
    if (need > 1 && !is_second((unsigned char)text[0], (unsigned char)text[1]))
        return 0;
    for (size_t i = 2; i < need; i++) {
        if (!is_tail((unsigned char)text[i]))
            return 0;
    }
    return need;
}

bool
utf8_is_valid(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = utf8_char_len(text + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

size_t
utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    /* A character is at most 4 bytes: if one starts in the last 3 bytes kept
     * and does not end there, it is the one that the cut would split. */
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        size_t start = max - back;
        if (utf8_char_len(text + start, len - start) > back)
            return start;
    }
    return max;
}
