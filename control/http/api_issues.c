/* SPDX-License-Identifier: Apache-2.0
 * Issues: filing and listing in the embedded tracker; looking at, stopping,
 * moving and commenting on an issue of any tracker. */
#include "control/http/handlers.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "control/config/config.h"
#include "control/http/view.h"
#include "control/http/workflow.h"
#include "control/orchestrator/orchestrator.h"
#include "control/store/store.h"
#include "control/tracker/tracker.h"

#include <stdlib.h>
#include <string.h>

enum {
    LIST_DEFAULT = 100,
    LIST_MAX = 500,
    TITLE_MAX = 256,
    TEXT_MAX = 64 * 1024,
    STATE_MAX = 128,
    LABELS_MAX = 32,
    LABEL_MAX = 64,
    REASON_MAX = 512,
    ISSUE_JSON_MAX = 1024 * 1024
};

bool
api_issues_are_local(const struct http_app *app)
{
    return strcmp(app->deps.tracker->ops->kind, "local") == 0;
}

static int
require_local(const struct http_app *app, struct err *err)
{
    return api_issues_are_local(app)
               ? 0
               : err_set(err, ERR_CONFLICT,
                     "issues are kept in %s: file and list them there, or set "
                     "tracker.kind to local",
                     app->deps.tracker->ops->kind);
}

/* ---- GET and POST /api/v1/issues ---- */

int
api_issues_list(struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(issue_list_release) struct issue_list list = {0};
    char state[STATE_MAX + 1];
    char *states[] = {state};
    int64_t limit = LIST_DEFAULT;
    struct jw w;

    if (require_local(app, err) != 0 ||
        http_query_int(call->request, "limit", 1, LIST_MAX, &limit, err) != 0)
        return -1;
    int has_state =
        http_query(call->request, "state", state, sizeof(state), err);

    if (has_state < 0 ||
        store_issues(app->deps.store, has_state != 0 ? states : NULL,
            has_state != 0 ? 1 : 0, limit, &list, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_arr(&w, "issues");
    for (size_t i = 0; i < list.len; i++)
        issue_write(&list.items[i], &w, NULL);
    jw_end_arr(&w);
    jw_end_obj(&w);
    return 0;
}

struct create_body {
    char *title;
    char *description;
    char *state;
    int64_t priority;
    struct slice labels;
};

static const struct schema_field create_fields[] = {
    {.name = "title",
        .kind = SCHEMA_STR,
        .required = true,
        .offset = offsetof(struct create_body, title),
        .max = TITLE_MAX},
    {.name = "description",
        .kind = SCHEMA_STR,
        .offset = offsetof(struct create_body, description),
        .max = TEXT_MAX},
    {.name = "state",
        .kind = SCHEMA_STR,
        .offset = offsetof(struct create_body, state),
        .max = STATE_MAX},
    {.name = "priority",
        .kind = SCHEMA_INT,
        .offset = offsetof(struct create_body, priority),
        .min = 0,
        .max = 4},
    {.name = "labels",
        .kind = SCHEMA_STRS,
        .offset = offsetof(struct create_body, labels),
        .max = LABELS_MAX},
};

const struct schema api_issues_create_body = {.name = "new issue",
    .size = sizeof(struct create_body),
    .fields = create_fields,
    .count = ARRAY_LEN(create_fields)};

static bool
is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static int
check_labels(const struct slice *labels, struct err *err)
{
    char *const *items = labels->items;

    for (size_t i = 0; i < labels->len; i++) {
        if (is_blank(items[i]) || strlen(items[i]) > LABEL_MAX)
            return err_set(err, ERR_INVALID,
                "labels[%zu] must have 1 to %d bytes", i, (int)LABEL_MAX);
    }
    return 0;
}

/* The state as the workflow spells it; the first active one when none is
 * named. Points into workflow or config. */
static int
canonical_state(const struct config *config, const struct workflow *workflow,
    const char *name, const char **out, struct err *err)
{
    const struct workflow_state *state = NULL;

    if (name == NULL && config->tracker_active_states.count > 0) {
        *out = config->tracker_active_states.items[0];
        return 0;
    }
    state = workflow_find(workflow, name == NULL ? "" : name);
    if (state == NULL)
        return workflow_unknown(workflow, name == NULL ? "" : name, err);
    *out = state->label;
    return 0;
}

static int
reply_issue(struct http_call *call, const struct issue *issue)
{
    struct jw w;

    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    issue_write(issue, &w, "issue");
    jw_end_obj(&w);
    return 0;
}

int
api_issues_create(struct http_app *app, struct http_call *call, struct err *err)
{
    const struct create_body *body = call->input;
    AUTO(config_release_ptr)
    struct config *config = config_get(app->deps.config);
    AUTO_FREE struct workflow *workflow = workflow_new(config, err);
    AUTO(issue_release) struct issue issue = {0};
    struct new_issue new = {.title = body->title,
        .description = body->description,
        .priority = body->priority,
        .labels = body->labels.items,
        .label_count = body->labels.len};

    if (workflow == NULL || require_local(app, err) != 0)
        return -1;
    if (is_blank(body->title))
        return err_set(err, ERR_INVALID, "title must not be empty");
    if (check_labels(&body->labels, err) != 0 ||
        canonical_state(config, workflow, body->state, &new.state, err) != 0)
        return -1;
    if (store_issue_create(app->deps.store, config->tracker_identifier_prefix,
            &new, &issue, err) != 0)
        return -1;
    orchestrator_refresh(app->deps.orchestrator);
    return reply_issue(call, &issue);
}

/* ---- looking up an issue ---- */

/* The embedded tracker's issue, or what we remember of a foreign one: its
 * copy in our newest attempt. */
static int
find_issue(struct http_app *app, const char *name,
    const struct attempt_list *attempts, struct issue *out, struct err *err)
{
    AUTO(json_free_ptr) struct json *copy = NULL;

    if (api_issues_are_local(app))
        return store_issue(app->deps.store, name, out, err);
    if (attempts->len == 0)
        return err_set(err, ERR_NOT_FOUND,
            "no attempt of ours belongs to an issue %s", name);
    const struct attempt *newest = &attempts->items[0];

    if (newest->issue_json == NULL)
        return err_set(err, ERR_STORE, "no copy of issue %s is stored", name);
    copy = json_parse(
        newest->issue_json, strlen(newest->issue_json), ISSUE_JSON_MAX, err);
    if (copy == NULL || issue_read(copy, out, err) != 0)
        return err_wrap(err, "read the stored copy of issue %s", name);
    return 0;
}

int
api_issues_get(struct http_app *app, struct http_call *call, struct err *err)
{
    AUTO(attempt_list_release) struct attempt_list attempts = {0};
    AUTO(comment_list_release) struct comment_list comments = {0};
    AUTO(issue_release) struct issue issue = {0};
    const char *name = call->params[0];
    struct store *store = app->deps.store;
    struct jw w;

    if (store_issue_attempts(store, name, &attempts, err) != 0 ||
        find_issue(app, name, &attempts, &issue, err) != 0)
        return -1;
    if (api_issues_are_local(app) &&
        store_issue_comments(store, issue.id, &comments, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    issue_write(&issue, &w, "issue");
    view_comments(&comments, &w, "comments");
    jw_arr(&w, "attempts");
    for (size_t i = 0; i < attempts.len; i++)
        attempt_write(&attempts.items[i], &w, NULL);
    jw_end_arr(&w);
    jw_end_obj(&w);
    return 0;
}

/* The issue that a write names. */
static int
load_issue(struct http_app *app, const struct http_call *call,
    struct issue *out, struct err *err)
{
    AUTO(attempt_list_release) struct attempt_list attempts = {0};

    if (!api_issues_are_local(app) && store_issue_attempts(app->deps.store,
                                          call->params[0], &attempts, err) != 0)
        return -1;
    return find_issue(app, call->params[0], &attempts, out, err);
}

/* ---- POST /api/v1/:issue/abort ---- */

struct abort_body {
    char *reason;
};

static const struct schema_field abort_fields[] = {
    {.name = "reason",
        .kind = SCHEMA_STR,
        .offset = offsetof(struct abort_body, reason),
        .max = REASON_MAX},
};

const struct schema api_issues_abort_body = {.name = "abort",
    .size = sizeof(struct abort_body),
    .fields = abort_fields,
    .count = ARRAY_LEN(abort_fields)};

int
api_issues_abort(struct http_app *app, struct http_call *call, struct err *err)
{
    const struct abort_body *body = call->input;
    const char *reason =
        body->reason == NULL ? "stopped by the operator" : body->reason;
    struct jw w;

    if (orchestrator_abort(
            app->deps.orchestrator, call->params[0], reason, err) != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_bool(&w, "ok", true);
    jw_str(&w, "status", "stopping");
    view_time(&w, "requested_at", clock_wall_ms());
    jw_end_obj(&w);
    return 0;
}

/* ---- POST /api/v1/:issue/transition ---- */

struct transition_body {
    char *state;
    char *target_state; /* an older spelling of the same */
};

static const struct schema_field transition_fields[] = {
    {.name = "state",
        .kind = SCHEMA_STR,
        .offset = offsetof(struct transition_body, state),
        .max = STATE_MAX},
    {.name = "target_state",
        .kind = SCHEMA_STR,
        .offset = offsetof(struct transition_body, target_state),
        .max = STATE_MAX},
};

const struct schema api_issues_transition_body = {.name = "transition",
    .size = sizeof(struct transition_body),
    .fields = transition_fields,
    .count = ARRAY_LEN(transition_fields)};

static int
move_issue(struct http_app *app, const struct issue *issue, const char *state,
    struct err *err)
{
    const struct tracker *tracker = app->deps.tracker;

    if (api_issues_are_local(app))
        return store_issue_transition(
            app->deps.store, issue->id, state, true, err);
    return tracker->ops->transition(tracker->impl, issue->id, state, err);
}

int
api_issues_transition(
    struct http_app *app, struct http_call *call, struct err *err)
{
    const struct transition_body *body = call->input;
    AUTO(config_release_ptr)
    struct config *config = config_get(app->deps.config);
    AUTO_FREE struct workflow *workflow = workflow_new(config, err);
    AUTO(issue_release) struct issue issue = {0};
    const char *wanted = body->state != NULL ? body->state : body->target_state;
    const char *state = NULL;
    struct jw w;

    if (workflow == NULL)
        return -1;
    if (wanted == NULL || (body->state != NULL && body->target_state != NULL))
        return err_set(
            err, ERR_INVALID, "name the state to move to as \"state\"");
    if (load_issue(app, call, &issue, err) != 0 ||
        canonical_state(config, workflow, wanted, &state, err) != 0 ||
        move_issue(app, &issue, state, err) != 0)
        return -1;
    orchestrator_refresh(app->deps.orchestrator);
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_bool(&w, "ok", true);
    jw_str(&w, "from", issue.state);
    jw_str(&w, "to", state);
    jw_end_obj(&w);
    return 0;
}

/* ---- POST /api/v1/:issue/comments ---- */

struct comment_body {
    char *body;
};

static const struct schema_field comment_fields[] = {
    {.name = "body",
        .kind = SCHEMA_STR,
        .required = true,
        .offset = offsetof(struct comment_body, body),
        .max = TEXT_MAX},
};

const struct schema api_issues_comment_body = {.name = "comment",
    .size = sizeof(struct comment_body),
    .fields = comment_fields,
    .count = ARRAY_LEN(comment_fields)};

int
api_issues_comment(
    struct http_app *app, struct http_call *call, struct err *err)
{
    const struct comment_body *body = call->input;
    const struct tracker *tracker = app->deps.tracker;
    AUTO(issue_release) struct issue issue = {0};
    char key[ID_SIZE];
    struct jw w;
    int rc = 0;

    if (is_blank(body->body))
        return err_set(err, ERR_INVALID, "body must not be empty");
    if (load_issue(app, call, &issue, err) != 0)
        return -1;
    id_new(key);
    if (api_issues_are_local(app))
        rc = store_issue_comment(
            app->deps.store, issue.id, NULL, "operator", body->body, err);
    else
        rc = tracker->ops->comment(
            tracker->impl, issue.id, key, body->body, err);
    if (rc != 0)
        return -1;
    jw_init(&w, &call->reply.body);
    jw_obj(&w, NULL);
    jw_bool(&w, "ok", true);
    jw_end_obj(&w);
    return 0;
}
