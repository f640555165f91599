/* SPDX-License-Identifier: Apache-2.0
 * What a Codex session wants done, collected over one or more lines of the
 * log: the events and the log cursor become durable in one transaction, and
 * only then is anything sent to Codex. */
#ifndef DATAPLANE_ATTEMPT_BATCH_H
#define DATAPLANE_ATTEMPT_BATCH_H

#include "common/buf.h"
#include "common/err.h"
#include "dataplane/attempt/journal.h"
#include "dataplane/docker/docker.h"

#include <stdbool.h>
#include <stddef.h>

struct batch_entry {
    char *type;
    char *data;
};

struct batch {
    struct batch_entry *entries;
    size_t count;
    size_t cap;
    size_t bytes;
    struct buf outbox; /* lines for Codex; may hold the API key */
    char cursor[DOCKER_CURSOR_SIZE];
    bool moved;               /* the cursor is newer than the journal's */
    enum attempt_state state; /* to enter; ATTEMPT_STATE_COUNT: none */
};

void batch_init(struct batch *batch);
void batch_free(struct batch *batch);

int batch_event(struct batch *batch, const char *type, const char *data_json,
    struct err *err);
int batch_send(
    struct batch *batch, const char *line, size_t len, struct err *err);
void batch_cursor(struct batch *batch, const char *cursor);

/* Anything that the journal should know soon? */
bool batch_is_pending(const struct batch *batch);
/* Something must go out now: lines for Codex, or too much to hold. */
bool batch_is_urgent(const struct batch *batch);

/* Writes events, cursor and state; the outbox stays for the caller. */
int batch_commit(struct batch *batch, struct journal *journal,
    const char *attempt_id, struct err *err);

#endif
