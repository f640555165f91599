/* SPDX-License-Identifier: Apache-2.0
 * The embedded tracker: issues that live in the control plane's own store. */
#include "control/store/store.h"
#include "control/tracker/tracker.h"

#include <stdint.h>
#include <string.h>

static int
local_fetch_by_states(void *impl, char *const *states, size_t count,
    struct issue_list *out, struct err *err)
{
    struct store *store = impl;
    struct issue_list found = {0};

    if (count == 0)
        return 0;
    if (store_issues(store, states, count, INT64_MAX, &found, err) < 0)
        return -1;
    int result = 0;
    for (size_t i = 0; i < found.len && result == 0; i++)
        result = issue_list_push(out, &found.items[i], err);
    issue_list_release(&found);
    return result;
}

/* Ids are a set: an issue is answered once however often it is asked for. */
static bool
is_repeated(char *const *ids, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(ids[i], ids[index]) == 0)
            return true;
    }
    return false;
}

static int
local_fetch_by_ids(void *impl, char *const *ids, size_t count,
    struct issue_list *out, struct err *err)
{
    struct store *store = impl;

    for (size_t i = 0; i < count; i++) {
        struct issue issue;
        if (is_repeated(ids, i))
            continue;
        if (store_issue(store, ids[i], &issue, err) < 0) {
            if (err->code != ERR_NOT_FOUND)
                return -1;
            err_clear(err);
            continue;
        }
        if (issue_list_push(out, &issue, err) < 0) {
            issue_release(&issue);
            return -1;
        }
    }
    return 0;
}

static int
local_comment(void *impl, const char *issue_id, const char *key,
    const char *body, struct err *err)
{
    struct store *store = impl;

    return store_issue_comment(store, issue_id, key, "risoluto", body, err);
}

static int
local_transition(
    void *impl, const char *issue_id, const char *state, struct err *err)
{
    struct store *store = impl;

    return store_issue_transition(store, issue_id, state, false, err);
}

static void
local_destroy(void *impl)
{
    (void)impl; /* the store is its opener's */
}

static const struct tracker_ops local_ops = {
    .kind = "local",
    .fetch_by_states = local_fetch_by_states,
    .fetch_by_ids = local_fetch_by_ids,
    .comment = local_comment,
    .transition = local_transition,
    .destroy = local_destroy,
};

int
tracker_local_open(struct tracker *out, struct store *store, struct err *err)
{
    (void)err;
    *out = (struct tracker){.ops = &local_ops, .impl = store};
    return 0;
}
