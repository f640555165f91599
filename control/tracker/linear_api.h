/* SPDX-License-Identifier: Apache-2.0
 * One GraphQL exchange with Linear: transport, rate limit, error names.
 * Private to the linear tracker. */
#ifndef CONTROL_TRACKER_LINEAR_API_H
#define CONTROL_TRACKER_LINEAR_API_H

#include "common/err.h"
#include "common/json.h"
#include "control/config/config.h"
#include "control/tracker/issue.h"

#include <stdbool.h>
#include <stdint.h>

struct linear_api;

int linear_api_open(
    struct linear_api **out, const struct config *config, struct err *err);
void linear_api_close(struct linear_api *api); /* NULL is legal */

struct linear_reply {
    struct json *root;
    const struct json *data;  /* NULL unless the call went well */
    const struct json *error; /* the first GraphQL error, if any */
};

void linear_reply_release(struct linear_reply *reply);

/* Posts query with variables (a JSON object as text). On -1 reply may still
 * hold the error that Linear answered. Release it in any case. */
int linear_api_call(struct linear_api *api, const char *query,
    const char *variables, struct linear_reply *reply, struct err *err);

/* ---- linear_issue.c ---- */

struct linear_scope {
    char *project_slug;
    struct config_strings terminal_states;
};

/* What a query asks of an issue; takes two numbers: labels, relations. They
 * count towards the price of a query (its complexity), as does the page. */
#define LINEAR_ISSUE_FIELDS(labels, relations)                                 \
    " id identifier title description priority branchName url createdAt"       \
    " updatedAt state { name type } assignee { id }"                           \
    " labels(first: " #labels ") { nodes { name }"                             \
    " pageInfo { hasNextPage } }"                                              \
    " inverseRelations(first: " #relations ") { nodes { type"                  \
    " issue { id identifier state { name type } } }"                           \
    " pageInfo { hasNextPage } } "

/* Normalises one node. ERR_TRACKER_PAYLOAD when a required field is missing.
 * fetched_at_ms: when it was asked for. */
int linear_issue_read(const struct json *node, const struct linear_scope *scope,
    int64_t fetched_at_ms, struct issue *out, struct err *err);

/* Has it more labels or relations than the query asked for? */
bool linear_issue_is_cut(const struct json *node);

#endif
