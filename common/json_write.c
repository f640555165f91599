/* SPDX-License-Identifier: Apache-2.0
 * The JSON writer (jw_* of json.h). */
#include "common/json.h"
#include "common/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
jw_init(struct jw *w, struct buf *out)
{
    *w = (struct jw){.out = out};
}

static void
put_escaped(struct buf *out, unsigned char byte)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *at = memchr(plain, byte, sizeof(plain) - 1);
    if (at != NULL) {
        buf_putc(out, '\\');
        buf_putc(out, letters[at - plain]);
    } else {
        buf_printf(out, "\\u%04x", byte);
    }
}

/* How many bytes from text on can be copied as they are. */
static size_t
plain_run(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        unsigned char byte = (unsigned char)text[at];
        if (byte < 0x20 || byte == '"' || byte == '\\')
            break;
        size_t step = utf8_char_len(text + at, len - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

static void
put_string(struct buf *out, const char *text, size_t len)
{
    buf_putc(out, '"');
    while (len > 0) {
        size_t run = plain_run(text, len);
        buf_append(out, text, run);
        text += run;
        len -= run;
        if (len == 0)
            break;
        if ((unsigned char)*text >= 0x80)
            buf_puts(out, UTF8_REPLACEMENT);
        else
            put_escaped(out, (unsigned char)*text);
        text++;
        len--;
    }
    buf_putc(out, '"');
}

/* Everything before a value: the comma and the key. */
static void
begin(struct jw *w, const char *key)
{
    if (w->comma)
        buf_putc(w->out, ',');
    w->comma = true;
    if (key != NULL) {
        put_string(w->out, key, strlen(key));
        buf_putc(w->out, ':');
    }
}

static void
open_with(struct jw *w, const char *key, char bracket)
{
    begin(w, key);
    buf_putc(w->out, bracket);
    w->comma = false;
}

static void
close_with(struct jw *w, char bracket)
{
    buf_putc(w->out, bracket);
    w->comma = true;
}

void
jw_obj(struct jw *w, const char *key)
{
    open_with(w, key, '{');
}

void
jw_end_obj(struct jw *w)
{
    close_with(w, '}');
}

void
jw_arr(struct jw *w, const char *key)
{
    open_with(w, key, '[');
}

void
jw_end_arr(struct jw *w)
{
    close_with(w, ']');
}

void
jw_str(struct jw *w, const char *key, const char *value)
{
    if (value == NULL)
        jw_null(w, key);
    else
        jw_strn(w, key, value, strlen(value));
}

void
jw_strn(struct jw *w, const char *key, const char *value, size_t len)
{
    begin(w, key);
    put_string(w->out, value, len);
}

void
jw_int(struct jw *w, const char *key, int64_t value)
{
    begin(w, key);
    buf_printf(w->out, "%" PRId64, value);
}

void
jw_num(struct jw *w, const char *key, double value)
{
    if (!isfinite(value)) {
        jw_null(w, key);
        return;
    }
    begin(w, key);
    char text[40];
    /* The shortest form that reads back as the same number. */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (!(back < value) && !(back > value))
            break;
    }
    buf_puts(w->out, text);
}

void
jw_bool(struct jw *w, const char *key, bool value)
{
    begin(w, key);
    buf_puts(w->out, value ? "true" : "false");
}

void
jw_null(struct jw *w, const char *key)
{
    begin(w, key);
    buf_puts(w->out, "null");
}

void
jw_raw(struct jw *w, const char *key, const char *text)
{
    begin(w, key);
    buf_puts(w->out, text != NULL ? text : "null");
}

static void
write_children(struct jw *w, const struct json *node)
{
    json_each (child, node) {
        jw_node(w, json_key(child), child);
    }
}

void
jw_node(struct jw *w, const char *key, const struct json *node)
{
    int64_t whole;
    switch (node == NULL ? JSON_NULL : json_type(node)) {
    case JSON_OBJECT:
        jw_obj(w, key);
        write_children(w, node);
        jw_end_obj(w);
        break;
    case JSON_ARRAY:
        jw_arr(w, key);
        write_children(w, node);
        jw_end_arr(w);
        break;
    case JSON_STRING:
        jw_str(w, key, json_str(node, ""));
        break;
    case JSON_NUMBER:
        if (json_is_int(node, &whole))
            jw_int(w, key, whole);
        else
            jw_num(w, key, json_num(node, 0));
        break;
    case JSON_BOOL:
        jw_bool(w, key, json_bool(node, false));
        break;
    case JSON_NULL:
    default:
        jw_null(w, key);
        break;
    }
}
