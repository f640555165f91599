/* SPDX-License-Identifier: Apache-2.0
 * Typing of values: the schema decides what a scalar is, never its look. */
#include "control/config/value.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What a conversion needs to know, and to say when it fails. */
struct target {
    void *member;
    const struct keys_row *row;
    const char *origin;
    struct err *err;
};

static struct target
target_of(struct config *config, const struct keys_row *row, const char *origin,
    struct err *err)
{
    return (struct target){
        .member = (char *)config + row->offset,
        .row = row,
        .origin = origin,
        .err = err,
    };
}

static int
refuse(const struct target *t, const char *why)
{
    return err_set(
        t->err, ERR_CONFIG, "%s: %s: %s", t->origin, t->row->path, why);
}

static void
strings_free(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct config_strings){0};
}

void
value_clear(struct config *config, const struct keys_row *row)
{
    void *member = (char *)config + row->offset;
    if (row->type == KEYS_STR || row->type == KEYS_RAW) {
        free(*(char **)member);
        *(char **)member = NULL;
    } else if (row->type == KEYS_SECRET) {
        secret_free(*(struct secret **)member);
        *(struct secret **)member = NULL;
    } else if (row->type == KEYS_STRS) {
        strings_free(member);
    }
}

/* ---- scalars ---- */

static bool
has_control_characters(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return true;
    }
    return false;
}

/* Only a hook, being a script, has lines. */
static bool
is_script(const struct keys_row *row)
{
    return strncmp(row->path, "hooks.", strlen("hooks.")) == 0;
}

static int
set_str(const struct target *t, const char *text)
{
    size_t len = strlen(text);
    if ((int64_t)len < t->row->min)
        return refuse(t, len == 0 ? "must not be empty" : "is too short");
    if ((int64_t)len > t->row->max)
        return err_set(t->err, ERR_CONFIG,
            "%s: %s: is %zu bytes long; at most %" PRId64, t->origin,
            t->row->path, len, t->row->max);
    if (!is_script(t->row) && has_control_characters(text))
        return refuse(t, "contains a control character");
    char *copy = NULL;
    /* An empty hook is no hook. */
    if (len > 0 || t->row->fallback != NULL) {
        copy = strdup(text);
        if (copy == NULL)
            return err_no_memory(t->err);
    }
    free(*(char **)t->member);
    *(char **)t->member = copy;
    return 0;
}

static int
set_raw(const struct target *t, const char *json)
{
    if ((int64_t)strlen(json) > t->row->max)
        return refuse(t, "is too large");
    char *copy = strdup(json);
    if (copy == NULL)
        return err_no_memory(t->err);
    free(*(char **)t->member);
    *(char **)t->member = copy;
    return 0;
}

static int
set_int(const struct target *t, const char *text)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool digits = isdigit((unsigned char)text[text[0] == '-']) != 0;
    if (!digits || *end != '\0' || errno != 0)
        return err_set(t->err, ERR_CONFIG,
            "%s: %s: expected a whole number, not \"%.64s\"", t->origin,
            t->row->path, text);
    if (value < t->row->min || value > t->row->max)
        return err_set(t->err, ERR_CONFIG,
            "%s: %s: %lld is not within %" PRId64 "..%" PRId64, t->origin,
            t->row->path, value, t->row->min, t->row->max);
    *(int64_t *)t->member = value;
    return 0;
}

static int
set_bool(const struct target *t, const char *text)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return err_set(t->err, ERR_CONFIG,
            "%s: %s: expected true or false, not \"%.64s\"", t->origin,
            t->row->path, text);
    *(bool *)t->member = yes;
    return 0;
}

int
value_set_secret(struct config *config, const struct keys_row *row,
    struct secret *secret, const char *origin, struct err *err)
{
    struct target t = target_of(config, row, origin, err);
    int64_t len = (int64_t)secret_len(secret);
    if (len < row->min || len > row->max) {
        secret_free(secret);
        return err_set(err, ERR_CONFIG,
            "%s: %s: must have %" PRId64 "..%" PRId64 " bytes, not %" PRId64,
            origin, row->path, row->min, row->max, len);
    }
    secret_free(*(struct secret **)t.member);
    *(struct secret **)t.member = secret;
    return 0;
}

/* ---- lists ---- */

static int
add_string(const struct target *t, struct config_strings *list,
    const char *text, size_t len)
{
    if ((int64_t)list->count >= t->row->max)
        return err_set(t->err, ERR_CONFIG,
            "%s: %s: more than %" PRId64 " entries", t->origin, t->row->path,
            t->row->max);
    if (len == 0 || len > KEYS_STRS_ITEM_MAX)
        return refuse(
            t, len == 0 ? "an entry is empty" : "an entry is too long");
    char *copy = strndup(text, len);
    char **items = reallocarray(list->items, list->count + 1, sizeof(*items));
    if (items != NULL)
        list->items = items;
    if (copy == NULL || items == NULL) {
        free(copy);
        return err_no_memory(t->err);
    }
    list->items[list->count++] = copy;
    if (has_control_characters(copy))
        return refuse(t, "an entry contains a control character");
    return 0;
}

/* Takes the list over, also on error. */
static int
put_strings(const struct target *t, struct config_strings *list)
{
    if ((int64_t)list->count < t->row->min) {
        strings_free(list);
        return err_set(t->err, ERR_CONFIG,
            "%s: %s: needs at least %" PRId64 " entry", t->origin, t->row->path,
            t->row->min);
    }
    strings_free(t->member);
    *(struct config_strings *)t->member = *list;
    *list = (struct config_strings){0};
    return 0;
}

static int
set_comma_list(const struct target *t, const char *text)
{
    AUTO(strings_free) struct config_strings list = {0};
    const char *p = text + strspn(text, " \t");
    while (*p != '\0') {
        size_t len = strcspn(p, ",");
        const char *next = p + len;
        while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
            len--;
        if (add_string(t, &list, p, len) != 0)
            return -1;
        if (*next == ',')
            next++;
        p = next + strspn(next, " \t");
    }
    return put_strings(t, &list);
}

static int
set_list(const struct target *t, const struct ytree *node)
{
    AUTO(strings_free) struct config_strings list = {0};
    for (const struct ytree *c = node->child; c != NULL; c = c->next) {
        if (c->kind != YTREE_SCALAR)
            return refuse(t, "expected a list of strings");
        if (add_string(t, &list, c->text, strlen(c->text)) != 0)
            return -1;
    }
    return put_strings(t, &list);
}

/* ---- from text ---- */

int
value_set_text(struct config *config, const struct keys_row *row,
    const char *text, const char *origin, struct err *err)
{
    struct target t = target_of(config, row, origin, err);
    switch (row->type) {
    case KEYS_STR:
        return set_str(&t, text);
    case KEYS_RAW:
        return set_raw(&t, text);
    case KEYS_INT:
        return set_int(&t, text);
    case KEYS_BOOL:
        return set_bool(&t, text);
    case KEYS_STRS:
        return set_comma_list(&t, text);
    case KEYS_SECRET:
        break;
    }
    return refuse(&t, "a secret does not come as text");
}

/* ---- from YAML ---- */

static int
missing_variable(const struct target *t, const char *name)
{
    return err_set(t->err, ERR_CONFIG,
        "%s: %s: the environment variable %s is not set or empty", t->origin,
        t->row->path, name);
}

static int
set_secret_yaml(struct config *config, const struct target *t,
    const struct ytree *node, struct env *env)
{
    const char *name =
        node->kind == YTREE_SCALAR ? env_reference(node->text) : NULL;
    if (name == NULL)
        return refuse(t,
            "a secret does not belong in this file; write the name of an "
            "environment variable, as in \"$NAME\"");
    struct secret *secret = NULL;
    if (env_secret(env, name, &secret, t->err) != 0)
        return err_wrap(t->err, "%s: %s", t->origin, t->row->path);
    if (secret == NULL)
        return missing_variable(t, name);
    return value_set_secret(config, t->row, secret, t->origin, t->err);
}

static int
set_str_yaml(const struct target *t, const struct ytree *node)
{
    if (node->kind != YTREE_SCALAR)
        return refuse(t, "expected a string");
    const char *name = env_reference(node->text);
    if (name == NULL)
        return set_str(t, node->text);
    const char *text = env_text(name);
    return text != NULL ? set_str(t, text) : missing_variable(t, name);
}

static int
set_raw_yaml(const struct target *t, const struct ytree *node)
{
    AUTO(buf_free) struct buf json = {0};
    buf_init(&json, (size_t)t->row->max);
    ytree_to_json(node, &json);
    if (buf_check(&json, t->err) != 0)
        return t->err->code == ERR_NO_MEMORY ? -1 : refuse(t, "is too large");
    return set_raw(t, buf_str(&json));
}

int
value_set_yaml(struct config *config, const struct keys_row *row,
    const struct ytree *node, struct env *env, const char *origin,
    struct err *err)
{
    struct target t = target_of(config, row, origin, err);
    bool plain = node->kind == YTREE_SCALAR && node->plain;
    switch (row->type) {
    case KEYS_STR:
        return set_str_yaml(&t, node);
    case KEYS_RAW:
        return set_raw_yaml(&t, node);
    case KEYS_INT:
        return plain ? set_int(&t, node->text)
                     : refuse(&t, "expected a whole number, without quotes");
    case KEYS_BOOL:
        return plain ? set_bool(&t, node->text)
                     : refuse(&t, "expected true or false, without quotes");
    case KEYS_STRS:
        if (node->kind == YTREE_MAP)
            return refuse(&t, "expected a list of strings");
        return node->kind == YTREE_LIST ? set_list(&t, node)
                                        : set_comma_list(&t, node->text);
    case KEYS_SECRET:
        return set_secret_yaml(config, &t, node, env);
    }
    return refuse(&t, "has a type of its own");
}

/* ---- and back ---- */

void
value_write(const struct config *config, const struct keys_row *row,
    struct jw *w, const char *key)
{
    const void *member = (const char *)config + row->offset;
    switch (row->type) {
    case KEYS_STR:
        jw_str(w, key, *(char *const *)member);
        return;
    case KEYS_RAW:
        jw_raw(w, key, *(char *const *)member);
        return;
    case KEYS_INT:
        jw_int(w, key, *(const int64_t *)member);
        return;
    case KEYS_BOOL:
        jw_bool(w, key, *(const bool *)member);
        return;
    case KEYS_SECRET:
        jw_str(w, key,
            *(struct secret *const *)member != NULL ? "[REDACTED]" : NULL);
        return;
    case KEYS_STRS:
        break;
    }
    const struct config_strings *list = member;
    jw_arr(w, key);
    for (size_t i = 0; i < list->count; i++)
        jw_str(w, NULL, list->items[i]);
    jw_end_arr(w);
}
