/* SPDX-License-Identifier: Apache-2.0
 * Values of the prompt template: their truth, their text, their order. */
#include "control/config/template_ast.h"

#include "common/cleanup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

/* ---- memory ---- */

struct template_chunk {
    struct template_chunk *next;
    max_align_t data[];
};

void *
template_alloc(struct template_arena *arena, size_t size)
{
    if (size > (size_t)TEMPLATE_MEMORY_MAX - arena->used)
        return NULL;
    struct template_chunk *chunk = calloc(1, sizeof(*chunk) + size);
    if (chunk == NULL)
        return NULL;
    arena->used += size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk->data;
}

void
template_arena_free(struct template_arena *arena)
{
    while (arena->chunks != NULL) {
        struct template_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = 0;
}

/* ---- values ---- */

struct value
template_value_number(double number)
{
    return (struct value){.kind = VALUE_NUMBER, .number = number};
}

struct value
template_value_string(const char *data, size_t len)
{
    return (struct value){.kind = VALUE_STRING, .text = {data, len}};
}

struct value
template_value_of(const struct json *node)
{
    struct value value = {.kind = VALUE_NIL};
    if (node == NULL)
        return value;
    switch (json_type(node)) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        value.kind = VALUE_BOOL;
        value.flag = json_bool(node, false);
        break;
    case JSON_NUMBER:
        return template_value_number(json_num(node, 0));
    case JSON_STRING: {
        const char *text = json_str(node, "");
        return template_value_string(text, strlen(text));
    }
    case JSON_ARRAY:
    case JSON_OBJECT:
        value.kind = VALUE_NODE;
        value.node = node;
        break;
    }
    return value;
}

bool
template_value_is_true(const struct value *value)
{
    if (value->kind == VALUE_BOOL)
        return value->flag;
    return value->kind != VALUE_NIL;
}

const char *
template_value_kind(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NIL:
        return "nothing";
    case VALUE_BOOL:
        return "true or false";
    case VALUE_NUMBER:
        return "a number";
    case VALUE_STRING:
        return "a string";
    case VALUE_NODE:
        return json_type(value->node) == JSON_ARRAY ? "a list" : "an object";
    case VALUE_LOOP:
        break;
    }
    return "forloop";
}

/* ---- text ---- */

static void
put_number(double number, struct buf *out)
{
    bool whole = number == floor(number) && fabs(number) < 1e15;
    buf_printf(out, whole ? "%.0f" : "%.15g", number);
}

static void
put_node(const struct json *node, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    if (json_type(node) != JSON_ARRAY) {
        jw_node(&w, NULL, node);
        return;
    }
    /* As Liquid does: the items, one behind the other. */
    json_each (item, node) {
        struct value value = template_value_of(item);
        jw_init(&w, out);
        if (value.kind == VALUE_STRING)
            buf_append(out, value.text.data, value.text.len);
        else if (value.kind != VALUE_NIL)
            jw_node(&w, NULL, item);
    }
}

static int
keep(struct buf *text, struct template_arena *arena, struct span *out,
    struct err *err)
{
    if (buf_check(text, err) != 0)
        return -1;
    char *copy = template_alloc(arena, text->len + 1);
    if (copy == NULL)
        return err_set(err, ERR_CONFIG, "makes too much text");
    memcpy(copy, buf_str(text), text->len);
    *out = (struct span){copy, text->len};
    return 0;
}

int
template_value_text(const struct value *value, struct template_arena *arena,
    struct span *out, struct err *err)
{
    *out = (struct span){"", 0};
    if (value->kind == VALUE_STRING) {
        *out = value->text;
        return 0;
    }
    if (value->kind == VALUE_NIL)
        return 0;
    if (value->kind == VALUE_BOOL) {
        *out =
            value->flag ? (struct span){"true", 4} : (struct span){"false", 5};
        return 0;
    }
    AUTO(buf_free) struct buf text = {0};
    buf_init(&text, TEXT_MAX);
    if (value->kind == VALUE_NUMBER)
        put_number(value->number, &text);
    else if (value->kind == VALUE_NODE)
        put_node(value->node, &text);
    else
        return err_set(err, ERR_CONFIG, "forloop has no text of its own");
    return keep(&text, arena, out, err);
}

/* ---- comparison ---- */

static bool
span_equal(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static int
incomparable(
    const struct value *left, const struct value *right, struct err *err)
{
    return err_set(err, ERR_CONFIG, "cannot compare %s with %s",
        template_value_kind(left), template_value_kind(right));
}

static int
is_equal(const struct value *left, const struct value *right, bool *out,
    struct err *err)
{
    *out = false;
    if (left->kind != right->kind)
        return 0;
    if (left->kind == VALUE_NODE || left->kind == VALUE_LOOP)
        return incomparable(left, right, err);
    if (left->kind == VALUE_STRING)
        *out = span_equal(left->text, right->text);
    else if (left->kind == VALUE_NUMBER)
        *out = left->number == right->number;
    else
        *out = left->kind == VALUE_NIL || left->flag == right->flag;
    return 0;
}

static int
span_order(struct span a, struct span b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, least);
    if (order != 0 || a.len == b.len)
        return order;
    return a.len < b.len ? -1 : 1;
}

static int
compare_order(enum comparison comparison, const struct value *left,
    const struct value *right, bool *out, struct err *err)
{
    int order = 0;
    *out = false;
    if (left->kind == VALUE_NIL || right->kind == VALUE_NIL)
        return 0;
    if (left->kind == VALUE_NUMBER && right->kind == VALUE_NUMBER)
        order = (left->number > right->number) - (left->number < right->number);
    else if (left->kind == VALUE_STRING && right->kind == VALUE_STRING)
        order = span_order(left->text, right->text);
    else
        return incomparable(left, right, err);
    *out = (comparison == COMPARE_LESS && order < 0) ||
           (comparison == COMPARE_GREATER && order > 0) ||
           (comparison == COMPARE_LESS_EQUAL && order <= 0) ||
           (comparison == COMPARE_GREATER_EQUAL && order >= 0);
    return 0;
}

static bool
has_item(const struct json *list, const struct value *wanted)
{
    json_each (item, list) {
        struct value value = template_value_of(item);
        struct err ignored = ERR_INIT; /* a list in a list is no match */
        bool equal = false;
        if (is_equal(&value, wanted, &equal, &ignored) == 0 && equal)
            return true;
    }
    return false;
}

static bool
has_member(const struct json *object, struct span name)
{
    json_each (member, object) {
        const char *key = json_key(member);
        if (span_equal((struct span){key, strlen(key)}, name))
            return true;
    }
    return false;
}

static int
contains(const struct value *left, const struct value *right, bool *out,
    struct err *err)
{
    *out = false;
    if (left->kind == VALUE_NIL || right->kind == VALUE_NIL)
        return 0;
    if (left->kind == VALUE_NODE && json_type(left->node) == JSON_ARRAY) {
        *out = has_item(left->node, right);
        return 0;
    }
    if (right->kind != VALUE_STRING ||
        (left->kind != VALUE_STRING && left->kind != VALUE_NODE))
        return err_set(err, ERR_CONFIG, "%s cannot contain %s",
            template_value_kind(left), template_value_kind(right));
    *out = left->kind == VALUE_NODE
               ? has_member(left->node, right->text)
               : memmem(left->text.data, left->text.len, right->text.data,
                     right->text.len) != NULL;
    return 0;
}

int
template_value_compare(enum comparison comparison, const struct value *left,
    const struct value *right, bool *out, struct err *err)
{
    switch (comparison) {
    case COMPARE_NONE:
        *out = template_value_is_true(left);
        return 0;
    case COMPARE_EQUAL:
        return is_equal(left, right, out, err);
    case COMPARE_UNEQUAL:
        if (is_equal(left, right, out, err) != 0)
            return -1;
        *out = !*out;
        return 0;
    case COMPARE_CONTAINS:
        return contains(left, right, out, err);
    case COMPARE_LESS:
    case COMPARE_GREATER:
    case COMPARE_LESS_EQUAL:
    case COMPARE_GREATER_EQUAL:
        break;
    }
    return compare_order(comparison, left, right, out, err);
}
