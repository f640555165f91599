/* SPDX-License-Identifier: Apache-2.0
 * The filters of the prompt template. */
#include "control/config/template_ast.h"

#include "common/cleanup.h"
#include "common/cli.h"
#include "common/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { RESULT_MAX = 1024 * 1024, TRUNCATE_DEFAULT = 50 };

/* ---- help for filters ---- */

static int
text_of(const struct filter_input *input, struct span *out)
{
    return template_value_text(&input->value, input->arena, out, input->err);
}

/* The argument as text, or fallback when it was not given. */
static int
argument(const struct filter_input *input, size_t index, const char *fallback,
    struct span *out)
{
    *out = (struct span){fallback, strlen(fallback)};
    if (index >= input->count)
        return 0;
    return template_value_text(
        &input->args[index], input->arena, out, input->err);
}

/* Moves a finished text into the arena. */
static int
give(const struct filter_input *input, struct buf *text, struct value *out)
{
    if (buf_check(text, input->err) != 0)
        return err_set(input->err, ERR_CONFIG, "makes too much text");
    char *copy = template_alloc(input->arena, text->len + 1);
    if (copy == NULL)
        return err_set(input->err, ERR_CONFIG, "makes too much text");
    memcpy(copy, buf_str(text), text->len);
    *out = template_value_string(copy, text->len);
    return 0;
}

static const struct json *
list_of(const struct filter_input *input)
{
    const struct value *value = &input->value;
    if (value->kind == VALUE_NODE && json_type(value->node) == JSON_ARRAY)
        return value->node;
    (void)err_set(input->err, ERR_CONFIG, "needs a list, not %s",
        template_value_kind(value));
    return NULL;
}

/* The bytes of the character at text; a byte that is no UTF-8 counts as one. */
static size_t
char_len(const char *text, size_t left)
{
    size_t len = utf8_char_len(text, left);
    return len > 0 ? len : 1;
}

static size_t
count_chars(struct span text)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len; count++)
        at += char_len(text.data + at, text.len - at);
    return count;
}

/* ---- the filters ---- */

static int
filter_default(const struct filter_input *input, struct value *out)
{
    const struct value *value = &input->value;
    bool empty = !template_value_is_true(value) ||
                 (value->kind == VALUE_STRING && value->text.len == 0) ||
                 (value->kind == VALUE_NODE && json_len(value->node) == 0);
    *out = empty ? input->args[0] : *value;
    return 0;
}

/* Case is changed in ASCII only: other letters stay as they are. */
static int
change_case(const struct filter_input *input, struct value *out,
    int (*first)(int), int (*rest)(int))
{
    struct span text;
    AUTO(buf_free) struct buf result = {0};
    buf_init(&result, RESULT_MAX);
    if (text_of(input, &text) != 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        int changed = c < 0x80 ? (i == 0 ? first : rest)(c) : c;
        buf_putc(&result, (char)changed);
    }
    return give(input, &result, out);
}

static int
filter_upcase(const struct filter_input *input, struct value *out)
{
    return change_case(input, out, toupper, toupper);
}

static int
filter_downcase(const struct filter_input *input, struct value *out)
{
    return change_case(input, out, tolower, tolower);
}

static int
filter_capitalize(const struct filter_input *input, struct value *out)
{
    return change_case(input, out, toupper, tolower);
}

static int
filter_strip(const struct filter_input *input, struct value *out)
{
    static const char blanks[] = " \t\r\n\v\f";
    struct span text;
    if (text_of(input, &text) != 0)
        return -1;
    while (text.len > 0 && strchr(blanks, text.data[0]) != NULL) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && strchr(blanks, text.data[text.len - 1]) != NULL)
        text.len--;
    *out = template_value_string(text.data, text.len);
    return 0;
}

static int
filter_join(const struct filter_input *input, struct value *out)
{
    struct span glue;
    const struct json *list = list_of(input);
    AUTO(buf_free) struct buf result = {0};
    buf_init(&result, RESULT_MAX);
    if (list == NULL || argument(input, 0, " ", &glue) != 0)
        return -1;
    bool first = true;
    json_each (item, list) {
        struct value value = template_value_of(item);
        struct span text;
        if (template_value_text(&value, input->arena, &text, input->err) != 0)
            return -1;
        if (!first)
            buf_append(&result, glue.data, glue.len);
        buf_append(&result, text.data, text.len);
        first = false;
    }
    return give(input, &result, out);
}

static int
filter_size(const struct filter_input *input, struct value *out)
{
    const struct value *value = &input->value;
    if (value->kind == VALUE_NODE) {
        *out = template_value_number((double)json_len(value->node));
        return 0;
    }
    struct span text;
    if (text_of(input, &text) != 0)
        return -1;
    *out = template_value_number((double)count_chars(text));
    return 0;
}

static int
filter_first(const struct filter_input *input, struct value *out)
{
    const struct json *list = list_of(input);
    if (list == NULL)
        return -1;
    *out = template_value_of(json_first(list));
    return 0;
}

static int
filter_last(const struct filter_input *input, struct value *out)
{
    const struct json *list = list_of(input);
    const struct json *last = NULL;
    if (list == NULL)
        return -1;
    json_each (item, list)
        last = item;
    *out = template_value_of(last);
    return 0;
}

static int
filter_escape(const struct filter_input *input, struct value *out)
{
    struct span text;
    AUTO(buf_free) struct buf result = {0};
    buf_init(&result, RESULT_MAX);
    if (text_of(input, &text) != 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '&')
            buf_puts(&result, "&amp;");
        else if (c == '<')
            buf_puts(&result, "&lt;");
        else if (c == '>')
            buf_puts(&result, "&gt;");
        else if (c == '"')
            buf_puts(&result, "&quot;");
        else if (c == '\'')
            buf_puts(&result, "&#39;");
        else
            buf_putc(&result, c);
    }
    return give(input, &result, out);
}

static int
filter_truncate(const struct filter_input *input, struct value *out)
{
    struct span text;
    struct span tail;
    AUTO(buf_free) struct buf result = {0};
    buf_init(&result, RESULT_MAX);
    if (text_of(input, &text) != 0 || argument(input, 1, "...", &tail) != 0)
        return -1;
    double limit = TRUNCATE_DEFAULT;
    if (input->count > 0) {
        limit = input->args[0].number;
        if (input->args[0].kind != VALUE_NUMBER || limit < 0)
            return err_set(input->err, ERR_CONFIG, "needs a length");
    }
    if ((double)count_chars(text) <= limit) {
        *out = template_value_string(text.data, text.len);
        return 0;
    }
    double room = limit - (double)count_chars(tail);
    size_t left = room > 0 ? (size_t)room : 0; /* less than the text's length */
    size_t at = 0;
    for (; at < text.len && left > 0; left--)
        at += char_len(text.data + at, text.len - at);
    buf_append(&result, text.data, at);
    buf_append(&result, tail.data, tail.len);
    return give(input, &result, out);
}

static int
filter_replace(const struct filter_input *input, struct value *out)
{
    struct span text;
    struct span from;
    struct span to;
    AUTO(buf_free) struct buf result = {0};
    buf_init(&result, RESULT_MAX);
    if (text_of(input, &text) != 0 || argument(input, 0, "", &from) != 0 ||
        argument(input, 1, "", &to) != 0)
        return -1;
    if (from.len == 0)
        return err_set(input->err, ERR_CONFIG, "needs a text to look for");
    while (!result.failed) {
        const char *hit = memmem(text.data, text.len, from.data, from.len);
        if (hit == NULL)
            break;
        size_t before = (size_t)(hit - text.data);
        buf_append(&result, text.data, before);
        buf_append(&result, to.data, to.len);
        text.data += before + from.len;
        text.len -= before + from.len;
    }
    buf_append(&result, text.data, text.len);
    return give(input, &result, out);
}

static int
filter_json(const struct filter_input *input, struct value *out)
{
    const struct value *value = &input->value;
    struct jw w;
    AUTO(buf_free) struct buf result = {0};
    buf_init(&result, RESULT_MAX);
    jw_init(&w, &result);
    if (value->kind == VALUE_NODE) {
        jw_node(&w, NULL, value->node);
    } else if (value->kind == VALUE_STRING) {
        jw_strn(&w, NULL, value->text.data, value->text.len);
    } else if (value->kind == VALUE_NIL) {
        jw_null(&w, NULL);
    } else {
        struct span text;
        if (text_of(input, &text) != 0)
            return -1;
        buf_append(&result, text.data, text.len);
    }
    return give(input, &result, out);
}

/* ---- the table ---- */

static const struct filter table[] = {
    {"default", 1, 1, filter_default},
    {"upcase", 0, 0, filter_upcase},
    {"downcase", 0, 0, filter_downcase},
    {"capitalize", 0, 0, filter_capitalize},
    {"strip", 0, 0, filter_strip},
    {"join", 0, 1, filter_join},
    {"size", 0, 0, filter_size},
    {"first", 0, 0, filter_first},
    {"last", 0, 0, filter_last},
    {"escape", 0, 0, filter_escape},
    {"truncate", 0, 2, filter_truncate},
    {"replace", 1, 2, filter_replace},
    {"json", 0, 0, filter_json},
};

const struct filter *
template_filter_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strlen(table[i].name) == name.len &&
            memcmp(table[i].name, name.data, name.len) == 0)
            return &table[i];
    }
    return NULL;
}

const char *
template_filter_nearest(struct span name)
{
    const char *names[ARRAY_LEN(table)];
    char word[32];
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        names[i] = table[i].name;
    (void)snprintf(word, sizeof(word), "%.*s", (int)name.len, name.data);
    return cli_nearest(word, names, ARRAY_LEN(names));
}
