/* SPDX-License-Identifier: Apache-2.0
 * The attempts of this host: a thread each, started by dispatch, woken by
 * respond, steer and abort. */
#ifndef DATAPLANE_ATTEMPT_SUPERVISOR_H
#define DATAPLANE_ATTEMPT_SUPERVISOR_H

#include "common/err.h"
#include "dataplane/attempt/journal.h"
#include "dataplane/docker/docker.h"
#include "dataplane/workspace/workspace.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

struct supervisor;

struct supervisor_deps {
    struct journal *journal;
    struct docker *docker;
    const struct workspace_root *root;
    const char *default_network;
    const char *seccomp_json; /* our profile */
    int64_t capacity;
};

/* Ends what an earlier process left (container removed, attempt ended with
 * dataplane_restarted), then is ready. */
int supervisor_start(struct supervisor **out,
    const struct supervisor_deps *deps, struct err *err);

/* Aborts nothing by itself: running attempts are told to stop and joined,
 * each ended truthfully; bounded by grace_ms. */
void supervisor_stop(struct supervisor *supervisor, int64_t grace_ms);

/* Takes *request over when it returns 0 (it is zeroed). */
int supervisor_dispatch(struct supervisor *supervisor,
    struct dispatch_request *request, struct dispatch_reply *reply,
    struct err *err);
int supervisor_respond(struct supervisor *supervisor,
    const struct respond_request *request, struct ack_reply *reply,
    struct err *err);
int supervisor_steer(struct supervisor *supervisor,
    const struct steer_request *request, struct ack_reply *reply,
    struct err *err);
int supervisor_abort(struct supervisor *supervisor,
    const struct abort_request *request, struct ack_reply *reply,
    struct err *err);
void supervisor_drain(struct supervisor *supervisor, bool draining);
void supervisor_load(struct supervisor *supervisor, int64_t *running,
    int64_t *capacity, bool *draining);
/* The attempt that uses a workspace now, or NULL; copy to free. */
char *supervisor_workspace_user(struct supervisor *supervisor, const char *key);

#endif
