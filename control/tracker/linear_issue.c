/* SPDX-License-Identifier: Apache-2.0
 * From Linear's issue to ours (Symphony specification 11.3). */
#include "control/tracker/linear_api.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <string.h>

enum { STATE_MAX = 128 };

static const char *
text(const struct json *node, const char *path)
{
    return json_str(json_path(node, path), NULL);
}

/* A field without which there is no issue. */
static int
take_required(
    const struct json *node, const char *path, char **out, struct err *err)
{
    const char *value = text(node, path);

    if (value == NULL || value[0] == '\0')
        return err_set(err, ERR_TRACKER_PAYLOAD,
            "Linear sent issue %.64s without its %s",
            json_str(json_get(node, "identifier"), "?"), path);
    *out = strdup(value);
    return *out == NULL ? err_no_memory(err) : 0;
}

static int
take_optional(
    const struct json *node, const char *path, char **out, struct err *err)
{
    const char *value = text(node, path);

    if (value == NULL)
        return 0;
    *out = strdup(value);
    return *out == NULL ? err_no_memory(err) : 0;
}

static int
take_texts(const struct json *node, struct issue *out, struct err *err)
{
    if (take_required(node, "id", &out->id, err) < 0 ||
        take_required(node, "identifier", &out->identifier, err) < 0 ||
        take_required(node, "title", &out->title, err) < 0 ||
        take_required(node, "state.name", &out->state, err) < 0 ||
        take_optional(node, "description", &out->description, err) < 0 ||
        take_optional(node, "branchName", &out->branch_name, err) < 0 ||
        take_optional(node, "url", &out->url, err) < 0)
        return -1;
    return take_optional(node, "assignee.id", &out->assignee_id, err);
}

static int64_t
take_time(const struct json *node, const char *key)
{
    const char *value = text(node, key);

    return value == NULL ? -1 : clock_parse_iso(value);
}

/* Linear: 0 none, 1 urgent .. 4 low, as a float. */
static int64_t
take_priority(const struct json *node)
{
    double value = json_num(json_get(node, "priority"), 0);

    return value >= 1 && value <= 4 ? (int64_t)value : ISSUE_PRIORITY_NONE;
}

static bool
is_type(const char *type, const char *const *types, size_t count)
{
    for (size_t i = 0; type != NULL && i < count; i++) {
        if (strcmp(type, types[i]) == 0)
            return true;
    }
    return false;
}

/* A team names its states as it likes; the types are Linear's own. */
static bool
is_terminal(const struct json *state, const struct linear_scope *scope)
{
    static const char *const types[] = {"completed", "canceled", "duplicate"};
    const char *name = text(state, "name");

    return is_type(text(state, "type"), types, ARRAY_LEN(types)) ||
           (name != NULL && issue_state_in(name, scope->terminal_states.items,
                                scope->terminal_states.count));
}

static bool
is_waiting(const struct json *state)
{
    static const char *const types[] = {"triage", "backlog", "unstarted"};

    return is_type(text(state, "type"), types, ARRAY_LEN(types)) ||
           issue_state_equal(text(state, "name"), "Todo");
}

/* An inverse relation is written from the other issue's side: what "blocks"
 * us is its `issue`. */
static int
take_blockers(const struct json *node, const struct linear_scope *scope,
    struct issue *out, bool *blocked, struct err *err)
{
    json_each (relation, json_path(node, "inverseRelations.nodes")) {
        const struct json *issue = json_get(relation, "issue");
        const char *type = text(relation, "type");
        if (type == NULL || strcmp(type, "blocks") != 0 || issue == NULL)
            continue;
        if (!is_terminal(json_get(issue, "state"), scope))
            *blocked = true;
        if (issue_add_blocker(out, text(issue, "id"), text(issue, "identifier"),
                text(issue, "state.name"), err) < 0)
            return -1;
    }
    return 0;
}

static int
take_labels(const struct json *node, struct issue *out, struct err *err)
{
    json_each (label, json_path(node, "labels.nodes")) {
        const char *name = text(label, "name");
        if (name != NULL && issue_add_label(out, name, err) < 0)
            return -1;
    }
    return 0;
}

static int
take_all(const struct json *node, const struct linear_scope *scope,
    struct issue *out, struct err *err)
{
    bool blocked = false;

    if (take_texts(node, out, err) < 0 || take_labels(node, out, err) < 0 ||
        take_blockers(node, scope, out, &blocked, err) < 0)
        return -1;
    if (strlen(out->state) > STATE_MAX)
        return err_set(err, ERR_TRACKER_PAYLOAD,
            "the state of %s has a name of more than %d bytes", out->identifier,
            STATE_MAX);
    /* Work that has begun goes on, whatever blocks it. */
    out->dispatchable = !(blocked && is_waiting(json_get(node, "state")));
    return 0;
}

int
linear_issue_read(const struct json *node, const struct linear_scope *scope,
    int64_t fetched_at_ms, struct issue *out, struct err *err)
{
    *out = (struct issue){
        .priority = take_priority(node),
        .created_at_ms = take_time(node, "createdAt"),
        .updated_at_ms = take_time(node, "updatedAt"),
        .fetched_at_ms = fetched_at_ms,
        .own_writes_show = true,
    };
    if (take_all(node, scope, out, err) < 0) {
        issue_release(out);
        return -1;
    }
    return 0;
}

bool
linear_issue_is_cut(const struct json *node)
{
    return json_bool(json_path(node, "labels.pageInfo.hasNextPage"), false) ||
           json_bool(
               json_path(node, "inverseRelations.pageInfo.hasNextPage"), false);
}
