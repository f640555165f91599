/* SPDX-License-Identifier: Apache-2.0
 * Neutralises untrusted text on its way to a terminal. */
#include "control/cli/text.h"

#include "common/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What to keep besides printable characters. */
enum keep { KEEP_NOTHING, KEEP_TABS };

static uint32_t
decode(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len == 1)
        return p[0];
    if (len == 2)
        return ((p[0] & 0x1fU) << 6) | (p[1] & 0x3fU);
    if (len == 3)
        return ((p[0] & 0x0fU) << 12) | ((p[1] & 0x3fU) << 6) | (p[2] & 0x3fU);
    return ((p[0] & 0x07U) << 18) | ((p[1] & 0x3fU) << 12) |
           ((p[2] & 0x3fU) << 6) | (p[3] & 0x3fU);
}

/* C1 controls, and characters that change the direction or the place of what
 * is written after them. */
static bool
is_invisible(uint32_t c)
{
    return (c >= 0x80 && c <= 0x9f) || c == 0xad || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

/* Writes the character at text; returns its bytes. */
static size_t
put_char(FILE *out, const char *text, size_t left, enum keep keep)
{
    size_t len = utf8_char_len(text, left);
    if (len == 0) {
        (void)fputs(UTF8_REPLACEMENT, out);
        return 1;
    }
    uint32_t c = decode(text, len);
    if (c == '\n' || c == '\r' || (c == '\t' && keep == KEEP_NOTHING))
        (void)fputc(' ', out);
    else if ((c < 0x20 && c != '\t') || c == 0x7f)
        (void)fprintf(out, "\\x%02" PRIx32, c);
    else if (is_invisible(c))
        (void)fprintf(out, "\\u%04" PRIx32, c);
    else
        (void)fwrite(text, 1, len, out);
    return len;
}

static void
put_span(FILE *out, const char *text, size_t len, enum keep keep)
{
    for (size_t at = 0; at < len;)
        at += put_char(out, text + at, len - at, keep);
}

void
text_line(FILE *out, const char *text)
{
    if (text != NULL)
        put_span(out, text, strlen(text), KEEP_NOTHING);
}

void
text_short(FILE *out, const char *text, size_t max)
{
    size_t len = text != NULL ? strlen(text) : 0;
    size_t at = 0;
    for (size_t n = 0; at < len && n < max; n++)
        at += put_char(out, text + at, len - at, KEEP_NOTHING);
    if (at < len)
        (void)fputs("...", out);
}

/* The line at *text without its end; moves *text behind it. */
static size_t
take_line(const char **text)
{
    size_t len = strcspn(*text, "\n");
    *text += len + ((*text)[len] == '\n' ? 1 : 0);
    return len;
}

static size_t
without_return(const char *line, size_t len)
{
    return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

void
text_block(FILE *out, const char *text, const char *indent)
{
    const char *next = text != NULL ? text : "";
    while (*next != '\0') {
        const char *line = next;
        size_t len = take_line(&next);
        (void)fputs(indent, out);
        put_span(out, line, without_return(line, len), KEEP_TABS);
        (void)fputc('\n', out);
    }
}

static const char *
diff_colour(const char *line)
{
    static const struct {
        const char *prefix;
        const char *colour;
    } rules[] = {
        {"+++ ", "\033[1m"},
        {"--- ", "\033[1m"},
        {"diff ", "\033[1m"},
        {"@@", "\033[36m"},
        {"+", "\033[32m"},
        {"-", "\033[31m"},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (strncmp(line, rules[i].prefix, strlen(rules[i].prefix)) == 0)
            return rules[i].colour;
    }
    return NULL;
}

void
text_diff(FILE *out, const char *diff, const char *indent, bool colour)
{
    const char *next = diff != NULL ? diff : "";
    while (*next != '\0') {
        const char *line = next;
        const char *start = colour ? diff_colour(line) : NULL;
        size_t len = take_line(&next);
        (void)fputs(indent, out);
        if (start != NULL)
            (void)fputs(start, out);
        put_span(out, line, without_return(line, len), KEEP_TABS);
        (void)fputs(start != NULL ? "\033[0m\n" : "\n", out);
    }
}

bool
text_is_colourful(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fileno(out)) && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

const char *
text_elapsed(int64_t ms, char out[TEXT_ELAPSED_SIZE])
{
    int64_t seconds = ms / 1000;
    if (ms < 0)
        (void)snprintf(out, TEXT_ELAPSED_SIZE, "0.0s");
    else if (seconds < 60)
        (void)snprintf(out, TEXT_ELAPSED_SIZE, "%d.%ds", (int)seconds,
            (int)(ms % 1000 / 100));
    else if (seconds < 3600)
        (void)snprintf(out, TEXT_ELAPSED_SIZE, "%dm%02ds", (int)(seconds / 60),
            (int)(seconds % 60));
    else
        (void)snprintf(out, TEXT_ELAPSED_SIZE, "%" PRId64 "h%02dm",
            seconds / 3600, (int)(seconds / 60 % 60));
    return out;
}

const char *
text_count(int64_t n, char out[TEXT_COUNT_SIZE])
{
    char digits[TEXT_COUNT_SIZE];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < TEXT_COUNT_SIZE; i++) {
        bool sign = digits[i] == '-';
        out[at++] = digits[i];
        if (!sign && i + 1 < len && (len - i - 1) % 3 == 0)
            out[at++] = ',';
    }
    out[at] = '\0';
    return out;
}
