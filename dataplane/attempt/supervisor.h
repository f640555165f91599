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

/* What is pointed to must outlive the supervisor. */
struct supervisor_deps {
    struct journal *journal;
    struct docker *docker;
    const struct workspace_root *root;
    const char *default_network;
    const char *seccomp_json; /* our profile */
    int64_t capacity;
};

/* Ends what an earlier process left (container removed, attempt ended with
 * dataplane_restarted), then is ready. When the engine does not answer it is
 * tried again by and by, and until then no dispatch is taken: a worker may
 * still be at work. */
int supervisor_start(struct supervisor **out,
    const struct supervisor_deps *deps, struct err *err);

/* No dispatch is taken any more, and running attempts are told to stop at
 * once. Does not wait. */
void supervisor_halt(struct supervisor *supervisor);

/* Running attempts are told to stop at once and waited for, at most grace_ms;
 * each is ended with dataplane_restarted. false: some did not end in time; they
 * are left to the next start, *supervisor is not freed, and what it was given
 * is still in use. */
bool supervisor_stop(struct supervisor *supervisor, int64_t grace_ms);

/* Takes *request over when it returns 0 (it is zeroed). ERR_BUSY: no place is
 * free; ERR_UNAVAILABLE: draining, stopping, no engine, no network. */
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

/* For a removal: until the release no attempt starts in this workspace.
 * ERR_CONFLICT when one works there, ERR_BUSY during another removal. */
int supervisor_hold_workspace(
    struct supervisor *supervisor, const char *key, struct err *err);
void supervisor_release_workspace(struct supervisor *supervisor);

#endif
