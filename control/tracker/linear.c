/* SPDX-License-Identifier: Apache-2.0
 * The Linear tracker: which queries make up each operation. Scope: one
 * project, by its slug id. docs/trackers.md is its profile. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "control/tracker/digest.h"
#include "control/tracker/linear_api.h"
#include "control/tracker/tracker.h"

#include <stdio.h>
#include <string.h>

enum {
    PAGE_SIZE = 50,
    PAGES_MAX = 100,
    VARIABLES_MAX = 512 * 1024,
    CURSOR_SIZE = 512,
    UUID_SIZE = 37,
    UUID_BYTES = 16
};

static const char issues_query[] =
    "query Issues($filter: IssueFilter!, $first: Int!, $after: String) {"
    " issues(filter: $filter, first: $first, after: $after) {"
    " nodes {" LINEAR_ISSUE_FIELDS(
        20, 10) "}"
                " pageInfo { hasNextPage endCursor } } }";

static const char issue_query[] =
    "query Issue($id: String!) { issue(id: $id) {" LINEAR_ISSUE_FIELDS(
        250, 250) "} }";

static const char states_query[] =
    "query IssueStates($id: String!) { issue(id: $id) {"
    " state { name } team { states(first: 100) { nodes { id name } } } } }";

static const char update_mutation[] =
    "mutation UpdateIssue($id: String!, $stateId: String!) {"
    " issueUpdate(id: $id, input: { stateId: $stateId }) { success } }";

static const char comment_mutation[] =
    "mutation CreateComment($input: CommentCreateInput!) {"
    " commentCreate(input: $input) { success } }";

struct linear {
    struct linear_api *api;
    struct linear_scope scope;
};

/* ---- variables ---- */

/* Starts `{` and what every query of issues shares: our project. */
static void
begin_filter(const struct linear *linear, struct jw *w)
{
    jw_obj(w, NULL);
    jw_obj(w, "filter");
    jw_obj(w, "project");
    jw_obj(w, "slugId");
    jw_str(w, "eq", linear->scope.project_slug);
    jw_end_obj(w);
    jw_end_obj(w);
}

static void
end_filter(struct jw *w, const char *after)
{
    jw_end_obj(w);
    jw_int(w, "first", PAGE_SIZE);
    jw_str(w, "after", after);
    jw_end_obj(w);
}

struct selection { /* by states, or by ids */
    char *const *states;
    char *const *ids;
    size_t count;
};

static void
write_states(const struct selection *selection, struct jw *w)
{
    jw_obj(w, "state");
    jw_arr(w, "or");
    for (size_t i = 0; i < selection->count; i++) {
        AUTO_FREE char *name = issue_state_key(selection->states[i]);
        if (name == NULL)
            w->out->failed = true; /* the caller checks once, at the end */
        jw_obj(w, NULL);
        jw_obj(w, "name");
        jw_str(w, "eqIgnoreCase", name);
        jw_end_obj(w);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

static bool
is_uuid(const char *id)
{
    static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";

    if (strlen(id) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == '-' ? id[i] != '-'
                           : strchr("0123456789abcdefABCDEF", id[i]) == NULL)
            return false;
    }
    return true;
}

static bool
has_uuid(const struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        if (is_uuid(selection->ids[i]))
            return true;
    }
    return false;
}

static void
write_ids(const struct selection *selection, struct jw *w)
{
    jw_obj(w, "id");
    jw_arr(w, "in");
    for (size_t i = 0; i < selection->count; i++) {
        /* Another tracker's ids are not here, and Linear would refuse the
         * whole query for one of them. */
        if (is_uuid(selection->ids[i]))
            jw_str(w, NULL, selection->ids[i]);
    }
    jw_end_arr(w);
    jw_end_obj(w);
}

static int
make_variables(const struct linear *linear, const struct selection *selection,
    const char *after, struct buf *out, struct err *err)
{
    struct jw w;

    buf_clear(out);
    jw_init(&w, out);
    begin_filter(linear, &w);
    if (selection->states != NULL)
        write_states(selection, &w);
    else
        write_ids(selection, &w);
    end_filter(&w, after);
    return buf_check(out, err);
}

static int
id_variables(const char *id, struct buf *out, struct err *err)
{
    struct jw w;

    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_str(&w, "id", id);
    jw_end_obj(&w);
    return buf_check(out, err);
}

/* ---- reading issues ---- */

/* The issue again, alone, with all of its labels and relations. */
static int
read_whole(
    struct linear *linear, const char *id, struct issue *out, struct err *err)
{
    AUTO(buf_free) struct buf variables = {0};
    AUTO(linear_reply_release) struct linear_reply reply = {0};
    int64_t asked_at = clock_wall_ms();

    buf_init(&variables, VARIABLES_MAX);
    if (id_variables(id, &variables, err) < 0 ||
        linear_api_call(
            linear->api, issue_query, buf_str(&variables), &reply, err) < 0)
        return -1;
    return linear_issue_read(
        json_get(reply.data, "issue"), &linear->scope, asked_at, out, err);
}

static bool
is_listed(const struct issue_list *list, const char *id)
{
    for (size_t i = 0; i < list->len; i++) {
        if (strcmp(list->items[i].id, id) == 0)
            return true;
    }
    return false;
}

static int
take_node(struct linear *linear, const struct json *node, int64_t asked_at,
    struct issue_list *out, struct err *err)
{
    AUTO(issue_release) struct issue issue = {0};

    if (linear_issue_read(node, &linear->scope, asked_at, &issue, err) < 0)
        return -1;
    if (is_listed(out, issue.id))
        return 0; /* it moved between two pages */
    if (linear_issue_is_cut(node)) {
        struct issue whole = {0};
        if (read_whole(linear, issue.id, &whole, err) < 0)
            return -1;
        issue_release(&issue);
        issue = whole;
    }
    return issue_list_push(out, &issue, err);
}

/* lenient: a malformed record is left out, for it was never safe to
 * dispatch; otherwise it fails the call, for its absence would mean
 * something. */
static int
take_nodes(struct linear *linear, const struct json *nodes, int64_t asked_at,
    bool lenient, struct issue_list *out, struct err *err)
{
    if (nodes == NULL || json_type(nodes) != JSON_ARRAY)
        return err_set(
            err, ERR_TRACKER_PAYLOAD, "Linear's answer has no issues.nodes");
    json_each (node, nodes) {
        if (take_node(linear, node, asked_at, out, err) == 0)
            continue;
        if (!lenient || err->code != ERR_TRACKER_PAYLOAD)
            return -1;
        log_failure(NULL, "left out an issue that Linear sent", err);
        err_clear(err);
    }
    return 0;
}

/* The cursor of the next page; "" when this was the last. */
static int
next_page(const struct json *issues, char after[CURSOR_SIZE], struct err *err)
{
    const struct json *more = json_path(issues, "pageInfo.hasNextPage");
    const char *cursor = json_str(json_path(issues, "pageInfo.endCursor"), "");

    if (more == NULL || json_type(more) != JSON_BOOL)
        return err_set(err, ERR_TRACKER_PAGINATION,
            "Linear did not say whether there are more issues");
    if (!json_bool(more, false)) {
        after[0] = '\0';
        return 0;
    }
    if (cursor[0] == '\0' || strlen(cursor) >= CURSOR_SIZE)
        return err_set(err, ERR_TRACKER_PAGINATION,
            "Linear has more issues but gave no usable endCursor");
    if (strcmp(after, cursor) == 0)
        return err_set(err, ERR_TRACKER_PAGINATION,
            "Linear gave the same endCursor twice");
    memcpy(after, cursor, strlen(cursor) + 1);
    return 0;
}

static int
fetch_page(struct linear *linear, const struct selection *selection,
    char after[CURSOR_SIZE], struct issue_list *out, struct err *err)
{
    AUTO(buf_free) struct buf variables = {0};
    AUTO(linear_reply_release) struct linear_reply reply = {0};
    int64_t asked_at = clock_wall_ms();

    buf_init(&variables, VARIABLES_MAX);
    if (make_variables(linear, selection, after[0] == '\0' ? NULL : after,
            &variables, err) < 0 ||
        linear_api_call(
            linear->api, issues_query, buf_str(&variables), &reply, err) < 0)
        return -1;
    const struct json *issues = json_get(reply.data, "issues");
    if (take_nodes(linear, json_get(issues, "nodes"), asked_at,
            selection->states != NULL, out, err) < 0)
        return -1;
    return next_page(issues, after, err);
}

/* All pages into a list of its own: a failure on page three leaves no issue
 * of page one behind. */
static int
fetch(struct linear *linear, const struct selection *selection,
    struct issue_list *out, struct err *err)
{
    AUTO(issue_list_release) struct issue_list found = {0};
    char after[CURSOR_SIZE] = "";

    for (int page = 0; page == 0 || after[0] != '\0'; page++) {
        if (page == PAGES_MAX)
            return err_set(err, ERR_TRACKER_PAGINATION,
                "the project has more than %d issues in these states; choose "
                "a smaller project or fewer states",
                PAGES_MAX * PAGE_SIZE);
        if (fetch_page(linear, selection, after, &found, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < found.len; i++) {
        if (!is_listed(out, found.items[i].id) &&
            issue_list_push(out, &found.items[i], err) < 0)
            return -1;
    }
    return 0;
}

static int
linear_fetch_by_states(void *impl, char *const *states, size_t count,
    struct issue_list *out, struct err *err)
{
    const struct selection selection = {.states = states, .count = count};

    return count == 0 ? 0 : fetch(impl, &selection, out, err);
}

static int
linear_fetch_by_ids(void *impl, char *const *ids, size_t count,
    struct issue_list *out, struct err *err)
{
    for (size_t done = 0; done < count; done += PAGE_SIZE) {
        const struct selection selection = {
            .ids = ids + done,
            .count = count - done < PAGE_SIZE ? count - done : PAGE_SIZE,
        };
        if (has_uuid(&selection) && fetch(impl, &selection, out, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- writing ---- */

static int
expect_success(
    const struct linear_reply *reply, const char *field, struct err *err)
{
    if (json_bool(json_get(json_get(reply->data, field), "success"), false))
        return 0;
    return err_set(
        err, ERR_TRACKER_PAYLOAD, "Linear answered %s without success", field);
}

/* A UUID of version 4's form (Linear takes no other) from our key: the same
 * key always names the same comment. */
static int
comment_id(const char *key, char out[UUID_SIZE], struct err *err)
{
    unsigned char hash[DIGEST_SIZE];
    size_t len = 0;

    if (!digest_sha256(key, strlen(key), hash))
        return err_no_memory(err);
    hash[6] = (unsigned char)((hash[6] & 0x0f) | 0x40);
    hash[8] = (unsigned char)((hash[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[len++] = '-';
        (void)snprintf(out + len, 3, "%02x", hash[i]);
        len += 2;
    }
    return 0;
}

/* The answer of Linear to a comment that is there already. */
static bool
is_duplicate(const struct linear_reply *reply, const char *id)
{
    const char *text = json_str(
        json_path(reply->error, "extensions.userPresentableMessage"), "");

    return strstr(text, id) != NULL && strstr(text, "already exists") != NULL;
}

static int
linear_comment(void *impl, const char *issue_id, const char *key,
    const char *body, struct err *err)
{
    struct linear *linear = impl;
    AUTO(buf_free) struct buf variables = {0};
    AUTO(linear_reply_release) struct linear_reply reply = {0};
    char id[UUID_SIZE];
    struct jw w;

    if (comment_id(key, id, err) < 0)
        return -1;
    buf_init(&variables, VARIABLES_MAX);
    jw_init(&w, &variables);
    jw_obj(&w, NULL);
    jw_obj(&w, "input");
    jw_str(&w, "id", id);
    jw_str(&w, "issueId", issue_id);
    jw_str(&w, "body", body);
    jw_end_obj(&w);
    jw_end_obj(&w);
    if (buf_check(&variables, err) < 0)
        return -1;
    if (linear_api_call(linear->api, comment_mutation, buf_str(&variables),
            &reply, err) < 0) {
        if (!is_duplicate(&reply, id))
            return -1;
        err_clear(err);
        return 0;
    }
    return expect_success(&reply, "commentCreate", err);
}

/* The id of the team's state with this name into *out; NULL when the issue
 * is in that state already. */
static int
find_state(const struct linear_reply *reply, const char *state,
    const char **out, struct err *err)
{
    const struct json *issue = json_get(reply->data, "issue");

    *out = NULL;
    if (issue_state_equal(json_str(json_path(issue, "state.name"), ""), state))
        return 0;
    json_each (node, json_path(issue, "team.states.nodes")) {
        if (issue_state_equal(json_str(json_get(node, "name"), ""), state))
            *out = json_str(json_get(node, "id"), NULL);
    }
    if (*out != NULL)
        return 0;
    return err_set(err, ERR_TRACKER_CONFIG,
        "the issue's team has no state \"%.64s\" in Linear; add it there or "
        "change agent.success_state",
        state);
}

static int
update_state(struct linear *linear, const char *issue_id, const char *state_id,
    struct err *err)
{
    AUTO(buf_free) struct buf variables = {0};
    AUTO(linear_reply_release) struct linear_reply reply = {0};
    struct jw w;

    buf_init(&variables, VARIABLES_MAX);
    jw_init(&w, &variables);
    jw_obj(&w, NULL);
    jw_str(&w, "id", issue_id);
    jw_str(&w, "stateId", state_id);
    jw_end_obj(&w);
    if (buf_check(&variables, err) < 0 ||
        linear_api_call(
            linear->api, update_mutation, buf_str(&variables), &reply, err) < 0)
        return -1;
    return expect_success(&reply, "issueUpdate", err);
}

static int
linear_transition(
    void *impl, const char *issue_id, const char *state, struct err *err)
{
    struct linear *linear = impl;
    AUTO(buf_free) struct buf variables = {0};
    AUTO(linear_reply_release) struct linear_reply reply = {0};
    const char *state_id = NULL;

    buf_init(&variables, VARIABLES_MAX);
    if (id_variables(issue_id, &variables, err) < 0 ||
        linear_api_call(
            linear->api, states_query, buf_str(&variables), &reply, err) < 0 ||
        find_state(&reply, state, &state_id, err) < 0)
        return -1;
    return state_id == NULL ? 0 : update_state(linear, issue_id, state_id, err);
}

/* ---- life ---- */

static void
linear_destroy(void *impl)
{
    struct linear *linear = impl;

    linear_api_close(linear->api);
    free(linear->scope.project_slug);
    for (size_t i = 0; i < linear->scope.terminal_states.count; i++)
        free(linear->scope.terminal_states.items[i]);
    free(linear->scope.terminal_states.items);
    free(linear);
}

static int
copy_scope(
    struct linear_scope *out, const struct config *config, struct err *err)
{
    const struct config_strings *states = &config->tracker_terminal_states;

    out->project_slug = strdup(config->tracker_project_slug);
    if (out->project_slug == NULL)
        return err_no_memory(err);
    if (states->count == 0)
        return 0;
    out->terminal_states.items = calloc(states->count, sizeof(char *));
    if (out->terminal_states.items == NULL)
        return err_no_memory(err);
    for (size_t i = 0; i < states->count; i++) {
        char *copy = strdup(states->items[i]);
        if (copy == NULL)
            return err_no_memory(err);
        out->terminal_states.items[out->terminal_states.count++] = copy;
    }
    return 0;
}

static const struct tracker_ops linear_ops = {
    .kind = "linear",
    .fetch_by_states = linear_fetch_by_states,
    .fetch_by_ids = linear_fetch_by_ids,
    .comment = linear_comment,
    .transition = linear_transition,
    .destroy = linear_destroy,
};

int
tracker_linear_open(
    struct tracker *out, const struct config *config, struct err *err)
{
    *out = (struct tracker){0};
    struct linear *linear = calloc(1, sizeof(*linear));
    if (linear == NULL)
        return err_no_memory(err);
    if (linear_api_open(&linear->api, config, err) < 0 ||
        copy_scope(&linear->scope, config, err) < 0) {
        linear_destroy(linear);
        return -1;
    }
    *out = (struct tracker){.ops = &linear_ops, .impl = linear};
    return 0;
}
