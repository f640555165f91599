/* SPDX-License-Identifier: Apache-2.0
 * While Codex works: its log feeds the session, the session's events go to the
 * journal, and then its lines go to Codex's stdin. */
#include "dataplane/attempt/run.h"

#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STDIN_TIMEOUT_MS = 10 * 1000,
    SERVICE_EVERY_MS = 50, /* in a flood of lines, look up this often */
    STOP_GRACE_MS = 5000,
    HANDLED_MAX = 128 /* ids of calls carried out, kept for repetitions */
};

struct dialogue {
    struct run *run;
    struct codex_sink sink;
    int64_t serviced_ms;
    bool stopping; /* the session was told */
    char *handled[HANDLED_MAX];
    size_t handled_next;
};

/* ---- what the session asks for ---- */

static int
sink_send(void *arg, const char *line, size_t len, struct err *err)
{
    return batch_send(arg, line, len, err);
}

static int
sink_event(void *arg, const char *type, const char *data_json, struct err *err)
{
    return batch_event(arg, type, data_json, err);
}

/* ---- carrying it out ---- */

static int
journal_failed(struct run *run, const struct err *err)
{
    log_failure(&run->log, "events not journaled", err);
    run->journal_broken = true;
    return run_settle(run, OUTCOME_JOURNAL, err->message);
}

/* A worker that is gone cannot be written to; its log says why, so that is
 * no failure here. */
static int
send_outbox(struct run *run, struct err *err)
{
    struct docker_state state;
    struct buf *outbox = &run->batch.outbox;
    size_t max = outbox->max;
    int result = 0;

    if (outbox->len == 0)
        return 0;
    if (docker_stdin_write(run->input, outbox->data, outbox->len,
            STDIN_TIMEOUT_MS, err) != 0) {
        struct err lost = ERR_INIT;
        bool running = docker_inspect(run->deps->docker, run->container, &state,
                           &lost) == 0 &&
                       state.running;

        result = running ? run_failed(run, OUTCOME_ENGINE, err) : 0;
    }
    buf_free(outbox); /* wiped: it may have held the key */
    buf_init_secret(outbox, max);
    return result;
}

/* Durable first, then sent. */
static int
flush(struct run *run)
{
    struct err err = ERR_INIT;
    enum attempt_state state = run->batch.state;

    if (batch_commit(&run->batch, run->deps->journal, run->request->attempt_id,
            &err) != 0)
        return journal_failed(run, &err);
    if (state != ATTEMPT_STATE_COUNT)
        run->state = state;
    return send_outbox(run, &err);
}

/* Lines from here on name the session: a new turn makes a new one. */
static void
note_session(struct run *run)
{
    const char *id = codex_session_id(run->session);

    if (id[0] == '\0' || strcmp(id, run->session_id) == 0)
        return;
    (void)snprintf(run->session_id, sizeof(run->session_id), "%s", id);
    run->log.session_id = run->session_id;
    log_info(&run->log, "turn started");
}

/* After each call into the session. */
static int
after_session(struct dialogue *dialogue, int result, const struct err *err)
{
    struct run *run = dialogue->run;

    if (result != 0)
        return run_failed(run, OUTCOME_INTERNAL, err);
    note_session(run);
    if (codex_session_phase(run->session) == CODEX_TURN && !run->worked) {
        run->worked = true;
        run->batch.state = ATTEMPT_TURN;
    }
    return 0;
}

/* ---- operator's calls ---- */

static bool
was_handled(const struct dialogue *dialogue, const char *id)
{
    for (size_t i = 0; i < HANDLED_MAX; i++)
        if (dialogue->handled[i] != NULL &&
            strcmp(dialogue->handled[i], id) == 0)
            return true;
    return false;
}

static void
remember(struct dialogue *dialogue, const char *id)
{
    char **slot = &dialogue->handled[dialogue->handled_next++ % HANDLED_MAX];

    free(*slot);
    *slot = strdup(id); /* without memory a repetition is not recognised */
}

static int
carry_out(
    struct dialogue *dialogue, const struct inbox_call *call, struct err *err)
{
    struct codex_session *session = dialogue->run->session;
    int64_t now = clock_mono_ms();

    if (call->kind == INBOX_STEER)
        return codex_session_steer(session, call->text, now, err);
    return codex_session_respond(session, call->id, call->text, now, err);
}

/* -1 only when the run is settled by it. */
static int
serve_call(struct dialogue *dialogue, struct inbox_call *call)
{
    struct run *run = dialogue->run;
    struct err err = ERR_INIT;
    int flushed;
    int result;

    call->repeated = was_handled(dialogue, call->id);
    if (call->repeated) {
        inbox_answer(run->inbox, call, 0, &err);
        return 0;
    }
    result = carry_out(dialogue, call, &err);
    flushed = flush(run);
    if (result == 0 && flushed != 0)
        result = err_set(&err, ERR_STORE, "%s", run->message);
    if (result == 0)
        remember(dialogue, call->id);
    inbox_answer(run->inbox, call, result, &err);
    return flushed;
}

static int
serve_stop(struct dialogue *dialogue)
{
    struct run *run = dialogue->run;
    struct err err = ERR_INIT;
    struct inbox_stop stop;

    inbox_get_stop(run->inbox, &stop);
    if (stop.at_once)
        return run_check_stop(run);
    if (!stop.wanted || dialogue->stopping)
        return 0;
    dialogue->stopping = true;
    return after_session(dialogue,
        codex_session_abort(
            run->session, stop.outcome, stop.reason, clock_mono_ms(), &err),
        &err);
}

/* Everything beside the log: journal, inbox, time-outs. */
static int
service(struct dialogue *dialogue)
{
    struct run *run = dialogue->run;
    struct inbox_call *call;
    struct err err = ERR_INIT;

    dialogue->serviced_ms = clock_mono_ms();
    inbox_clear_wake(run->inbox);
    if (flush(run) != 0 || serve_stop(dialogue) != 0)
        return -1;
    while ((call = inbox_take(run->inbox)) != NULL)
        if (serve_call(dialogue, call) != 0)
            return -1;
    if (clock_mono_ms() >= codex_session_deadline(run->session) &&
        after_session(dialogue,
            codex_session_tick(run->session, clock_mono_ms(), &err), &err) != 0)
        return -1;
    return flush(run);
}

/* ---- the log ---- */

/* The last word of risoluto-init, after Codex's last. The engine may miss that
 * the kernel killed for want of memory; the container itself does not. */
static bool
tells_oom(const struct docker_line *line)
{
    static const char word[] = "{\"risoluto_init\":\"oom\"}";

    return line->len == strlen(word) &&
           memcmp(line->text, word, line->len) == 0;
}

static int
feed_line(struct dialogue *dialogue, const struct docker_line *line)
{
    struct run *run = dialogue->run;
    struct err err = ERR_INIT;
    int result = 0;

    if (!line->is_stderr && tells_oom(line))
        run->out_of_memory = true;
    else if (line->is_stderr)
        codex_session_stderr(run->session, line->text, line->len);
    else
        result = codex_session_line(run->session, line->text, line->len,
            line->truncated, clock_mono_ms(), &err);
    if (after_session(dialogue, result, &err) != 0)
        return -1;
    batch_cursor(&run->batch, line->cursor);
    return batch_is_urgent(&run->batch) ? flush(run) : 0;
}

/* The log has ended: what became of the container? */
static int
feed_end(struct dialogue *dialogue)
{
    struct run *run = dialogue->run;
    struct docker *docker = run->deps->docker;
    struct docker_state state;
    struct err err = ERR_INIT;
    int result;

    if (flush(run) != 0)
        return -1;
    /* The log may end just before the engine notes the exit: a stop waits for
     * that, and changes nothing about a container that has ended. */
    if (docker_stop(docker, run->container, STOP_GRACE_MS, &err) != 0)
        return run_failed(run, OUTCOME_ENGINE, &err);
    if (docker_inspect(docker, run->container, &state, &err) != 0) {
        if (err.code == ERR_NOT_FOUND)
            return run_settle(run, OUTCOME_CONTAINER_LOST,
                "the container was removed from outside");
        return run_failed(run, OUTCOME_ENGINE, &err);
    }
    result = codex_session_eof(run->session, state.exit_code,
        state.oom_killed || run->out_of_memory, clock_mono_ms(), &err);
    if (after_session(dialogue, result, &err) != 0 || flush(run) != 0)
        return -1;
    if (codex_session_phase(run->session) != CODEX_DONE)
        return run_settle(
            run, OUTCOME_CODEX_EXITED, "the worker ended by itself");
    return 0;
}

/* The log broke off: because the container is gone, or the engine? */
static int
feed_failed(struct dialogue *dialogue, const struct err *err)
{
    struct run *run = dialogue->run;
    struct docker_state state = {.running = false};
    struct err look = ERR_INIT;

    if (docker_inspect(run->deps->docker, run->container, &state, &look) != 0 &&
        look.code != ERR_NOT_FOUND)
        return run_failed(run, OUTCOME_ENGINE, err);
    if (state.running)
        return run_failed(run, OUTCOME_ENGINE, err);
    return feed_end(dialogue);
}

static int64_t
time_left(const struct dialogue *dialogue)
{
    const struct run *run = dialogue->run;
    int64_t left = codex_session_deadline(run->session) - clock_mono_ms();

    /* With something to write, only take what is there at once: a burst of
     * lines shares a commit, and a single one does not wait. */
    if (batch_is_pending(&run->batch) || left < 0)
        return 0;
    return left;
}

/* One line or one pause; -1 when the run is settled. */
static int
step(struct dialogue *dialogue)
{
    struct run *run = dialogue->run;
    struct err err = ERR_INIT;
    struct docker_line line;

    switch (docker_log_next(
        run->output, run->inbox->wake_fd, time_left(dialogue), &line, &err)) {
    case 0:
        return service(dialogue);
    case 1:
        if (feed_line(dialogue, &line) != 0)
            return -1;
        if (clock_mono_ms() - dialogue->serviced_ms >= SERVICE_EVERY_MS)
            return service(dialogue);
        return 0;
    case 2:
        return feed_end(dialogue);
    default:
        return feed_failed(dialogue, &err);
    }
}

/* ---- the whole ---- */

static int
open_session(struct dialogue *dialogue)
{
    struct run *run = dialogue->run;
    struct err err = ERR_INIT;

    dialogue->sink = (struct codex_sink){
        .send = sink_send, .event = sink_event, .arg = &run->batch};
    if (codex_session_new(&run->session, run->request, run->workspace.path,
            &dialogue->sink, clock_mono_ms(), &err) != 0)
        return run_failed(run,
            err.code == ERR_CONFIG ? OUTCOME_CONFIG : OUTCOME_INTERNAL, &err);
    return 0;
}

static void
converse(struct dialogue *dialogue)
{
    struct run *run = dialogue->run;
    const char *message = "";
    enum outcome outcome;

    while (codex_session_phase(run->session) != CODEX_DONE)
        if (step(dialogue) != 0)
            return;
    if (flush(run) != 0)
        return;
    outcome = codex_session_outcome(run->session, &message);
    (void)run_settle(run, outcome, message != NULL ? message : "");
}

void
dialogue_run(struct run *run)
{
    struct dialogue dialogue = {.run = run};

    if (open_session(&dialogue) != 0)
        return;
    inbox_open(run->inbox);
    converse(&dialogue);
    inbox_close(run->inbox);
    for (size_t i = 0; i < HANDLED_MAX; i++)
        free(dialogue.handled[i]);
    codex_session_free(run->session);
    run->session = NULL;
}
