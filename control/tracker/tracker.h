/* SPDX-License-Identifier: Apache-2.0
 * One interface, several trackers. All calls block (bounded by their own
 * time-outs), are safe from any thread, and name their errors as in the
 * Symphony specification 11.4:
 *   unsupported_tracker_kind, invalid_tracker_config, missing_tracker_secret
 *                            ERR_TRACKER_CONFIG
 *   tracker_request          ERR_TRACKER_REQUEST (no answer)
 *   tracker_status           ERR_TRACKER_STATUS; ERR_TRACKER_AUTH for 401, 403
 *   tracker_response         ERR_TRACKER_PAYLOAD
 *   tracker_pagination       ERR_TRACKER_PAGINATION
 *   tracker_rate_limited     ERR_TRACKER_RATE
 * A comment on, or a move of, an issue that is gone gives ERR_NOT_FOUND. */
#ifndef CONTROL_TRACKER_TRACKER_H
#define CONTROL_TRACKER_TRACKER_H

#include "common/err.h"
#include "control/tracker/issue.h"

#include <stdbool.h>
#include <stddef.h>

struct config;
struct store;
struct tracker;

struct tracker_ops {
    const char *kind;

    /* Issues whose state is one of states, all pages, appended to out. */
    int (*fetch_by_states)(void *impl, char *const *states, size_t count,
        struct issue_list *out, struct err *err);

    /* Current versions of these issues; unknown ids are simply absent. */
    int (*fetch_by_ids)(void *impl, char *const *ids, size_t count,
        struct issue_list *out, struct err *err);

    /* key: an idempotency key of ours; the comment is posted once per key
     * even when the call is repeated after a lost answer. */
    int (*comment)(void *impl, const char *issue_id, const char *key,
        const char *body, struct err *err);

    /* To the named state; already there is success. */
    int (*transition)(
        void *impl, const char *issue_id, const char *state, struct err *err);

    void (*destroy)(void *impl);
};

struct tracker {
    const struct tracker_ops *ops;
    void *impl;
};

/* The tracker that the configuration names. */
int tracker_open(struct tracker *out, const struct config *config,
    struct store *store, struct err *err);
void tracker_close(struct tracker *tracker);

/* Constructors, one per kind. */
int tracker_local_open(
    struct tracker *out, struct store *store, struct err *err);
int tracker_linear_open(
    struct tracker *out, const struct config *config, struct err *err);

#endif
