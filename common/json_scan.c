/* SPDX-License-Identifier: Apache-2.0
 * Strict JSON validation in one pass, without memory of its own. */
#include "common/json_scan.h"

#include "common/json.h"
#include "common/utf8.h"

#include <string.h>

/* cJSON copies a number into a buffer of 64 bytes. */
enum { NUMBER_MAX = 60 };

struct scan {
    const char *text;
    size_t len;
    size_t at;
    size_t nodes;
    int depth;
    struct err *err;
};

static int scan_value(struct scan *s);

static int
fail(struct scan *s, const char *what)
{
    return err_set(s->err, ERR_INVALID, "JSON: %s at byte %zu", what, s->at);
}

/* The byte at the cursor; 0 at the end (a real NUL is never legal). */
static char
peek(const struct scan *s)
{
    if (s->at >= s->len)
        return '\0';
    return s->text[s->at];
}

static void
skip_space(struct scan *s)
{
    while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]) != NULL &&
           s->text[s->at] != '\0')
        s->at++;
}

static int
scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if (s->len - s->at < len || memcmp(s->text + s->at, word, len) != 0)
        return fail(s, "unexpected text");
    s->at += len;
    return 0;
}

static size_t
skip_digits(struct scan *s)
{
    size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at - start;
}

static int
scan_number(struct scan *s)
{
    size_t start = s->at;
    if (peek(s) == '-')
        s->at++;
    char first = peek(s);
    size_t digits = skip_digits(s);
    if (digits == 0 || (digits > 1 && first == '0'))
        return fail(s, "malformed number");
    if (peek(s) == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return fail(s, "malformed number");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (skip_digits(s) == 0)
            return fail(s, "malformed number");
    }
    if (s->at - start > NUMBER_MAX)
        return fail(s, "number with too many digits");
    return 0;
}

/* Four hex digits at the cursor; -1 when they are none. */
static int
hex4(struct scan *s)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        static const char *const digits = "0123456789abcdef";
        char byte = peek(s);
        const char *digit = strchr(digits, byte | 0x20);
        if (digit == NULL || byte < '0')
            return -1;
        value = value * 16 + (int)(digit - digits);
        s->at++;
    }
    return value;
}

static int
scan_unicode_escape(struct scan *s)
{
    int unit = hex4(s);
    if (unit < 0)
        return fail(s, "malformed \\u escape");
    if (unit == 0)
        return fail(s, "NUL in a string");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fail(s, "lone surrogate");
    if (unit < 0xD800 || unit > 0xDBFF)
        return 0;
    if (s->len - s->at < 6 || memcmp(s->text + s->at, "\\u", 2) != 0)
        return fail(s, "lone surrogate");
    s->at += 2;
    unit = hex4(s);
    if (unit < 0xDC00 || unit > 0xDFFF)
        return fail(s, "lone surrogate");
    return 0;
}

static int
scan_escape(struct scan *s)
{
    s->at++;
    char kind = peek(s);
    if (kind == '\0' || strchr("\"\\/bfnrtu", kind) == NULL)
        return fail(s, "unknown escape");
    s->at++;
    return kind == 'u' ? scan_unicode_escape(s) : 0;
}

static int
scan_string(struct scan *s)
{
    if (peek(s) != '"')
        return fail(s, "expected a string");
    s->at++;
    while (s->at < s->len) {
        unsigned char byte = (unsigned char)s->text[s->at];
        if (byte == '"') {
            s->at++;
            return 0;
        }
        if (byte == '\\') {
            if (scan_escape(s) != 0)
                return -1;
            continue;
        }
        if (byte < 0x20)
            return fail(s, "control character in a string");
        size_t step = utf8_char_len(s->text + s->at, s->len - s->at);
        if (step == 0)
            return fail(s, "invalid UTF-8");
        s->at += step;
    }
    return fail(s, "string without an end");
}

static int
scan_member(struct scan *s)
{
    if (scan_string(s) != 0)
        return -1;
    skip_space(s);
    if (peek(s) != ':')
        return fail(s, "expected ':'");
    s->at++;
    return scan_value(s);
}

/* An array or object, from its opening bracket to its closing one. */
static int
scan_container(struct scan *s, char close)
{
    if (++s->depth > JSON_DEPTH_MAX)
        return fail(s, "nested too deep");
    s->at++;
    skip_space(s);
    if (peek(s) != close) {
        for (;;) {
            skip_space(s);
            if ((close == '}' ? scan_member(s) : scan_value(s)) != 0)
                return -1;
            skip_space(s);
            if (peek(s) != ',')
                break;
            s->at++;
        }
    }
    if (peek(s) != close)
        return fail(
            s, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    s->at++;
    s->depth--;
    return 0;
}

static int
scan_value(struct scan *s)
{
    if (++s->nodes > JSON_NODES_MAX)
        return err_set(s->err, ERR_TOO_LARGE,
            "JSON: more than %d values, at byte %zu", JSON_NODES_MAX, s->at);
    skip_space(s);
    switch (peek(s)) {
    case '{':
        return scan_container(s, '}');
    case '[':
        return scan_container(s, ']');
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (s->at >= s->len)
            return fail(s, "unexpected end");
        if (peek(s) == '-' || (peek(s) >= '0' && peek(s) <= '9'))
            return scan_number(s);
        return fail(s, "unexpected byte");
    }
}

int
json_scan(const char *text, size_t len, struct err *err)
{
    struct scan s = {.text = text, .len = len, .err = err};
    if (scan_value(&s) != 0)
        return -1;
    skip_space(&s);
    if (s.at < s.len)
        return fail(&s, "something after the value");
    return 0;
}
