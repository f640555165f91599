/* SPDX-License-Identifier: Apache-2.0
 * The embedded tracker's rows: issues and their comments. What may be written
 * is checked here, whoever asks. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/store/internal.h"

#include <stdio.h>
#include <string.h>

enum {
    TITLE_MAX = 512,
    TEXT_MAX = 128 * 1024,
    STATE_MAX = 128,
    LABEL_MAX = 128,
    AUTHOR_MAX = 128,
    PREFIX_MAX = 10,
    PRIORITY_MAX = 4,
    COMMENTS_MAX = 1000
};

/* ---- what may be written ---- */

static bool
is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static int
check_text(const char *what, const char *text, size_t max, struct err *err)
{
    if (text == NULL || is_blank(text))
        return err_set(err, ERR_INVALID, "%s is empty", what);
    if (strlen(text) > max)
        return err_set(
            err, ERR_INVALID, "%s is longer than %zu bytes", what, max);
    return 0;
}

static int
check_prefix(const char *prefix, struct err *err)
{
    size_t len = strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    if (len == 0 || len > PREFIX_MAX || prefix[len] != '\0')
        return err_set(err, ERR_INVALID,
            "identifier prefix \"%.32s\" is not 1 to %d of A-Z and 0-9", prefix,
            PREFIX_MAX);
    return 0;
}

static int
check_new_issue(const struct new_issue *issue, struct err *err)
{
    if (check_text("title", issue->title, TITLE_MAX, err) < 0 ||
        check_text("state", issue->state, STATE_MAX, err) < 0)
        return -1;
    if (issue->description != NULL && strlen(issue->description) > TEXT_MAX)
        return err_set(
            err, ERR_INVALID, "description is longer than %d bytes", TEXT_MAX);
    if (issue->priority < 0 || issue->priority > PRIORITY_MAX)
        return err_set(err, ERR_INVALID,
            "priority must be 0 (none) or 1 (urgent) to %d", PRIORITY_MAX);
    if (issue->label_count > ISSUE_LABELS_MAX)
        return err_set(
            err, ERR_INVALID, "more than %d labels", ISSUE_LABELS_MAX);
    for (size_t i = 0; i < issue->label_count; i++) {
        if (check_text("label", issue->labels[i], LABEL_MAX, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- rows ---- */

#define ISSUE_COLUMNS                                                          \
    "SELECT id, identifier, title, description, state, priority, labels, "     \
    "created_at, updated_at FROM issues "

static int
read_labels(const char *text, struct issue *out, struct err *err)
{
    AUTO(json_free_ptr)
    struct json *labels = json_parse(text, strlen(text), TEXT_MAX, err);

    if (labels == NULL)
        return err_wrap(err, "labels of %s", out->identifier);
    json_each (label, labels) {
        if (issue_add_label(out, json_str(label, ""), err) < 0)
            return -1;
    }
    return 0;
}

static int
read_issue(
    struct db_stmt *stmt, int64_t asked_at, struct issue *out, struct err *err)
{
    out->fetched_at_ms = asked_at;
    out->id = db_col_dup(stmt, 0);
    out->identifier = db_col_dup(stmt, 1);
    out->title = db_col_dup(stmt, 2);
    out->description = db_col_dup(stmt, 3);
    out->state = db_col_dup(stmt, 4);
    out->priority = db_col_int(stmt, 5);
    out->created_at_ms = db_col_int(stmt, 7);
    out->updated_at_ms = db_col_int(stmt, 8);
    out->dispatchable = true;
    if (out->id == NULL || out->identifier == NULL || out->title == NULL ||
        out->state == NULL)
        return err_no_memory(err);
    return read_labels(db_col_text(stmt, 6), out, err);
}

static int
load_issue(
    struct db_conn *conn, const char *key, struct issue *out, struct err *err)
{
    struct db_stmt *stmt = NULL;
    int64_t asked_at = clock_wall_ms();

    memset(out, 0, sizeof(*out));
    if (db_query(conn, err, &stmt,
            ISSUE_COLUMNS "WHERE id = ?1 OR identifier = ?1", "t", key) < 0)
        return -1;
    int row = db_step(stmt, err);
    if (row == 0)
        return err_set(err, ERR_NOT_FOUND, "issue %.64s is not known", key);
    if (row < 0)
        return -1;
    int result = read_issue(stmt, asked_at, out, err);
    db_done(stmt);
    if (result < 0)
        issue_release(out);
    return result;
}

static int
person_event(struct db_conn *conn, const struct issue *issue, const char *type,
    const char *key, const char *value, struct err *err)
{
    AUTO(buf_free) struct buf data = {0};
    struct jw w;

    buf_init(&data, STORE_EVENT_MAX);
    jw_init(&w, &data);
    jw_obj(&w, NULL);
    jw_str(&w, key, value);
    jw_str(&w, "by", "person");
    jw_end_obj(&w);
    if (buf_check(&data, err) < 0)
        return -1;
    const struct event_row event = {
        .issue_identifier = issue->identifier,
        .type = type,
        .data = buf_str(&data),
    };
    return event_insert(conn, &event, err);
}

/* A person's hand: updated_at always grows, even within one millisecond. */
static int
touch(struct db_conn *conn, const char *issue_id, struct err *err)
{
    return db_exec(conn, err,
        "UPDATE issues SET updated_at = max(updated_at + 1, ?) WHERE id = ?",
        "it", clock_wall_ms(), issue_id);
}

/* ---- creating ---- */

struct create {
    const char *prefix;
    const struct new_issue *issue;
    const char *labels;
    struct issue *out;
};

static int
next_identifier(struct db_conn *conn, const char *prefix, char *out,
    size_t size, struct err *err)
{
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "INSERT INTO prefixes(prefix, last) VALUES(?, 1)"
            " ON CONFLICT(prefix) DO UPDATE SET last = last + 1"
            " RETURNING last",
            "t", prefix) < 0 ||
        store_step_one(stmt, "the prefix", err) < 0)
        return -1;
    (void)snprintf(
        out, size, "%s-%lld", prefix, (long long)db_col_int(stmt, 0));
    return db_step(stmt, err) < 0 ? -1 : 0;
}

static int
create_write(struct db_conn *conn, void *arg, struct err *err)
{
    struct create *create = arg;
    const struct new_issue *issue = create->issue;
    AUTO_FREE char *state_key = issue_state_key(issue->state);
    char id[ID_SIZE];
    char identifier[PREFIX_MAX + 32];
    int64_t now = clock_wall_ms();

    if (state_key == NULL)
        return err_no_memory(err);
    id_new(id);
    if (next_identifier(
            conn, create->prefix, identifier, sizeof(identifier), err) < 0)
        return -1;
    if (db_exec(conn, err,
            "INSERT INTO issues(id, identifier, title, description, state,"
            " state_key, priority, labels, created_at, updated_at)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            "ttttttitii", id, identifier, issue->title, issue->description,
            issue->state, state_key, issue->priority, create->labels, now,
            now) < 0)
        return -1;
    if (load_issue(conn, id, create->out, err) < 0)
        return -1;
    return person_event(
        conn, create->out, "issue.created", "title", issue->title, err);
}

static void
write_labels(const struct new_issue *issue, struct buf *out)
{
    struct jw w;

    jw_init(&w, out);
    jw_arr(&w, NULL);
    for (size_t i = 0; i < issue->label_count; i++)
        jw_str(&w, NULL, issue->labels[i]);
    jw_end_arr(&w);
}

int
store_issue_create(struct store *store, const char *prefix,
    const struct new_issue *issue, struct issue *out, struct err *err)
{
    AUTO(buf_free) struct buf labels = {0};

    memset(out, 0, sizeof(*out));
    buf_init(&labels, TEXT_MAX);
    if (check_prefix(prefix, err) < 0 || check_new_issue(issue, err) < 0)
        return -1;
    write_labels(issue, &labels);
    if (buf_check(&labels, err) < 0)
        return -1;
    struct create create = {
        .prefix = prefix,
        .issue = issue,
        .labels = buf_str(&labels),
        .out = out,
    };
    if (store_write(store, create_write, &create, err) < 0) {
        issue_release(out);
        return -1;
    }
    return 0;
}

/* ---- reading ---- */

struct issue_query {
    const char *key;
    const char *states; /* JSON array of state keys, or NULL */
    int64_t asked_at;   /* before the read began: what it sees is no older */
    int64_t limit;
    struct issue *one;
    struct issue_list *list;
};

static int
query_issue(struct db_conn *conn, void *arg, struct err *err)
{
    struct issue_query *query = arg;

    return load_issue(conn, query->key, query->one, err);
}

int
store_issue(
    struct store *store, const char *issue, struct issue *out, struct err *err)
{
    struct issue_query query = {
        .key = issue, .asked_at = clock_wall_ms(), .one = out};

    memset(out, 0, sizeof(*out));
    if (db_read(store->db, query_issue, &query, err) < 0)
        return -1;
    out->fetched_at_ms = query.asked_at;
    return 0;
}

static int
push_row(struct db_stmt *stmt, const struct issue_query *query, struct err *err)
{
    AUTO(issue_release) struct issue issue = {0};

    if (read_issue(stmt, query->asked_at, &issue, err) < 0)
        return -1;
    return issue_list_push(query->list, &issue, err);
}

static int
query_issues(struct db_conn *conn, void *arg, struct err *err)
{
    struct issue_query *query = arg;
    struct db_stmt *stmt = NULL;
    int row = 0;

    if (db_query(conn, err, &stmt,
            ISSUE_COLUMNS "WHERE ?1 IS NULL OR state_key IN"
                          " (SELECT value FROM json_each(?1))"
                          " ORDER BY sequence DESC LIMIT ?2",
            "ti", query->states, query->limit) < 0)
        return -1;
    while ((row = db_step(stmt, err)) == 1) {
        if (push_row(stmt, query, err) < 0) {
            db_done(stmt);
            return -1;
        }
    }
    return row;
}

static int
write_state_keys(
    char *const *states, size_t count, struct buf *out, struct err *err)
{
    struct jw w;

    jw_init(&w, out);
    jw_arr(&w, NULL);
    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *key = issue_state_key(states[i]);
        if (key == NULL)
            return err_no_memory(err);
        jw_str(&w, NULL, key);
    }
    jw_end_arr(&w);
    return buf_check(out, err);
}

int
store_issues(struct store *store, char *const *states, size_t count,
    int64_t limit, struct issue_list *out, struct err *err)
{
    AUTO(buf_free) struct buf keys = {0};

    *out = (struct issue_list){0};
    buf_init(&keys, TEXT_MAX);
    if (states != NULL && write_state_keys(states, count, &keys, err) < 0)
        return -1;
    struct issue_query query = {
        .states = states == NULL ? NULL : buf_str(&keys),
        .asked_at = clock_wall_ms(),
        .limit = limit,
        .list = out,
    };
    if (db_read(store->db, query_issues, &query, err) < 0) {
        issue_list_release(out);
        return -1;
    }
    return 0;
}

/* ---- moving ---- */

struct move {
    const char *issue_id;
    const char *state;
    bool by_person;
};

static int
move_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct move *move = arg;
    AUTO(issue_release) struct issue issue = {0};
    AUTO_FREE char *state_key = issue_state_key(move->state);

    if (state_key == NULL)
        return err_no_memory(err);
    if (load_issue(conn, move->issue_id, &issue, err) < 0)
        return -1;
    if (db_exec(conn, err,
            "UPDATE issues SET state = ?, state_key = ? WHERE id = ?", "ttt",
            move->state, state_key, issue.id) < 0)
        return -1;
    if (!move->by_person)
        return 0;
    if (touch(conn, issue.id, err) < 0)
        return -1;
    return person_event(
        conn, &issue, "issue.transitioned", "state", move->state, err);
}

int
store_issue_transition(struct store *store, const char *issue_id,
    const char *state, bool by_person, struct err *err)
{
    struct move move = {issue_id, state, by_person};

    if (check_text("state", state, STATE_MAX, err) < 0)
        return -1;
    return store_write(store, move_write, &move, err);
}

/* ---- comments ---- */

struct new_comment {
    const char *issue_id;
    const char *key;
    const char *author;
    const char *body;
};

static int
comment_write(struct db_conn *conn, void *arg, struct err *err)
{
    const struct new_comment *comment = arg;
    AUTO(issue_release) struct issue issue = {0};

    if (load_issue(conn, comment->issue_id, &issue, err) < 0)
        return -1;
    if (db_exec(conn, err,
            "INSERT INTO comments(issue_id, key, author, body, at_ms)"
            " VALUES(?, ?, ?, ?, ?)"
            " ON CONFLICT(issue_id, key) WHERE key IS NOT NULL DO NOTHING",
            "tttti", issue.id, comment->key, comment->author, comment->body,
            clock_wall_ms()) < 0)
        return -1;
    if (comment->key != NULL)
        return 0;
    if (touch(conn, issue.id, err) < 0)
        return -1;
    return person_event(
        conn, &issue, "comment.posted", "body", comment->body, err);
}

int
store_issue_comment(struct store *store, const char *issue_id, const char *key,
    const char *author, const char *body, struct err *err)
{
    struct new_comment comment = {issue_id, key, author, body};

    if (check_text("author", author, AUTHOR_MAX, err) < 0 ||
        check_text("comment", body, TEXT_MAX, err) < 0)
        return -1;
    return store_write(store, comment_write, &comment, err);
}

void
comment_list_release(struct comment_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->items[i].author);
        free(list->items[i].body);
    }
    free(list->items);
    *list = (struct comment_list){0};
}

struct comment_query {
    const char *issue;
    struct comment_list *out;
};

static int
query_comments(struct db_conn *conn, void *arg, struct err *err)
{
    struct comment_query *query = arg;
    AUTO(issue_release) struct issue issue = {0};
    struct db_stmt *stmt = NULL;
    int row = 0;

    if (load_issue(conn, query->issue, &issue, err) < 0 ||
        db_query(conn, err, &stmt,
            "SELECT id, author, body, at_ms FROM comments WHERE issue_id = ?"
            " ORDER BY id LIMIT ?",
            "ti", issue.id, (int64_t)COMMENTS_MAX) < 0)
        return -1;
    while ((row = db_step(stmt, err)) == 1) {
        void *items = query->out->items;
        struct comment *comment =
            store_grow(&items, query->out->len, sizeof(*comment), err);
        if (comment == NULL) {
            db_done(stmt);
            return -1;
        }
        query->out->items = items;
        query->out->len++;
        comment->id = db_col_int(stmt, 0);
        comment->author = db_col_dup(stmt, 1);
        comment->body = db_col_dup(stmt, 2);
        comment->at_ms = db_col_int(stmt, 3);
    }
    return row;
}

int
store_issue_comments(struct store *store, const char *issue_id,
    struct comment_list *out, struct err *err)
{
    struct comment_query query = {issue_id, out};

    *out = (struct comment_list){0};
    if (db_read(store->db, query_comments, &query, err) < 0) {
        comment_list_release(out);
        return -1;
    }
    return 0;
}
