/* SPDX-License-Identifier: Apache-2.0
 * The straight path of an attempt: workspace, hooks, container, Codex. Every
 * step is in the journal before the next one begins. */
#include "dataplane/attempt/runner.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/attempt/run.h"
#include "dataplane/init/bundle.h"

#include <stdio.h>
#include <string.h>

enum {
    PREPARE_TIMEOUT_MS = 10 * 60 * 1000,
    BUNDLE_TIMEOUT_MS = 10 * 1000,
    HOOK_OUTPUT_MAX = 16 * 1024
};

/* ---- the place ---- */

static int
check_image(struct run *run)
{
    const char *image = run->request->sandbox.image;
    struct err err = ERR_INIT;
    char message[ERR_MESSAGE_MAX];
    bool exists = false;

    if (docker_image_exists(run->deps->docker, image, &exists, &err) != 0)
        return run_failed(run, OUTCOME_ENGINE, &err);
    if (exists)
        return 0;
    snprintf(message, sizeof(message),
        "image %s is not on this host: build it (make images), docker load or "
        "docker pull it, or correct codex.sandbox.image",
        image);
    return run_settle(run, OUTCOME_IMAGE, message);
}

static int
choose_seccomp(struct run *run)
{
    struct err err = ERR_INIT;

    if (worker_seccomp(run->request->sandbox.seccomp_profile,
            run->deps->seccomp_json, &run->seccomp, &run->place.seccomp_json,
            &err) != 0)
        return run_failed(run, OUTCOME_SANDBOX, &err);
    return 0;
}

static int
ensure_home(struct run *run)
{
    const struct docker_label labels[] = {
        {.name = WORKER_LABEL_DATAPLANE, .value = run->place.dataplane_id},
        {.name = "risoluto.workspace", .value = run->place.workspace_key}};
    char volume[WORKER_NAME_SIZE];
    struct err err = ERR_INIT;

    worker_home_volume(
        run->place.dataplane_id, run->place.workspace_key, volume);
    if (docker_volume_ensure(
            run->deps->docker, volume, labels, ARRAY_LEN(labels), &err) != 0)
        return run_failed(run, OUTCOME_ENGINE, &err);
    return 0;
}

static void
describe_place(struct run *run)
{
    const struct dispatch_request *request = run->request;
    const char *network = request->sandbox.network;

    run->place = (struct worker_place){
        .workspace_key = request->workspace.key,
        .uid = run->deps->root->uid,
        .gid = run->deps->root->gid,
        .sandbox = &request->sandbox,
        .network = network != NULL && network[0] != '\0'
                       ? network
                       : run->deps->default_network,
        .dataplane_id = journal_id(run->deps->journal),
        .attempt_id = request->attempt_id,
        .issue_identifier = request->issue.identifier,
        .model = request->codex.model,
        .started_at_ms = clock_wall_ms(),
    };
}

/* ---- hooks ---- */

static int
hook_failed(struct run *run, const char *name, const struct err *err)
{
    struct run_note note;

    if (err->code == ERR_CANCELLED)
        return run_failed(run, OUTCOME_HOOK, err);
    run_note_begin(&note);
    jw_str(&note.w, "hook", name);
    jw_bool(&note.w, "fatal", true);
    jw_str(&note.w, "message", err->message);
    (void)run_note_end(run, &note, "hook.failed", ATTEMPT_STATE_COUNT, NULL);
    if (err->code == ERR_INVALID || err->code == ERR_TIMEOUT)
        return run_failed(run, OUTCOME_HOOK, err);
    return run_failed(
        run, err->code == ERR_NOT_FOUND ? OUTCOME_IMAGE : OUTCOME_ENGINE, err);
}

static int
run_hook(struct run *run, const char *name, const char *script)
{
    const struct workspace_job job = {.docker = run->deps->docker,
        .place = &run->place,
        .cancel_fd = run->inbox->cancel_fd};
    AUTO(buf_free) struct buf output;
    struct err err = ERR_INIT;
    struct run_note note;
    int64_t begun = clock_mono_ms();

    buf_init(&output, HOOK_OUTPUT_MAX);
    if (script == NULL || script[0] == '\0')
        return 0;
    log_info(&run->log, "hook started", LOG_S("hook", name));
    if (workspace_hook(&job, name, script,
            run->request->workspace.hooks.timeout_ms, &output, &err) != 0) {
        log_failure(&run->log, "hook failed", &err);
        return hook_failed(run, name, &err);
    }
    run_note_begin(&note);
    jw_str(&note.w, "hook", name);
    jw_int(&note.w, "ms", clock_mono_ms() - begun);
    return run_note_end(
        run, &note, "hook.completed", ATTEMPT_STATE_COUNT, NULL);
}

/* after_create's failure is fatal to the workspace: the next attempt makes it
 * anew. (A crash here leaves it unsettled, with the same effect.) */
static int
complete_workspace(struct run *run)
{
    const char *key = run->request->workspace.key;
    struct err err = ERR_INIT;
    bool removed;

    if (!run->workspace.created)
        return 0;
    if (run_hook(run, "after_create",
            run->request->workspace.hooks.after_create) != 0) {
        if (workspace_remove(run->deps->root, key, &removed, &err) != 0)
            log_failure(&run->log, "new workspace not removed", &err);
        return -1;
    }
    if (workspace_settle(run->deps->root, key, &err) != 0)
        return run_failed(run, OUTCOME_WORKSPACE, &err);
    return 0;
}

/* ---- the workspace ---- */

static int
make_workspace(struct run *run)
{
    const struct workspace_limits limits = {
        .timeout_ms = PREPARE_TIMEOUT_MS, .cancel_fd = run->inbox->cancel_fd};
    struct err err = ERR_INIT;
    struct run_note note;

    if (workspace_prepare(run->deps->root, &run->request->workspace, &limits,
            &run->workspace, &err) != 0)
        return run_failed(run, OUTCOME_WORKSPACE, &err);
    run->place.workspace_path = run->workspace.path;
    run_note_begin(&note);
    jw_str(&note.w, "path", run->workspace.path);
    jw_str(&note.w, "branch", run->request->workspace.branch);
    jw_bool(&note.w, "created", run->workspace.created);
    return run_note_end(
        run, &note, "workspace.ready", ATTEMPT_STATE_COUNT, NULL);
}

static int
prepare(struct run *run)
{
    struct run_note note;

    run_note_begin(&note);
    jw_str(&note.w, "workspace_key", run->request->workspace.key);
    if (run_note_end(
            run, &note, "workspace.preparing", ATTEMPT_WORKSPACE, NULL) != 0)
        return -1;
    describe_place(run);
    if (check_image(run) != 0 || choose_seccomp(run) != 0 ||
        ensure_home(run) != 0 || run_check_stop(run) != 0 ||
        make_workspace(run) != 0 || run_check_stop(run) != 0 ||
        complete_workspace(run) != 0)
        return -1;
    if (run_hook(run, "before_run", run->request->workspace.hooks.before_run) !=
        0)
        return -1;
    run->before_run_passed = true;
    return run_check_stop(run);
}

/* ---- the container ---- */

static int
create_container(struct run *run)
{
    struct worker_spec spec;
    struct err err = ERR_INIT;
    struct run_note note;

    worker_spec(&spec, &run->place);
    run_note_begin(&note);
    jw_str(&note.w, "image", run->request->sandbox.image);
    jw_str(&note.w, "network", run->place.network);
    if (run_note_end(
            run, &note, "container.creating", ATTEMPT_CREATING, NULL) != 0)
        return -1;
    if (docker_create(run->deps->docker, &spec.create, run->container, &err) !=
        0) {
        run->container[0] = '\0';
        return run_failed(run,
            err.code == ERR_NOT_FOUND ? OUTCOME_IMAGE : OUTCOME_ENGINE, &err);
    }
    run_note_begin(&note);
    jw_str(&note.w, "container", spec.name);
    jw_str(&note.w, "container_id", run->container);
    jw_str(&note.w, "image", run->request->sandbox.image);
    return run_note_end(
        run, &note, "container.created", ATTEMPT_STARTING, spec.name);
}

static int
write_bundle(struct run *run)
{
    AUTO(buf_free) struct buf bundle;
    struct err err = ERR_INIT;

    buf_init(&bundle, BUNDLE_BYTES_MAX + BUNDLE_PATH_MAX);
    if (codex_bundle(run->request, run->workspace.path, &bundle, &err) != 0)
        return run_failed(run,
            err.code == ERR_CONFIG ? OUTCOME_CONFIG : OUTCOME_INTERNAL, &err);
    if (docker_stdin_open(
            run->deps->docker, run->container, &run->input, &err) != 0 ||
        docker_stdin_write(
            run->input, bundle.data, bundle.len, BUNDLE_TIMEOUT_MS, &err) != 0)
        /* A worker that died at once: its log tells, so read on. */
        log_failure(&run->log, "bundle not written", &err);
    return 0;
}

static int
start_container(struct run *run)
{
    struct docker *docker = run->deps->docker;
    struct err err = ERR_INIT;
    struct run_note note;

    if (docker_start(docker, run->container, &err) != 0)
        return run_failed(run, OUTCOME_ENGINE, &err);
    run->started = true;
    if (docker_log_open(docker, run->container, "", CODEX_LINE_MAX,
            &run->output, &err) != 0)
        return run_failed(run, OUTCOME_ENGINE, &err);
    if (write_bundle(run) != 0)
        return -1;
    run_note_begin(&note);
    return run_note_end(
        run, &note, "container.started", ATTEMPT_STATE_COUNT, NULL);
}

/* ---- the whole ---- */

void
runner_run(const struct supervisor_deps *deps,
    const struct dispatch_request *request, struct inbox *inbox)
{
    struct run run = {.deps = deps,
        .request = request,
        .inbox = inbox,
        .state = ATTEMPT_ACCEPTED,
        .outcome = OUTCOME_INTERNAL,
        .log = {.issue_id = request->issue.id,
            .issue_identifier = request->issue.identifier,
            .attempt_id = request->attempt_id}};

    batch_init(&run.batch);
    log_info(&run.log, "attempt started");
    if (prepare(&run) == 0 && create_container(&run) == 0 &&
        run_check_stop(&run) == 0 && start_container(&run) == 0)
        dialogue_run(&run);
    finish_run(&run);
    batch_free(&run.batch);
    buf_free(&run.seccomp);
    workspace_release(&run.workspace);
}
