/* SPDX-License-Identifier: Apache-2.0
 * The JSON reader over cJSON. struct json is cJSON under another name. */
#include "common/json.h"

#include "common/cleanup.h"
#include "common/json_scan.h"
#include "common/secret.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double int_limit = 9007199254740991.0; /* 2^53 - 1 */

enum { FEW_KEYS = 8 };

static const cJSON *
item_of(const struct json *node)
{
    return (const void *)node;
}

static const struct json *
node_of(const cJSON *item)
{
    return (const void *)item;
}

/* ---- parsing ---- */

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
duplicate(const char *key, struct err *err)
{
    return err_set(
        err, ERR_INVALID, "JSON: the key \"%.80s\" is there twice", key);
}

static int
check_few_keys(const cJSON *object, struct err *err)
{
    const cJSON *a;
    cJSON_ArrayForEach(a, object)
    {
        for (const cJSON *b = a->next; b != NULL; b = b->next) {
            if (strcmp(a->string, b->string) == 0)
                return duplicate(a->string, err);
        }
    }
    return 0;
}

/* Sorted, so that a hostile object costs n log n and not n squared. */
static int
check_many_keys(const cJSON *object, size_t count, struct err *err)
{
    AUTO_FREE const char **keys = calloc(count, sizeof(*keys));
    if (keys == NULL)
        return err_no_memory(err);
    size_t n = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, object)
    {
        keys[n++] = child->string;
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return duplicate(keys[i], err);
    }
    return 0;
}

/* What can be seen only after decoding: duplicate keys (an escape may hide
 * one) and numbers beyond a double. */
static int
check_tree(const cJSON *item, struct err *err)
{
    if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
        return err_set(err, ERR_INVALID, "JSON: a number is out of range");
    size_t count = 0;
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        count++;
        if (check_tree(child, err) != 0)
            return -1;
    }
    if (!cJSON_IsObject(item) || count < 2)
        return 0;
    return count <= FEW_KEYS ? check_few_keys(item, err)
                             : check_many_keys(item, count, err);
}

struct json *
json_parse(const char *text, size_t len, size_t max_bytes, struct err *err)
{
    if (len > max_bytes) {
        (void)err_set(err, ERR_TOO_LARGE,
            "JSON: %zu bytes, more than the limit of %zu", len, max_bytes);
        return NULL;
    }
    if (json_scan(text, len, err) != 0)
        return NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, NULL, 0);
    if (root == NULL) { /* it was scanned: only memory can be missing */
        (void)err_no_memory(err);
        return NULL;
    }
    if (check_tree(root, err) != 0) {
        json_free((void *)root);
        return NULL;
    }
    return (void *)root;
}

static void
wipe_strings(cJSON *item)
{
    if (item->valuestring != NULL)
        secret_wipe(item->valuestring, strlen(item->valuestring));
    if (item->string != NULL)
        secret_wipe(item->string, strlen(item->string));
    for (cJSON *child = item->child; child != NULL; child = child->next)
        wipe_strings(child);
}

void
json_free(struct json *root)
{
    if (root == NULL)
        return;
    cJSON *item = (void *)root;
    wipe_strings(item);
    cJSON_Delete(item);
}

void
json_free_ptr(struct json **root)
{
    json_free(*root);
    *root = NULL;
}

/* ---- looking ---- */

enum json_type
json_type(const struct json *node)
{
    const cJSON *item = item_of(node);
    if (cJSON_IsObject(item))
        return JSON_OBJECT;
    if (cJSON_IsArray(item))
        return JSON_ARRAY;
    if (cJSON_IsString(item))
        return JSON_STRING;
    if (cJSON_IsNumber(item))
        return JSON_NUMBER;
    return cJSON_IsBool(item) ? JSON_BOOL : JSON_NULL;
}

const char *
json_type_name(enum json_type type)
{
    static const char *const names[] = {
        "null", "boolean", "number", "string", "array", "object"};
    return (unsigned)type < ARRAY_LEN(names) ? names[type] : "unknown";
}

static const struct json *
member(const struct json *node, const char *key, size_t len)
{
    if (node == NULL || !cJSON_IsObject(item_of(node)))
        return NULL;
    const cJSON *child;
    cJSON_ArrayForEach(child, item_of(node))
    {
        if (strncmp(child->string, key, len) == 0 && child->string[len] == '\0')
            return node_of(child);
    }
    return NULL;
}

const struct json *
json_get(const struct json *node, const char *key)
{
    return member(node, key, strlen(key));
}

const struct json *
json_path(const struct json *node, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        node = member(node, path, len);
        if (node == NULL || path[len] == '\0')
            return node;
        path += len + 1;
    }
}

const struct json *
json_first(const struct json *node)
{
    return node == NULL ? NULL : node_of(item_of(node)->child);
}

const struct json *
json_next(const struct json *node)
{
    return node_of(item_of(node)->next);
}

const char *
json_key(const struct json *child)
{
    return item_of(child)->string;
}

size_t
json_len(const struct json *node)
{
    size_t count = 0;
    json_each (child, node) {
        count++;
    }
    return count;
}

const char *
json_str(const struct json *node, const char *fallback)
{
    if (node == NULL || !cJSON_IsString(item_of(node)))
        return fallback;
    return item_of(node)->valuestring;
}

int64_t
json_int(const struct json *node, int64_t fallback)
{
    int64_t value;
    return json_is_int(node, &value) ? value : fallback;
}

bool
json_bool(const struct json *node, bool fallback)
{
    if (node == NULL || !cJSON_IsBool(item_of(node)))
        return fallback;
    return cJSON_IsTrue(item_of(node)) != 0;
}

double
json_num(const struct json *node, double fallback)
{
    if (node == NULL || !cJSON_IsNumber(item_of(node)))
        return fallback;
    return item_of(node)->valuedouble;
}

bool
json_is_int(const struct json *node, int64_t *out)
{
    double value = json_num(node, (double)NAN);
    /* The range first: the conversion is undefined outside of it. */
    if (!(value >= -int_limit && value <= int_limit))
        return false;
    int64_t whole = (int64_t)value;
    if ((double)whole < value || (double)whole > value)
        return false;
    *out = whole;
    return true;
}
