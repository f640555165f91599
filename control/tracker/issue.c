/* SPDX-License-Identifier: Apache-2.0
 * The normalised issue: ownership, JSON both ways, the comparisons that the
 * scheduler makes, and the workspace key. */
#include "control/tracker/issue.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "control/tracker/digest.h"

#include <stdint.h>
#include <string.h>

enum {
    HASH_BYTES = 16,
    KEY_MAX = 100,
    BLOCKERS_MAX = 250,
    NATIVE_REF_MAX = 64 * 1024
};

/* ---- ownership ---- */

static void
release_blockers(struct issue *issue)
{
    for (size_t i = 0; i < issue->blocked_by_count; i++) {
        free(issue->blocked_by[i].id);
        free(issue->blocked_by[i].identifier);
        free(issue->blocked_by[i].state);
    }
    free(issue->blocked_by);
}

void
issue_release(struct issue *issue)
{
    free(issue->id);
    free(issue->identifier);
    free(issue->title);
    free(issue->description);
    free(issue->state);
    free(issue->branch_name);
    free(issue->url);
    free(issue->assignee_id);
    free(issue->native_ref);
    for (size_t i = 0; i < issue->label_count; i++)
        free(issue->labels[i]);
    free(issue->labels);
    release_blockers(issue);
    memset(issue, 0, sizeof(*issue));
}

/* A copy of text into *out; NULL stays NULL. */
static int
copy_text(char **out, const char *text, struct err *err)
{
    if (text == NULL)
        return 0;
    *out = strdup(text);
    return *out == NULL ? err_no_memory(err) : 0;
}

int
issue_add_blocker(struct issue *issue, const char *id, const char *identifier,
    const char *state, struct err *err)
{
    if (issue->blocked_by_count >= BLOCKERS_MAX)
        return err_set(err, ERR_TOO_LARGE, "issue has more than %d blockers",
            BLOCKERS_MAX);
    struct blocker *grown = reallocarray(
        issue->blocked_by, issue->blocked_by_count + 1, sizeof(*grown));
    if (grown == NULL)
        return err_no_memory(err);
    issue->blocked_by = grown;
    struct blocker *blocker = &grown[issue->blocked_by_count++];
    *blocker = (struct blocker){0};
    if (copy_text(&blocker->id, id, err) < 0 ||
        copy_text(&blocker->identifier, identifier, err) < 0)
        return -1;
    return copy_text(&blocker->state, state, err);
}

static int
copy_lists(struct issue *out, const struct issue *from, struct err *err)
{
    for (size_t i = 0; i < from->label_count; i++) {
        if (issue_add_label(out, from->labels[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < from->blocked_by_count; i++) {
        const struct blocker *blocker = &from->blocked_by[i];
        if (issue_add_blocker(
                out, blocker->id, blocker->identifier, blocker->state, err) < 0)
            return -1;
    }
    return 0;
}

static int
copy_texts(struct issue *out, const struct issue *from, struct err *err)
{
    if (copy_text(&out->id, from->id, err) < 0 ||
        copy_text(&out->identifier, from->identifier, err) < 0 ||
        copy_text(&out->title, from->title, err) < 0 ||
        copy_text(&out->description, from->description, err) < 0 ||
        copy_text(&out->state, from->state, err) < 0 ||
        copy_text(&out->branch_name, from->branch_name, err) < 0 ||
        copy_text(&out->url, from->url, err) < 0 ||
        copy_text(&out->assignee_id, from->assignee_id, err) < 0)
        return -1;
    return copy_text(&out->native_ref, from->native_ref, err);
}

int
issue_copy(struct issue *out, const struct issue *from, struct err *err)
{
    *out = (struct issue){
        .priority = from->priority,
        .dispatchable = from->dispatchable,
        .created_at_ms = from->created_at_ms,
        .updated_at_ms = from->updated_at_ms,
        .fetched_at_ms = from->fetched_at_ms,
        .own_writes_show = from->own_writes_show,
    };
    if (copy_texts(out, from, err) < 0 || copy_lists(out, from, err) < 0) {
        issue_release(out);
        return -1;
    }
    return 0;
}

int
issue_list_push(struct issue_list *list, struct issue *issue, struct err *err)
{
    if (list->len == list->cap) {
        size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        struct issue *grown = reallocarray(list->items, cap, sizeof(*grown));
        if (grown == NULL)
            return err_no_memory(err);
        list->items = grown;
        list->cap = cap;
    }
    list->items[list->len++] = *issue;
    memset(issue, 0, sizeof(*issue));
    return 0;
}

void
issue_list_release(struct issue_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        issue_release(&list->items[i]);
    free(list->items);
    *list = (struct issue_list){0};
}

/* ---- states and labels ---- */

static char
lower(char byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (char)(byte - 'A' + 'a');
    return byte;
}

static bool
is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Trimmed and in lower case (of ASCII; other letters are kept). */
static char *
fold(const char *text)
{
    while (is_space(*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && is_space(text[len - 1]))
        len--;
    char *out = strndup(text, len);
    for (size_t i = 0; out != NULL && i < len; i++)
        out[i] = lower(out[i]);
    return out;
}

char *
issue_state_key(const char *state)
{
    return fold(state);
}

bool
issue_state_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    while (is_space(*a))
        a++;
    while (is_space(*b))
        b++;
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return a[strspn(a, " \t\n\v\f\r")] == '\0' &&
           b[strspn(b, " \t\n\v\f\r")] == '\0';
}

bool
issue_state_in(const char *state, char *const *states, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (issue_state_equal(state, states[i]))
            return true;
    }
    return false;
}

static bool
has_label(const struct issue *issue, const char *label)
{
    for (size_t i = 0; i < issue->label_count; i++) {
        if (strcmp(issue->labels[i], label) == 0)
            return true;
    }
    return false;
}

int
issue_add_label(struct issue *issue, const char *label, struct err *err)
{
    if (issue->label_count >= ISSUE_LABELS_MAX)
        return err_set(err, ERR_TOO_LARGE, "issue has more than %d labels",
            ISSUE_LABELS_MAX);
    char **grown = reallocarray(
        issue->labels, issue->label_count + 1, sizeof(*issue->labels));
    if (grown == NULL)
        return err_no_memory(err);
    issue->labels = grown;
    char *folded = fold(label);
    if (folded == NULL)
        return err_no_memory(err);
    if (folded[0] == '\0' || has_label(issue, folded))
        free(folded);
    else
        issue->labels[issue->label_count++] = folded;
    return 0;
}

/* ---- JSON ---- */

static void
write_time(struct jw *w, const char *key, int64_t at_ms)
{
    char text[CLOCK_ISO_SIZE];

    jw_str(w, key, at_ms < 0 ? NULL : clock_iso(at_ms, text));
}

static void
write_lists(const struct issue *issue, struct jw *w)
{
    jw_arr(w, "labels");
    for (size_t i = 0; i < issue->label_count; i++)
        jw_str(w, NULL, issue->labels[i]);
    jw_end_arr(w);
    jw_arr(w, "blocked_by");
    for (size_t i = 0; i < issue->blocked_by_count; i++) {
        jw_obj(w, NULL);
        jw_str(w, "id", issue->blocked_by[i].id);
        jw_str(w, "identifier", issue->blocked_by[i].identifier);
        jw_str(w, "state", issue->blocked_by[i].state);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

void
issue_write(const struct issue *issue, struct jw *w, const char *key)
{
    jw_obj(w, key);
    jw_str(w, "id", issue->id);
    jw_raw(w, "native_ref", issue->native_ref);
    jw_str(w, "identifier", issue->identifier);
    jw_str(w, "title", issue->title);
    jw_str(w, "description", issue->description);
    if (issue->priority == ISSUE_PRIORITY_NONE)
        jw_null(w, "priority");
    else
        jw_int(w, "priority", issue->priority);
    jw_str(w, "state", issue->state);
    jw_str(w, "branch_name", issue->branch_name);
    jw_str(w, "url", issue->url);
    jw_str(w, "assignee_id", issue->assignee_id);
    write_lists(issue, w);
    jw_bool(w, "dispatchable", issue->dispatchable);
    write_time(w, "created_at", issue->created_at_ms);
    write_time(w, "updated_at", issue->updated_at_ms);
    jw_end_obj(w);
}

static int
read_required(
    const struct json *node, const char *key, char **out, struct err *err)
{
    const char *text = json_str(json_get(node, key), NULL);

    if (text == NULL || text[0] == '\0')
        return err_set(err, ERR_INVALID, "issue.%s is missing or empty", key);
    return copy_text(out, text, err);
}

static int
read_optional(
    const struct json *node, const char *key, char **out, struct err *err)
{
    return copy_text(out, json_str(json_get(node, key), NULL), err);
}

static int
read_lists(const struct json *node, struct issue *out, struct err *err)
{
    json_each (label, json_get(node, "labels")) {
        if (issue_add_label(out, json_str(label, ""), err) < 0)
            return -1;
    }
    json_each (blocker, json_get(node, "blocked_by")) {
        if (issue_add_blocker(out, json_str(json_get(blocker, "id"), NULL),
                json_str(json_get(blocker, "identifier"), NULL),
                json_str(json_get(blocker, "state"), NULL), err) < 0)
            return -1;
    }
    return 0;
}

static int
read_native_ref(const struct json *node, struct issue *out, struct err *err)
{
    const struct json *ref = json_get(node, "native_ref");
    AUTO(buf_free) struct buf text = {0};
    struct jw w;

    buf_init(&text, NATIVE_REF_MAX);
    if (ref == NULL || json_type(ref) != JSON_OBJECT)
        return 0;
    jw_init(&w, &text);
    jw_node(&w, NULL, ref);
    if (buf_check(&text, err) < 0)
        return -1;
    out->native_ref = buf_steal(&text);
    return 0;
}

static int
read_texts(const struct json *node, struct issue *out, struct err *err)
{
    if (read_required(node, "id", &out->id, err) < 0 ||
        read_required(node, "identifier", &out->identifier, err) < 0 ||
        read_required(node, "title", &out->title, err) < 0 ||
        read_required(node, "state", &out->state, err) < 0 ||
        read_optional(node, "description", &out->description, err) < 0 ||
        read_optional(node, "branch_name", &out->branch_name, err) < 0 ||
        read_optional(node, "url", &out->url, err) < 0)
        return -1;
    return read_optional(node, "assignee_id", &out->assignee_id, err);
}

static int64_t
read_time(const struct json *node, const char *key)
{
    const char *text = json_str(json_get(node, key), NULL);

    return text == NULL ? -1 : clock_parse_iso(text);
}

int
issue_read(const struct json *node, struct issue *out, struct err *err)
{
    *out = (struct issue){
        .priority = json_int(json_get(node, "priority"), ISSUE_PRIORITY_NONE),
        .dispatchable = json_bool(json_get(node, "dispatchable"), false),
        .created_at_ms = read_time(node, "created_at"),
        .updated_at_ms = read_time(node, "updated_at"),
    };
    if (read_texts(node, out, err) < 0 || read_lists(node, out, err) < 0 ||
        read_native_ref(node, out, err) < 0) {
        issue_release(out);
        return -1;
    }
    return 0;
}

/* ---- order ---- */

static int64_t
rank(const struct issue *issue)
{
    return issue->priority >= 1 && issue->priority <= 4 ? issue->priority : 5;
}

static int
compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int
issue_compare(const void *a, const void *b)
{
    const struct issue *left = a;
    const struct issue *right = b;
    int order = compare_numbers(rank(left), rank(right));

    if (order != 0)
        return order;
    /* An unknown age sorts last. */
    order = compare_numbers(
        left->created_at_ms < 0 ? INT64_MAX : left->created_at_ms,
        right->created_at_ms < 0 ? INT64_MAX : right->created_at_ms);
    return order != 0 ? order : strcmp(left->identifier, right->identifier);
}

/* ---- the workspace's name ---- */

static bool
is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' ||
           byte == '-';
}

/* "..", hidden files and options begin so. */
static bool
is_odd_start(char byte)
{
    return byte == '.' || byte == '-';
}

static bool
is_plain(const char *identifier)
{
    size_t len = strlen(identifier);

    if (len == 0 || len > KEY_MAX || is_odd_start(identifier[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_key_byte(identifier[i]))
            return false;
    }
    return true;
}

static int
append_sanitised(struct buf *key, const char *identifier, struct err *err)
{
    unsigned char hash[DIGEST_SIZE];
    size_t len = strlen(identifier);

    if (!digest_sha256(identifier, len, hash))
        return err_no_memory(err);
    for (size_t i = 0; i < KEY_MAX && i < len; i++) {
        char byte = identifier[i];
        if (!is_key_byte(byte) || (i == 0 && is_odd_start(byte)))
            byte = '_';
        buf_putc(key, byte);
    }
    buf_putc(key, '-');
    for (size_t i = 0; i < HASH_BYTES; i++)
        buf_printf(key, "%02x", hash[i]);
    return 0;
}

char *
issue_workspace_key(const char *identifier, struct err *err)
{
    AUTO(buf_free) struct buf key = {0};

    buf_init(&key, KEY_MAX + 2 * HASH_BYTES + 1);
    if (is_plain(identifier))
        buf_puts(&key, identifier);
    else if (append_sanitised(&key, identifier, err) < 0)
        return NULL;
    if (buf_check(&key, err) < 0)
        return NULL;
    return buf_steal(&key);
}
