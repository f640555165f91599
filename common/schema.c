/* SPDX-License-Identifier: Apache-2.0
 * Decoding, encoding and releasing structs by their tables. */
#include "common/schema.h"

#include "common/cleanup.h"
#include "common/secret.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Where we are, for messages: a chain on the stack from leaf to root. */
struct path {
    const struct path *up;
    const char *name;
    size_t index; /* of an array's element, when name is NULL */
};

enum { PATH_TEXT_MAX = 192 };

static int decode_object(const struct schema *schema, const struct json *node,
    void *out, const struct path *path, struct err *err);

static void
path_text(const struct path *path, char *out, size_t *len)
{
    if (path == NULL)
        return;
    path_text(path->up, out, len);
    char piece[96];
    if (path->name == NULL)
        (void)snprintf(piece, sizeof(piece), "[%zu]", path->index);
    else
        (void)snprintf(
            piece, sizeof(piece), "%s%.80s", *len > 0 ? "." : "", path->name);
    size_t add = strlen(piece);
    if (*len + add >= PATH_TEXT_MAX)
        return;
    memcpy(out + *len, piece, add + 1);
    *len += add;
}

static int
refuse(const struct path *path, struct err *err, const char *what)
{
    char text[PATH_TEXT_MAX] = "";
    size_t len = 0;
    path_text(path, text, &len);
    return err_set(
        err, ERR_INVALID, "%s: %s", len > 0 ? text : "message", what);
}

static int
refuse_bounds(const struct path *path, const struct schema_field *field,
    const char *unit, struct err *err)
{
    char what[96];
    (void)snprintf(what, sizeof(what),
        "must be %s%" PRId64 " to %" PRId64 "%s%s",
        unit[0] == '\0' ? "a whole number from " : "", field->min, field->max,
        unit[0] == '\0' ? "" : " ", unit);
    return refuse(path, err, what);
}

/* ---- decoding, kind by kind; `out` is the member's address ---- */

static bool
is_within(size_t n, const struct schema_field *field)
{
    return (int64_t)n >= field->min && (int64_t)n <= field->max;
}

static bool
is_name(const char *text)
{
    static const char *const allowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return text[0] != '.' && text[strspn(text, allowed)] == '\0';
}

static int
decode_string(const struct schema_field *field, const struct json *node,
    void *out, const struct path *path, struct err *err)
{
    const char *text = json_str(node, NULL);
    if (text == NULL)
        return refuse(path, err, "must be a string");
    size_t len = strlen(text);
    if (!is_within(len, field))
        return refuse_bounds(path, field, "bytes", err);
    if (field->kind == SCHEMA_NAME && !is_name(text))
        return refuse(path, err,
            "may have letters, digits, '.', '_' and '-' only, and no dot at "
            "its start");
    if (field->kind == SCHEMA_SECRET) {
        struct secret *secret = secret_new(text, len);
        *(struct secret **)out = secret;
        return secret != NULL ? 0 : err_no_memory(err);
    }
    char *copy = strdup(text);
    *(char **)out = copy;
    return copy != NULL ? 0 : err_no_memory(err);
}

static int
decode_int(const struct schema_field *field, const struct json *node, void *out,
    const struct path *path, struct err *err)
{
    int64_t value;
    if (!json_is_int(node, &value) || value < field->min || value > field->max)
        return refuse_bounds(path, field, "", err);
    *(int64_t *)out = value;
    return 0;
}

static int
decode_bool(const struct json *node, void *out, const struct path *path,
    struct err *err)
{
    if (json_type(node) != JSON_BOOL)
        return refuse(path, err, "must be true or false");
    *(bool *)out = json_bool(node, false);
    return 0;
}

static int
decode_raw(const struct schema_field *field, const struct json *node, void *out,
    const struct path *path, struct err *err)
{
    if (field->min == 1 && json_type(node) != JSON_OBJECT)
        return refuse(path, err, "must be an object");
    AUTO(buf_free) struct buf text;
    buf_init(&text, (size_t)field->max);
    struct jw w;
    jw_init(&w, &text);
    jw_node(&w, NULL, node);
    if (text.failed && !text.no_memory)
        return refuse_bounds(path, field, "bytes", err);
    char *copy = buf_steal(&text);
    *(char **)out = copy;
    return copy != NULL ? 0 : err_no_memory(err);
}

static int
decode_array(const struct schema_field *field, const struct json *node,
    void *out, const struct path *path, struct err *err)
{
    if (json_type(node) != JSON_ARRAY)
        return refuse(path, err, "must be an array");
    size_t count = json_len(node);
    if (!is_within(count, field))
        return refuse_bounds(path, field, "elements", err);
    if (count == 0)
        return 0;
    struct slice *slice = out;
    bool strings = field->kind == SCHEMA_STRS;
    size_t size = strings ? sizeof(char *) : field->sub->size;
    slice->items = calloc(count, size);
    if (slice->items == NULL)
        return err_no_memory(err);
    slice->len = count; /* from here on a release finds zeroed elements */
    static const struct schema_field item = {
        .kind = SCHEMA_STR, .max = SCHEMA_STRS_ITEM_MAX};
    char *at = slice->items;
    struct path here = {.up = path};
    json_each (child, node) {
        int rc = strings ? decode_string(&item, child, at, &here, err)
                         : decode_object(field->sub, child, at, &here, err);
        if (rc != 0)
            return -1;
        at += size;
        here.index++;
    }
    return 0;
}

static int
decode_field(const struct schema_field *field, const struct json *node,
    void *out, const struct path *path, struct err *err)
{
    switch (field->kind) {
    case SCHEMA_STR:
    case SCHEMA_NAME:
    case SCHEMA_SECRET:
        return decode_string(field, node, out, path, err);
    case SCHEMA_INT:
        return decode_int(field, node, out, path, err);
    case SCHEMA_BOOL:
        return decode_bool(node, out, path, err);
    case SCHEMA_RAW:
        return decode_raw(field, node, out, path, err);
    case SCHEMA_OBJ:
        return decode_object(field->sub, node, out, path, err);
    case SCHEMA_ARR:
    case SCHEMA_STRS:
        return decode_array(field, node, out, path, err);
    default:
        return err_set(err, ERR_INTERNAL, "schema: unknown kind");
    }
}

static bool
is_known(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (strcmp(schema->fields[i].name, name) == 0)
            return true;
    }
    return false;
}

static int
decode_object(const struct schema *schema, const struct json *node, void *out,
    const struct path *path, struct err *err)
{
    if (node == NULL || json_type(node) != JSON_OBJECT)
        return refuse(path, err, "must be an object");
    json_each (child, node) {
        struct path here = {.up = path, .name = json_key(child)};
        if (!is_known(schema, here.name))
            return refuse(&here, err, "unknown field");
    }
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        struct path here = {.up = path, .name = field->name};
        const struct json *value = json_get(node, field->name);
        if (value == NULL || json_type(value) == JSON_NULL) {
            if (field->required)
                return refuse(&here, err, "is required");
            continue;
        }
        if (decode_field(
                field, value, (char *)out + field->offset, &here, err) != 0)
            return -1;
    }
    return 0;
}

int
schema_decode(const struct schema *schema, const struct json *node, void *out,
    struct err *err)
{
    memset(out, 0, schema->size);
    if (decode_object(schema, node, out, NULL, err) == 0)
        return 0;
    schema_release(schema, out);
    return -1;
}

/* ---- encoding ---- */

static bool
is_zero(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    while (len > 0 && *bytes == 0) {
        bytes++;
        len--;
    }
    return len == 0;
}

static const char *
text_of(const void *in)
{
    return *(const char *const *)in;
}

static bool
is_absent(const struct schema_field *field, const void *in)
{
    switch (field->kind) {
    case SCHEMA_STR:
    case SCHEMA_NAME:
    case SCHEMA_SECRET:
    case SCHEMA_RAW:
        return text_of(in) == NULL;
    case SCHEMA_INT:
        return *(const int64_t *)in == 0;
    case SCHEMA_BOOL:
        return !*(const bool *)in;
    case SCHEMA_ARR:
    case SCHEMA_STRS:
        return ((const struct slice *)in)->len == 0;
    case SCHEMA_OBJ:
    default:
        return is_zero(in, field->sub->size);
    }
}

static void
encode_array(
    const struct schema_field *field, const struct slice *slice, struct jw *w)
{
    const char *at = slice->items;
    jw_arr(w, field->name);
    for (size_t i = 0; i < slice->len; i++) {
        if (field->kind == SCHEMA_STRS) {
            jw_str(w, NULL, text_of(at));
            at += sizeof(char *);
        } else {
            schema_encode(field->sub, at, w, NULL);
            at += field->sub->size;
        }
    }
    jw_end_arr(w);
}

static void
encode_field(const struct schema_field *field, const void *in, struct jw *w)
{
    const struct secret *secret;
    switch (field->kind) {
    case SCHEMA_STR:
    case SCHEMA_NAME:
        jw_str(w, field->name, text_of(in));
        break;
    case SCHEMA_SECRET:
        secret = *(struct secret *const *)in;
        if (secret == NULL)
            jw_null(w, field->name);
        else
            jw_strn(w, field->name, secret_bytes(secret), secret_len(secret));
        break;
    case SCHEMA_INT:
        jw_int(w, field->name, *(const int64_t *)in);
        break;
    case SCHEMA_BOOL:
        jw_bool(w, field->name, *(const bool *)in);
        break;
    case SCHEMA_RAW:
        jw_raw(w, field->name, text_of(in));
        break;
    case SCHEMA_OBJ:
        schema_encode(field->sub, in, w, field->name);
        break;
    case SCHEMA_ARR:
    case SCHEMA_STRS:
    default:
        encode_array(field, in, w);
        break;
    }
}

void
schema_encode(
    const struct schema *schema, const void *in, struct jw *w, const char *key)
{
    jw_obj(w, key);
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const void *value = (const char *)in + field->offset;
        if (field->required || !is_absent(field, value))
            encode_field(field, value, w);
    }
    jw_end_obj(w);
}

/* ---- releasing ---- */

static void
release_array(const struct schema_field *field, struct slice *slice)
{
    char *at = slice->items;
    for (size_t i = 0; i < slice->len; i++) {
        if (field->kind == SCHEMA_STRS) {
            free(((char **)slice->items)[i]);
        } else {
            schema_release(field->sub, at);
            at += field->sub->size;
        }
    }
    free(slice->items);
}

void
schema_release(const struct schema *schema, void *in)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        void *value = (char *)in + field->offset;
        switch (field->kind) {
        case SCHEMA_STR:
        case SCHEMA_NAME:
        case SCHEMA_RAW:
            free(*(char **)value);
            break;
        case SCHEMA_SECRET:
            secret_free(*(struct secret **)value);
            break;
        case SCHEMA_OBJ:
            schema_release(field->sub, value);
            break;
        case SCHEMA_ARR:
        case SCHEMA_STRS:
            release_array(field, value);
            break;
        case SCHEMA_INT:
        case SCHEMA_BOOL:
        default:
            break;
        }
    }
    memset(in, 0, schema->size);
}
