/* SPDX-License-Identifier: Apache-2.0
 * What every step of a run does the same way: how it settles, fails, and tells
 * the journal. */
#include "dataplane/attempt/run.h"

#include <stdio.h>

int
run_settle(struct run *run, enum outcome outcome, const char *message)
{
    if (run->settled)
        return -1;
    run->settled = true;
    run->outcome = outcome;
    snprintf(run->message, sizeof(run->message), "%s", message);
    return -1;
}

int
run_check_stop(struct run *run)
{
    struct inbox_stop stop;

    inbox_get_stop(run->inbox, &stop);
    if (!stop.wanted)
        return 0;
    return run_settle(run, stop.outcome, stop.reason);
}

int
run_failed(struct run *run, enum outcome outcome, const struct err *err)
{
    if (err->code == ERR_CANCELLED && run_check_stop(run) != 0)
        return -1;
    if (err->code == ERR_NO_MEMORY)
        outcome = OUTCOME_INTERNAL;
    return run_settle(run, outcome, err->message);
}

void
run_note_begin(struct run_note *note)
{
    buf_init(&note->data, JOURNAL_EVENT_MAX);
    jw_init(&note->w, &note->data);
    jw_obj(&note->w, NULL);
}

static int
write_note(struct run *run, const struct run_note *note, const char *type,
    enum attempt_state state, const char *container, struct err *err)
{
    if (buf_check(&note->data, err) != 0)
        return -1;
    return journal_state(run->deps->journal, run->request->attempt_id, state,
        container, type, buf_str(&note->data), err);
}

int
run_note_end(struct run *run, struct run_note *note, const char *type,
    enum attempt_state state, const char *container)
{
    struct err err = ERR_INIT;
    int result = 0;

    jw_end_obj(&note->w);
    if (!run->journal_broken) {
        result = write_note(run, note, type, state, container, &err);
        if (result == 0 && state != ATTEMPT_STATE_COUNT)
            run->state = state;
    }
    buf_free(&note->data);
    if (result == 0)
        return 0;
    log_failure(&run->log, "event not journaled", &err);
    run->journal_broken = true;
    return run_settle(run, OUTCOME_JOURNAL, err.message);
}
