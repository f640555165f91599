/* SPDX-License-Identifier: Apache-2.0
 * The fake Linear's data and schema: one team, its workflow, its issues. Not
 * locked: the caller serialises. */
#ifndef TESTS_FAKES_LIB_LINEAR_MODEL_H
#define TESTS_FAKES_LIB_LINEAR_MODEL_H

#include "common/err.h"
#include "common/json.h"
#include "tests/fakes/lib/graphql.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FAKE_ISSUES_MAX = 6000,
    FAKE_LABELS_MAX = 40,
    FAKE_BLOCKERS_MAX = 40,
    FAKE_COMMENTS_MAX = 1000,
    FAKE_ID_SIZE = 40,
    FAKE_COMPLEXITY_MAX = 10000
};

struct fake_state {
    const char *id;
    const char *name;
    const char *type;
};

struct fake_issue {
    char id[FAKE_ID_SIZE];
    char identifier[32];
    char *title; /* NULL: sent as null, which the real one never does */
    char *description;
    char *project;
    char *assignee;
    const struct fake_state *state;
    int64_t priority;
    char *labels[FAKE_LABELS_MAX];
    size_t label_count;
    size_t blockers[FAKE_BLOCKERS_MAX]; /* indexes of issues */
    size_t blocker_count;
    int64_t created_at;
    int64_t updated_at;
};

struct fake_comment {
    char id[FAKE_ID_SIZE];
    size_t issue;
    char *body;
    int64_t created_at;
};

struct fake_linear {
    struct fake_issue *issues[FAKE_ISSUES_MAX];
    size_t issue_count;
    struct fake_comment comments[FAKE_COMMENTS_MAX];
    size_t comment_count;
    int64_t mutations;
    /* faults of pagination, used up by the next page that has a successor */
    bool drop_end_cursor;
    bool repeat_end_cursor;
};

extern const struct gql_schema fake_linear_schema;

/* NULL: none of this name (as Linear compares it: exactly, or folded). */
const struct fake_state *fake_state_by_name(const char *name);
const struct fake_state *fake_state_by_id(const char *id);
const struct fake_state *fake_states(size_t *count);

/* By id or identifier; NULL when there is none. */
struct fake_issue *fake_issue_find(struct fake_linear *linear, const char *key);

/* Adds an issue from the control endpoint's JSON. NULL with err. */
struct fake_issue *fake_issue_add(
    struct fake_linear *linear, const struct json *spec, struct err *err);

/* Any change moves updatedAt. */
void fake_issue_touch(struct fake_issue *issue);

void fake_linear_clear(struct fake_linear *linear);

/* ---- linear_resolve.c ---- */

/* An error as Linear answers it. */
struct fake_error {
    bool set;
    char message[256];
    char code[64];
    char type[64];
    char for_people[256];
};

/* Runs an operation; writes the members of "data". */
void fake_linear_run(struct fake_linear *linear,
    const struct gql_selection *root, struct jw *w, struct fake_error *error);

#endif
