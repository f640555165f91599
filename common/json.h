/* SPDX-License-Identifier: Apache-2.0
 * JSON: a strict, bounded reader (over cJSON, which only json.c knows) and a
 * streaming writer. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reading ---- */

struct json; /* a node of a parsed document; the root owns all of it */

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* A value costs up to 80 bytes of memory; the frame limit of the RPC must stay
 * below this many values of two bytes each. */
enum { JSON_DEPTH_MAX = 32, JSON_NODES_MAX = 5 * 256 * 1024 };

/* Parses exactly one value and nothing after it. Refused: more than max_bytes
 * or JSON_NODES_MAX values (ERR_TOO_LARGE), nesting deeper than
 * JSON_DEPTH_MAX, a duplicate key, a NUL or half a surrogate pair inside a
 * string, invalid UTF-8, a number that no double can hold, anything that RFC
 * 8259 forbids (ERR_INVALID, with the byte offset, or the key when it is a
 * duplicate). NULL on error. */
struct json *json_parse(
    const char *text, size_t len, size_t max_bytes, struct err *err);

/* Frees a root and wipes every string in it; NULL is legal. */
void json_free(struct json *root);
void json_free_ptr(struct json **root); /* for AUTO() */

enum json_type json_type(const struct json *node);
const char *json_type_name(enum json_type type);

/* The member of an object, or NULL (also when node is NULL or no object). */
const struct json *json_get(const struct json *node, const char *key);

/* The member at a dotted path ("turn.error.message"), or NULL. */
const struct json *json_path(const struct json *node, const char *path);

/* Children of an array or object in order: first (NULL if none), next. */
const struct json *json_first(const struct json *node);
const struct json *json_next(const struct json *node);
const char *json_key(const struct json *child); /* NULL in an array */
size_t json_len(const struct json *node);

/* Lenient getters: the value, or the fallback when node is NULL or of another
 * type. The string lives as long as the root. */
const char *json_str(const struct json *node, const char *fallback);
int64_t json_int(const struct json *node, int64_t fallback);
bool json_bool(const struct json *node, bool fallback);
double json_num(const struct json *node, double fallback);

/* Strict: a whole number within +-(2^53-1). false otherwise. */
bool json_is_int(const struct json *node, int64_t *out);

/* NOLINTBEGIN(bugprone-macro-parentheses): it declares child */
#define json_each(child, node)                                                 \
    for (const struct json *child = json_first(node); child != NULL;           \
         child = json_next(child))

/* NOLINTEND(bugprone-macro-parentheses) */

/* ---- writing ---- */

/* Writes into a buf; failures are the buf's (check with buf_check). key is
 * NULL for the root and inside arrays. */
struct jw {
    struct buf *out;
    bool comma;
};

void jw_init(struct jw *w, struct buf *out);
void jw_obj(struct jw *w, const char *key);
void jw_end_obj(struct jw *w);
void jw_arr(struct jw *w, const char *key);
void jw_end_arr(struct jw *w);
void jw_str(struct jw *w, const char *key, const char *value); /* NULL: null */
void jw_strn(struct jw *w, const char *key, const char *value, size_t len);
void jw_int(struct jw *w, const char *key, int64_t value);
void jw_num(struct jw *w, const char *key, double value);
void jw_bool(struct jw *w, const char *key, bool value);
void jw_null(struct jw *w, const char *key);
/* text is JSON already (NULL: null); not checked. */
void jw_raw(struct jw *w, const char *key, const char *text);
void jw_node(struct jw *w, const char *key, const struct json *node);

/* Bytes that are not valid UTF-8 are written as U+FFFD, so that what we write
 * can always be read back. */

#endif
