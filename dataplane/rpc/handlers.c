/* SPDX-License-Identifier: Apache-2.0
 * One handler per operation; the table at the end is all that can be asked. */
#include "dataplane/rpc/handlers.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/version.h"
#include "dataplane/attempt/worker.h"
#include "proto/messages.h"

#include <string.h>

enum { ENGINE_VERSION_SIZE = 64, HOOK_OUTPUT_MAX = 16 * 1024 };

/* ---- hello ---- */

static int
agree(const struct hello_request *request, int64_t *version, struct err *err)
{
    const int64_t newest = PROTO_VERSION;
    const int64_t oldest = PROTO_VERSION_MIN;

    *version = newest;
    if (request->protocol_max < newest)
        *version = request->protocol_max;
    if (*version < request->protocol_min || *version < oldest)
        return err_set(err, ERR_PROTOCOL,
            "the control plane speaks protocol %lld to %lld, this data plane "
            "(%s) %d to %d: upgrade the older one",
            (long long)request->protocol_min, (long long)request->protocol_max,
            RISOLUTO_VERSION, PROTO_VERSION_MIN, PROTO_VERSION);
    return 0;
}

static int
on_hello(const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    const struct hello_request *request = in;
    struct hello_reply *reply = out;
    char engine[ENGINE_VERSION_SIZE] = "";
    struct err no_engine = ERR_INIT;

    if (agree(request, &reply->protocol, err) != 0 ||
        journal_adopt_control(deps->journal, request->control_id, err) != 0 ||
        journal_last_pos(deps->journal, &reply->last_pos, err) != 0)
        return -1;
    supervisor_load(
        deps->supervisor, &reply->running, &reply->capacity, &reply->draining);
    reply->version = strdup(RISOLUTO_VERSION);
    reply->host = strdup(deps->host_name);
    reply->journal_id = strdup(journal_id(deps->journal));
    reply->workspace_root = strdup(deps->root->path);
    if (reply->version == NULL || reply->host == NULL ||
        reply->journal_id == NULL || reply->workspace_root == NULL)
        return err_no_memory(err);
    if (docker_ping(deps->docker, engine, &no_engine) == 0)
        reply->engine_version = strdup(engine);
    return 0;
}

/* ---- attempts ---- */

static int
on_dispatch(
    const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    return supervisor_dispatch(deps->supervisor, in, out, err);
}

static int
on_events(
    const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    return journal_events(deps->journal, in, out, err);
}

static int
on_respond(
    const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    return supervisor_respond(deps->supervisor, in, out, err);
}

static int
on_steer(const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    return supervisor_steer(deps->supervisor, in, out, err);
}

static int
on_abort(const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    return supervisor_abort(deps->supervisor, in, out, err);
}

static int
on_status(
    const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    const struct status_request *request = in;

    return journal_status(deps->journal, request->attempt_id, out, err);
}

static int
on_drain(const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    const struct drain_request *request = in;
    struct ack_reply *reply = out;
    int64_t running;
    int64_t capacity;
    bool before;

    (void)err;
    supervisor_load(deps->supervisor, &running, &capacity, &before);
    supervisor_drain(deps->supervisor, request->draining);
    reply->done = before != request->draining;
    return 0;
}

/* ---- workspaces ---- */

static int
on_workspaces(
    const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    const struct workspaces_request *request = in;
    struct workspaces_reply *reply = out;
    struct workspace_info *list;

    if (workspace_list(deps->root, request->limit, reply, err) != 0)
        return -1;
    list = reply->workspaces.items;
    for (size_t i = 0; i < reply->workspaces.len; i++)
        list[i].attempt_id =
            supervisor_workspace_user(deps->supervisor, list[i].key);
    return 0;
}

/* Its failure is logged and ignored. */
static void
before_remove(const struct handlers_deps *deps,
    const struct remove_workspace_request *request, const char *path)
{
    struct worker_place place = {.workspace_path = path,
        .workspace_key = request->key,
        .uid = deps->root->uid,
        .gid = deps->root->gid,
        .sandbox = &request->sandbox,
        .network = request->sandbox.network,
        .dataplane_id = journal_id(deps->journal),
        .started_at_ms = clock_wall_ms()};
    const struct workspace_job job = {
        .docker = deps->docker, .place = &place, .cancel_fd = deps->halt_fd};
    AUTO(buf_free) struct buf seccomp;
    AUTO(buf_free) struct buf output;
    struct err err = ERR_INIT;

    buf_init(&output, HOOK_OUTPUT_MAX);
    if (place.network == NULL || place.network[0] == '\0')
        place.network = deps->default_network;
    if (worker_seccomp(request->sandbox.seccomp_profile, deps->seccomp_json,
            &seccomp, &place.seccomp_json, &err) != 0 ||
        workspace_hook(&job, "before_remove", request->hooks.before_remove,
            request->hooks.timeout_ms, &output, &err) != 0)
        log_failure(NULL, "hook failed, ignored", &err);
}

static int
remove_held(const struct handlers_deps *deps,
    const struct remove_workspace_request *request, bool *removed,
    struct err *err)
{
    AUTO_FREE char *path = file_join(deps->root->path, request->key);
    char volume[WORKER_NAME_SIZE];
    struct err ignored = ERR_INIT;

    if (path == NULL)
        return err_no_memory(err);
    if (workspace_exists(deps->root, request->key, removed, err) != 0)
        return -1;
    if (*removed && request->hooks.before_remove != NULL &&
        request->sandbox.image != NULL)
        before_remove(deps, request, path);
    if (workspace_remove(deps->root, request->key, removed, err) != 0 ||
        journal_forget_workspace(deps->journal, request->key, err) != 0)
        return -1;
    worker_home_volume(journal_id(deps->journal), request->key, volume);
    if (docker_volume_remove(deps->docker, volume, &ignored) != 0 &&
        ignored.code != ERR_NOT_FOUND)
        log_failure(NULL, "cache volume not removed", &ignored);
    return 0;
}

static int
on_remove_workspace(
    const struct handlers_deps *deps, void *in, void *out, struct err *err)
{
    const struct remove_workspace_request *request = in;
    struct ack_reply *reply = out;
    int result;

    /* First, since the key becomes part of names and paths. */
    if (!workspace_key_is_valid(request->key))
        return err_set(err, ERR_INVALID, "key is not a valid workspace key");
    if (supervisor_hold_workspace(deps->supervisor, request->key, err) != 0)
        return -1;
    result = remove_held(deps, request, &reply->done, err);
    supervisor_release_workspace(deps->supervisor);
    return result;
}

/* ---- the table ---- */

int
handlers_call(const struct handlers_deps *deps, enum proto_op op, void *request,
    void *reply, struct err *err)
{
    static int (*const table[PROTO_OP_COUNT])(
        const struct handlers_deps *, void *, void *, struct err *) = {
        [OP_HELLO] = on_hello,
        [OP_DISPATCH] = on_dispatch,
        [OP_EVENTS] = on_events,
        [OP_RESPOND] = on_respond,
        [OP_STEER] = on_steer,
        [OP_ABORT] = on_abort,
        [OP_STATUS] = on_status,
        [OP_DRAIN] = on_drain,
        [OP_WORKSPACES] = on_workspaces,
        [OP_REMOVE_WORKSPACE] = on_remove_workspace,
    };

    if ((unsigned)op >= PROTO_OP_COUNT || table[op] == NULL)
        return err_set(err, ERR_METHOD, "no such operation");
    return table[op](deps, request, reply, err);
}
