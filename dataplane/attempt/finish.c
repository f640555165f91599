/* SPDX-License-Identifier: Apache-2.0
 * The way out, the same for success and for every failure: the worker stopped,
 * its work committed, its container removed, the end written. */
#include "dataplane/attempt/run.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum {
    STOP_GRACE_MS = 5000,
    HALT_GRACE_MS = 1000,
    HOOK_OUTPUT_MAX = 16 * 1024,
    RETRY_FIRST_MS = 200,
    RETRY_MAX_MS = 10 * 1000
};

static bool
is_halting(struct run *run)
{
    struct inbox_stop stop;

    inbox_get_stop(run->inbox, &stop);
    return stop.at_once;
}

/* Waits before the next try; false when the data plane ends meanwhile. What
 * is left then is for the next start to clear up. */
static bool
wait_to_retry(struct run *run, int64_t *delay_ms)
{
    struct pollfd halt = {.fd = run->inbox->halt_fd, .events = POLLIN};
    int64_t until = clock_mono_ms() + *delay_ms;
    int64_t left;

    while ((left = until - clock_mono_ms()) > 0) {
        int n = poll(&halt, 1, (int)left);

        if (n > 0 || (n < 0 && errno != EINTR))
            return false;
    }
    *delay_ms = *delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : *delay_ms * 2;
    return true;
}

/* ---- the worker ---- */

static void
close_streams(struct run *run)
{
    if (run->input != NULL)
        docker_stdin_close(run->input);
    if (run->output != NULL)
        docker_log_close(run->output);
    run->input = NULL;
    run->output = NULL;
}

/* It must be down before its workspace is looked at or given to another. */
static bool
stop_worker(struct run *run, struct docker_state *state)
{
    struct docker *docker = run->deps->docker;
    struct err err = ERR_INIT;
    int64_t delay = RETRY_FIRST_MS;

    for (;;) {
        int64_t grace = is_halting(run) ? HALT_GRACE_MS : STOP_GRACE_MS;

        *state = (struct docker_state){.exit_code = -1};
        if (docker_stop(docker, run->container, grace, &err) == 0 &&
            (docker_inspect(docker, run->container, state, &err) == 0 ||
                err.code == ERR_NOT_FOUND))
            return true;
        log_failure(&run->log, "worker not stopped, trying again", &err);
        if (!wait_to_retry(run, &delay))
            return false;
    }
}

static void
note_stopped(struct run *run, const struct docker_state *state)
{
    struct run_note note;
    enum attempt_state next = run->state == ATTEMPT_FINISHING
                                  ? ATTEMPT_STATE_COUNT
                                  : ATTEMPT_FINISHING;

    run_note_begin(&note);
    jw_int(&note.w, "exit_code", state->exit_code);
    jw_bool(&note.w, "oom_killed", state->oom_killed || run->out_of_memory);
    (void)run_note_end(run, &note, "container.stopped", next, NULL);
}

static bool
remove_worker(struct run *run)
{
    struct err err = ERR_INIT;
    struct run_note note;
    int64_t delay = RETRY_FIRST_MS;

    while (docker_remove(run->deps->docker, run->container, &err) != 0) {
        log_failure(&run->log, "worker not removed, trying again", &err);
        if (!wait_to_retry(run, &delay))
            return false;
    }
    run->container[0] = '\0';
    run_note_begin(&note);
    (void)run_note_end(
        run, &note, "container.removed", ATTEMPT_STATE_COUNT, NULL);
    return true;
}

/* ---- its work ---- */

static void
write_change(struct run_note *note, const struct run *run,
    const struct workspace_change *change)
{
    jw_str(&note->w, "branch", run->request->workspace.branch);
    jw_str(&note->w, "commit", change->commit);
    jw_int(&note->w, "files", change->files);
    jw_int(&note->w, "insertions", change->insertions);
    jw_int(&note->w, "deletions", change->deletions);
}

static void
note_change(struct run *run, const struct workspace_change *change)
{
    struct run_note note;
    struct run_note bare;

    run_note_begin(&note);
    if (change->commit[0] == '\0') {
        (void)run_note_end(
            run, &note, "change.none", ATTEMPT_STATE_COUNT, NULL);
        return;
    }
    write_change(&note, run, change);
    jw_str(&note.w, "diff", change->diff);
    jw_bool(&note.w, "diff_truncated", change->diff_truncated);
    if (note.data.failed) { /* control characters grow six times in JSON */
        run_note_begin(&bare);
        write_change(&bare, run, change);
        jw_str(&bare.w, "diff", "");
        jw_bool(&bare.w, "diff_truncated", true);
        buf_free(&note.data);
        note = bare;
        note.w.out = &note.data;
    }
    (void)run_note_end(
        run, &note, "change.committed", ATTEMPT_STATE_COUNT, NULL);
}

static struct workspace_job
job_for(const struct run *run)
{
    return (struct workspace_job){.docker = run->deps->docker,
        .place = &run->place,
        .cancel_fd = run->inbox->halt_fd};
}

static void
commit_change(struct run *run)
{
    const struct workspace_job job = job_for(run);
    struct workspace_change change;
    struct err err = ERR_INIT;
    struct run_note note;

    if (workspace_commit(&job, &run->request->workspace, &change, &err) == 0) {
        note_change(run, &change);
        workspace_change_release(&change);
        return;
    }
    log_failure(&run->log, "commit failed", &err);
    run_note_begin(&note);
    jw_str(&note.w, "message", err.message);
    (void)run_note_end(run, &note, "change.failed", ATTEMPT_STATE_COUNT, NULL);
    /* The first failure is the one that counts; success was premature. */
    if (run->outcome == OUTCOME_SUCCEEDED) {
        run->settled = false;
        (void)run_settle(run, OUTCOME_COMMIT, err.message);
    }
}

static void
after_run(struct run *run)
{
    const struct workspace_job job = job_for(run);
    const struct hooks_spec *hooks = &run->request->workspace.hooks;
    AUTO(buf_free) struct buf output;
    struct err err = ERR_INIT;
    struct run_note note;

    buf_init(&output, HOOK_OUTPUT_MAX);
    if (hooks->after_run == NULL || hooks->after_run[0] == '\0')
        return;
    if (workspace_hook(&job, "after_run", hooks->after_run, hooks->timeout_ms,
            &output, &err) == 0)
        return;
    log_failure(&run->log, "hook failed, ignored", &err);
    run_note_begin(&note);
    jw_str(&note.w, "hook", "after_run");
    jw_bool(&note.w, "fatal", false);
    jw_str(&note.w, "message", err.message);
    (void)run_note_end(run, &note, "hook.failed", ATTEMPT_STATE_COUNT, NULL);
}

/* ---- the end ---- */

static void
write_end(struct run *run)
{
    struct err err = ERR_INIT;
    int64_t delay = RETRY_FIRST_MS;

    while (journal_end(run->deps->journal, run->request->attempt_id,
               run->outcome, run->message, &err) != 0) {
        /* A commit that failed in its answer only: it has ended. */
        if (err.code == ERR_STATE || err.code == ERR_NOT_FOUND)
            return;
        log_failure(&run->log, "end not journaled, trying again", &err);
        if (!wait_to_retry(run, &delay))
            return;
    }
}

/* false: the data plane ends while the engine does not answer. */
static bool
take_down(struct run *run)
{
    struct docker_state state;

    if (run->container[0] == '\0')
        return true;
    if (!stop_worker(run, &state))
        return false;
    if (run->started)
        note_stopped(run, &state);
    return true;
}

void
finish_run(struct run *run)
{
    bool down;
    bool gone;

    close_streams(run);
    down = take_down(run);
    if (down && !is_halting(run)) {
        if (run->worked)
            commit_change(run);
        if (run->before_run_passed)
            after_run(run);
    }
    gone = run->container[0] == '\0' || (down && remove_worker(run));
    /* With its container in place the attempt has not ended: the next start
     * removes it and says so. */
    if (gone)
        write_end(run);
    log_info(&run->log, "attempt ended",
        LOG_S("outcome", outcome_name(run->outcome)),
        LOG_S("message", run->message));
}
