/* SPDX-License-Identifier: Apache-2.0
 * One table per message gives its decoder, its encoder and its release. */
#ifndef COMMON_SCHEMA_H
#define COMMON_SCHEMA_H

#include "common/err.h"
#include "common/json.h"

#include <stddef.h>
#include <stdint.h>

/* What a field is in C, and in JSON:
 *   STR     char *            string of min..max bytes
 *   NAME    char *            the same, of [A-Za-z0-9._-], no leading dot
 *   INT     int64_t           whole number, min..max
 *   BOOL    bool              true, false
 *   SECRET  struct secret *   string of min..max bytes; wiped on release
 *   RAW     char *            any JSON value (min 1: an object), kept as text
 *                             of at most max bytes
 *   OBJ     struct (by value) object, described by sub
 *   ARR     struct slice      array of min..max objects, described by sub
 *   STRS    struct slice      array of min..max strings (char * each, each
 *                             at most SCHEMA_STRS_ITEM_MAX bytes) */
enum schema_kind {
    SCHEMA_STR,
    SCHEMA_NAME,
    SCHEMA_INT,
    SCHEMA_BOOL,
    SCHEMA_SECRET,
    SCHEMA_RAW,
    SCHEMA_OBJ,
    SCHEMA_ARR,
    SCHEMA_STRS
};

enum { SCHEMA_STRS_ITEM_MAX = 4096 };

struct slice {
    void *items;
    size_t len;
};

struct schema;

struct schema_field {
    const char *name;
    enum schema_kind kind;
    bool required;
    size_t offset;
    int64_t min;
    int64_t max;
    const struct schema *sub;
};

struct schema {
    const char *name;
    size_t size;
    const struct schema_field *fields;
    size_t count;
};

/* Fills out (zeroed first). Refused with ERR_INVALID and the field's path:
 * an unknown field, a missing required one, a wrong type, a value out of
 * bounds. null counts as absent. An absent optional field is NULL, 0, false
 * or empty. On error out holds nothing that needs a release. */
int schema_decode(const struct schema *schema, const struct json *node,
    void *out, struct err *err);

/* Writes in as an object. A field that is not required and holds NULL, 0,
 * false or nothing is left out, so that decoding gives the same struct again.
 * Secrets are written in clear: use a secret buf. */
void schema_encode(
    const struct schema *schema, const void *in, struct jw *w, const char *key);

/* Frees what the fields own (not `in` itself) and zeroes it. */
void schema_release(const struct schema *schema, void *in);

#endif
