/* SPDX-License-Identifier: Apache-2.0
 * One run of an attempt, as the files of its straight path share it: runner.c
 * (the path), dialogue.c (while Codex works), finish.c (the way out). Only
 * the attempt's own thread touches it. */
#ifndef DATAPLANE_ATTEMPT_RUN_H
#define DATAPLANE_ATTEMPT_RUN_H

#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "dataplane/attempt/batch.h"
#include "dataplane/attempt/inbox.h"
#include "dataplane/attempt/supervisor.h"
#include "dataplane/attempt/worker.h"
#include "dataplane/codex/codex.h"

struct run {
    const struct supervisor_deps *deps;
    const struct dispatch_request *request;
    struct inbox *inbox;
    struct log_ctx log;
    char session_id[512]; /* log's, of the latest turn; "": none yet */

    enum attempt_state state; /* as the journal has it */
    bool journal_broken;      /* a write failed: only the end is tried */
    bool settled;             /* outcome and message are final */
    enum outcome outcome;
    char message[ERR_MESSAGE_MAX];

    struct buf seccomp; /* a profile read from a file */
    struct workspace workspace;
    struct worker_place place;
    bool before_run_passed;

    char container[DOCKER_ID_SIZE]; /* "": none */
    bool started;
    bool out_of_memory; /* risoluto-init said so */
    struct docker_stdin *input;
    struct docker_log *output;
    struct codex_session *session;
    struct batch batch;
    bool worked; /* a turn was begun: there may be something to commit */
};

/* The outcome, unless there is one already. Returns -1. */
int run_settle(struct run *run, enum outcome outcome, const char *message);

/* The step failed: its outcome, or the stop's when it was cancelled by one,
 * or the journal's when that is what failed. Returns -1. */
int run_failed(struct run *run, enum outcome outcome, const struct err *err);

/* -1 when a stop is wanted (the run is settled with its outcome). */
int run_check_stop(struct run *run);

/* A piece of an event's data under way: begin, write members to w, end. */
struct run_note {
    struct buf data;
    struct jw w;
};

void run_note_begin(struct run_note *note);
/* Journals the event, with a change of state (ATTEMPT_STATE_COUNT: none) and
 * container (NULL: unchanged). -1: the journal failed; the run is settled. */
int run_note_end(struct run *run, struct run_note *note, const char *type,
    enum attempt_state state, const char *container);

/* dialogue.c: from the worker's start to the session's outcome. */
void dialogue_run(struct run *run);

/* finish.c: stops, commits, cleans up, and writes the end. */
void finish_run(struct run *run);

#endif
