/* SPDX-License-Identifier: Apache-2.0
 * The fake Linear's data, and the part of Linear's schema that it speaks:
 * names and types are those of the public schema. */
#include "tests/fakes/lib/linear_model.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PAGING                                                                 \
    {"first", "Int"},                                                          \
    {                                                                          \
        "after", "String"                                                      \
    }

static const struct gql_type types[] = {
    {"Query", false,
        {
            {"issues", "IssueConnection!",
                {{"filter", "IssueFilter"}, PAGING,
                    {"includeArchived", "Boolean"}}},
            {"issue", "Issue!", {{"id", "String!"}}},
            {"comment", "Comment!", {{"id", "String"}}},
            {"viewer", "User!", {{0}}},
        }},
    {"Mutation", false,
        {
            {"issueUpdate", "IssuePayload!",
                {{"id", "String!"}, {"input", "IssueUpdateInput!"}}},
            {"commentCreate", "CommentPayload!",
                {{"input", "CommentCreateInput!"}}},
        }},
    {"Issue", false,
        {
            {"id", "ID!", {{0}}},
            {"identifier", "String!", {{0}}},
            {"title", "String!", {{0}}},
            {"description", "String", {{0}}},
            {"priority", "Float!", {{0}}},
            {"branchName", "String!", {{0}}},
            {"url", "String!", {{0}}},
            {"createdAt", "DateTime!", {{0}}},
            {"updatedAt", "DateTime!", {{0}}},
            {"state", "WorkflowState!", {{0}}},
            {"assignee", "User", {{0}}},
            {"team", "Team!", {{0}}},
            {"project", "Project", {{0}}},
            {"labels", "IssueLabelConnection!", {PAGING}},
            {"inverseRelations", "IssueRelationConnection!", {PAGING}},
            {"comments", "CommentConnection!", {PAGING}},
        }},
    {"WorkflowState", false,
        {{"id", "ID!", {{0}}}, {"name", "String!", {{0}}},
            {"type", "String!", {{0}}}}},
    {"User", false, {{"id", "ID!", {{0}}}, {"name", "String!", {{0}}}}},
    {"Team", false,
        {{"id", "ID!", {{0}}}, {"key", "String!", {{0}}},
            {"name", "String!", {{0}}},
            {"states", "WorkflowStateConnection!", {PAGING}}}},
    {"Project", false, {{"id", "ID!", {{0}}}, {"slugId", "String!", {{0}}}}},
    {"IssueLabel", false, {{"id", "ID!", {{0}}}, {"name", "String!", {{0}}}}},
    {"IssueRelation", false,
        {{"id", "ID!", {{0}}}, {"type", "String!", {{0}}},
            {"issue", "Issue!", {{0}}}, {"relatedIssue", "Issue!", {{0}}}}},
    {"Comment", false,
        {{"id", "ID!", {{0}}}, {"body", "String!", {{0}}},
            {"createdAt", "DateTime!", {{0}}}, {"issue", "Issue", {{0}}}}},
    {"PageInfo", false,
        {{"hasNextPage", "Boolean!", {{0}}},
            {"hasPreviousPage", "Boolean!", {{0}}},
            {"startCursor", "String", {{0}}}, {"endCursor", "String", {{0}}}}},
    {"IssueConnection", false,
        {{"nodes", "[Issue!]!", {{0}}}, {"pageInfo", "PageInfo!", {{0}}}}},
    {"IssueLabelConnection", false,
        {{"nodes", "[IssueLabel!]!", {{0}}}, {"pageInfo", "PageInfo!", {{0}}}}},
    {"IssueRelationConnection", false,
        {{"nodes", "[IssueRelation!]!", {{0}}},
            {"pageInfo", "PageInfo!", {{0}}}}},
    {"CommentConnection", false,
        {{"nodes", "[Comment!]!", {{0}}}, {"pageInfo", "PageInfo!", {{0}}}}},
    {"WorkflowStateConnection", false,
        {{"nodes", "[WorkflowState!]!", {{0}}},
            {"pageInfo", "PageInfo!", {{0}}}}},
    {"IssuePayload", false,
        {{"success", "Boolean!", {{0}}}, {"lastSyncId", "Float!", {{0}}},
            {"issue", "Issue", {{0}}}}},
    {"CommentPayload", false,
        {{"success", "Boolean!", {{0}}}, {"lastSyncId", "Float!", {{0}}},
            {"comment", "Comment!", {{0}}}}},
    {"IssueFilter", true,
        {{"id", "IssueIDComparator", {{0}}},
            {"project", "NullableProjectFilter", {{0}}},
            {"state", "WorkflowStateFilter", {{0}}},
            {"and", "[IssueFilter!]", {{0}}}, {"or", "[IssueFilter!]", {{0}}}}},
    {"NullableProjectFilter", true, {{"slugId", "StringComparator", {{0}}}}},
    {"WorkflowStateFilter", true,
        {{"name", "StringComparator", {{0}}},
            {"type", "StringComparator", {{0}}},
            {"and", "[WorkflowStateFilter!]", {{0}}},
            {"or", "[WorkflowStateFilter!]", {{0}}}}},
    {"StringComparator", true,
        {{"eq", "String", {{0}}}, {"neq", "String", {{0}}},
            {"in", "[String!]", {{0}}}, {"nin", "[String!]", {{0}}},
            {"eqIgnoreCase", "String", {{0}}},
            {"neqIgnoreCase", "String", {{0}}}}},
    {"IssueIDComparator", true,
        {{"eq", "ID", {{0}}}, {"neq", "ID", {{0}}}, {"in", "[ID!]", {{0}}},
            {"nin", "[ID!]", {{0}}}}},
    {"IssueUpdateInput", true,
        {{"stateId", "String", {{0}}}, {"title", "String", {{0}}},
            {"description", "String", {{0}}}, {"priority", "Int", {{0}}},
            {"assigneeId", "String", {{0}}}, {"labelIds", "[String!]", {{0}}}}},
    {"CommentCreateInput", true,
        {{"id", "String", {{0}}}, {"issueId", "String", {{0}}},
            {"body", "String", {{0}}}, {"parentId", "String", {{0}}},
            {"createdAt", "DateTime", {{0}}}}},
};

const struct gql_schema fake_linear_schema = {types, ARRAY_LEN(types)};

/* ---- the workflow ---- */

static const struct fake_state states[] = {
    {"5a1e0000-0000-4000-8000-000000000001", "Backlog", "backlog"},
    {"5a1e0000-0000-4000-8000-000000000002", "Todo", "unstarted"},
    {"5a1e0000-0000-4000-8000-000000000003", "In Progress", "started"},
    {"5a1e0000-0000-4000-8000-000000000004", "In Review", "started"},
    {"5a1e0000-0000-4000-8000-000000000005", "Done", "completed"},
    {"5a1e0000-0000-4000-8000-000000000006", "Canceled", "canceled"},
};

const struct fake_state *
fake_states(size_t *count)
{
    *count = ARRAY_LEN(states);
    return states;
}

const struct fake_state *
fake_state_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strcasecmp(states[i].name, name) == 0)
            return &states[i];
    }
    return NULL;
}

const struct fake_state *
fake_state_by_id(const char *id)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strcmp(states[i].id, id) == 0)
            return &states[i];
    }
    return NULL;
}

/* ---- issues ---- */

struct fake_issue *
fake_issue_find(struct fake_linear *linear, const char *key)
{
    for (size_t i = 0; i < linear->issue_count; i++) {
        struct fake_issue *issue = linear->issues[i];
        if (strcmp(issue->id, key) == 0 || strcmp(issue->identifier, key) == 0)
            return issue;
    }
    return NULL;
}

void
fake_issue_touch(struct fake_issue *issue)
{
    int64_t now = clock_wall_ms();

    issue->updated_at = now > issue->updated_at ? now : issue->updated_at + 1;
}

static char *
copy(const struct json *spec, const char *key, const char *fallback)
{
    const char *text = json_str(json_get(spec, key), fallback);

    return text == NULL ? NULL : strdup(text);
}

static void
add_labels(struct fake_issue *issue, const struct json *spec)
{
    json_each (label, json_get(spec, "labels")) {
        if (issue->label_count < FAKE_LABELS_MAX)
            issue->labels[issue->label_count++] = strdup(json_str(label, ""));
    }
}

static int
add_blockers(struct fake_linear *linear, struct fake_issue *issue,
    const struct json *spec, struct err *err)
{
    json_each (blocker, json_get(spec, "blocked_by")) {
        size_t i = 0;
        while (i < linear->issue_count && strcmp(linear->issues[i]->identifier,
                                              json_str(blocker, "")) != 0)
            i++;
        if (i == linear->issue_count ||
            issue->blocker_count == FAKE_BLOCKERS_MAX)
            return err_set(err, ERR_INVALID, "no such blocker");
        issue->blockers[issue->blocker_count++] = i;
    }
    return 0;
}

static void
issue_free(struct fake_issue *issue)
{
    free(issue->title);
    free(issue->description);
    free(issue->project);
    free(issue->assignee);
    for (size_t i = 0; i < issue->label_count; i++)
        free(issue->labels[i]);
    free(issue);
}

struct fake_issue *
fake_issue_add(
    struct fake_linear *linear, const struct json *spec, struct err *err)
{
    const struct fake_state *state =
        fake_state_by_name(json_str(json_get(spec, "state"), "Todo"));

    if (linear->issue_count == FAKE_ISSUES_MAX || state == NULL) {
        (void)err_set(err, ERR_INVALID, "no such state, or too many issues");
        return NULL;
    }
    struct fake_issue *issue = calloc(1, sizeof(*issue));
    if (issue == NULL) {
        (void)err_no_memory(err);
        return NULL;
    }
    size_t number = linear->issue_count + 1;
    (void)snprintf(
        issue->id, sizeof(issue->id), "15500000-0000-4000-8000-%012zx", number);
    (void)snprintf(
        issue->identifier, sizeof(issue->identifier), "ENG-%zu", number);
    issue->title = json_get(spec, "malformed") != NULL
                       ? NULL
                       : copy(spec, "title", "An issue");
    issue->description = copy(spec, "description", NULL);
    issue->project = copy(spec, "project", "demo");
    issue->assignee = copy(spec, "assignee", NULL);
    issue->state = state;
    issue->priority = json_int(json_get(spec, "priority"), 0);
    issue->created_at = clock_wall_ms();
    issue->updated_at = issue->created_at;
    add_labels(issue, spec);
    if (add_blockers(linear, issue, spec, err) < 0) {
        issue_free(issue);
        return NULL;
    }
    linear->issues[linear->issue_count++] = issue;
    return issue;
}

void
fake_linear_clear(struct fake_linear *linear)
{
    for (size_t i = 0; i < linear->issue_count; i++)
        issue_free(linear->issues[i]);
    for (size_t i = 0; i < linear->comment_count; i++)
        free(linear->comments[i].body);
    memset(linear, 0, sizeof(*linear));
}
