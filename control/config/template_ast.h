/* SPDX-License-Identifier: Apache-2.0
 * A parsed prompt template, the values in it, and the memory of both: shared
 * by the files template*.c and by nobody else. */
#ifndef CONTROL_CONFIG_TEMPLATE_AST_H
#define CONTROL_CONFIG_TEMPLATE_AST_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TEMPLATE_BYTES_MAX = 1024 * 1024,
    TEMPLATE_DEPTH_MAX = 32, /* nested blocks */
    TEMPLATE_TERMS_MAX = 32, /* and/or, filters, steps of a path */
    TEMPLATE_ARGS_MAX = 2,   /* of a filter */
    TEMPLATE_ITERATIONS_MAX = 10000,
    TEMPLATE_WORK_MAX = 2000000, /* values looked at, 256 bytes each */
    TEMPLATE_MEMORY_MAX = 16 * 1024 * 1024
};

/* ---- memory: freed as a whole ---- */

struct template_arena {
    struct template_chunk *chunks;
    size_t used;
};

/* Zeroed memory until template_arena_free; NULL: none left, or too much. */
void *template_alloc(struct template_arena *arena, size_t size);
void template_arena_free(struct template_arena *arena);

/* ---- values ---- */

struct span {
    const char *data;
    size_t len;
};

enum value_kind {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_NODE, /* a JSON array or object */
    VALUE_LOOP  /* the `forloop` of a for */
};

struct loop {
    int64_t index; /* from 0 */
    int64_t length;
};

struct value {
    enum value_kind kind;
    bool flag;
    double number;
    struct span text;
    const struct json *node;
    const struct loop *loop;
};

struct value template_value_of(const struct json *node); /* NULL: nil */
struct value template_value_number(double number);
struct value template_value_string(const char *data, size_t len);
bool template_value_is_true(const struct value *value);
const char *template_value_kind(const struct value *value); /* for people */

/* As it is written into the prompt; the text lives in the arena. */
int template_value_text(const struct value *value, struct template_arena *arena,
    struct span *out, struct err *err);

enum comparison {
    COMPARE_NONE, /* only a truth value */
    COMPARE_EQUAL,
    COMPARE_UNEQUAL,
    COMPARE_LESS,
    COMPARE_GREATER,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER_EQUAL,
    COMPARE_CONTAINS
};

/* ERR_CONFIG when the two cannot be compared. */
int template_value_compare(enum comparison comparison, const struct value *left,
    const struct value *right, bool *out, struct err *err);

/* ---- filters ---- */

struct filter_input {
    struct value value;
    struct value args[TEMPLATE_ARGS_MAX];
    size_t count;
    struct template_arena *arena;
    struct err *err;
};

struct filter {
    const char *name;
    size_t min_args;
    size_t max_args;
    int (*apply)(const struct filter_input *input, struct value *out);
};

const struct filter *template_filter_find(struct span name);
const char *template_filter_nearest(struct span name);

/* ---- the tree ---- */

/* One step of a path: .name, or [operand]. */
struct step {
    struct span name;
    struct operand *key; /* NULL: by name */
    struct step *next;
};

struct operand {
    enum value_kind kind;
    struct value literal;
    struct step *path; /* not NULL: a variable */
    struct span text;  /* as written, for messages */
};

struct filter_call {
    const struct filter *filter;
    struct operand args[TEMPLATE_ARGS_MAX];
    size_t count;
    struct filter_call *next;
};

struct condition {
    struct operand left;
    enum comparison comparison;
    struct operand right;
    bool is_or; /* how it goes on with next */
    struct condition *next;
};

struct branch {
    struct condition *condition; /* NULL: else */
    bool negated;                /* unless */
    int line;
    struct node *body;
    struct branch *next;
};

enum node_kind { NODE_TEXT, NODE_OUTPUT, NODE_IF, NODE_FOR };

struct node {
    enum node_kind kind;
    int line;
    struct span text;            /* of TEXT; the variable's name of FOR */
    struct operand operand;      /* of OUTPUT; the list of FOR */
    struct filter_call *filters; /* of OUTPUT */
    struct branch *branches;     /* of IF; of FOR: the body, then the else */
    struct node *next;
};

/* Parses text, which must outlive the tree. ERR_CONFIG:
 * "template_parse_error: line 3: ..". */
int template_parse(const char *text, size_t len, struct template_arena *arena,
    struct node **out, struct err *err);

#endif
