/* SPDX-License-Identifier: Apache-2.0
 * Collects a session's events and lines until they are committed. */
#include "dataplane/attempt/batch.h"

#include "common/cleanup.h"

#include <stdio.h>
#include <string.h>

enum {
    OUTBOX_MAX = 16 * 1024 * 1024,
    BATCH_BYTES_MAX = 64 * 1024 * 1024, /* never reached by a sane session */
    URGENT_EVENTS = 256,
    URGENT_BYTES = 512 * 1024
};

void
batch_init(struct batch *batch)
{
    *batch = (struct batch){.state = ATTEMPT_STATE_COUNT};
    buf_init_secret(&batch->outbox, OUTBOX_MAX);
}

static void
drop_entries(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->entries[i].type);
        free(batch->entries[i].data);
    }
    batch->count = 0;
    batch->bytes = 0;
}

void
batch_free(struct batch *batch)
{
    drop_entries(batch);
    free(batch->entries);
    batch->entries = NULL;
    batch->cap = 0;
    buf_free(&batch->outbox);
}

static int
grow(struct batch *batch, struct err *err)
{
    size_t cap = batch->cap == 0 ? 16 : batch->cap * 2;
    struct batch_entry *grown;

    if (batch->count < batch->cap)
        return 0;
    grown = realloc(batch->entries, cap * sizeof(*grown));
    if (grown == NULL)
        return err_no_memory(err);
    batch->entries = grown;
    batch->cap = cap;
    return 0;
}

int
batch_event(struct batch *batch, const char *type, const char *data_json,
    struct err *err)
{
    struct batch_entry entry;
    size_t len = strlen(data_json);

    if (batch->bytes + len > BATCH_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "one line made too many events");
    if (grow(batch, err) != 0)
        return -1;
    entry =
        (struct batch_entry){.type = strdup(type), .data = strdup(data_json)};
    if (entry.type == NULL || entry.data == NULL) {
        free(entry.type);
        free(entry.data);
        return err_no_memory(err);
    }
    batch->entries[batch->count++] = entry;
    batch->bytes += len;
    return 0;
}

int
batch_send(struct batch *batch, const char *line, size_t len, struct err *err)
{
    buf_append(&batch->outbox, line, len);
    return buf_check(&batch->outbox, err);
}

void
batch_cursor(struct batch *batch, const char *cursor)
{
    snprintf(batch->cursor, sizeof(batch->cursor), "%s", cursor);
    batch->moved = true;
}

bool
batch_is_pending(const struct batch *batch)
{
    return batch->count > 0 || batch->state != ATTEMPT_STATE_COUNT ||
           batch->outbox.len > 0;
}

bool
batch_is_urgent(const struct batch *batch)
{
    return batch->outbox.len > 0 || batch->count >= URGENT_EVENTS ||
           batch->bytes >= URGENT_BYTES;
}

int
batch_commit(struct batch *batch, struct journal *journal,
    const char *attempt_id, struct err *err)
{
    AUTO_FREE struct journal_entry *entries = NULL;
    struct journal_step step = {.count = batch->count,
        .state = batch->state,
        .log_cursor = batch->moved ? batch->cursor : NULL};

    /* A cursor alone can wait: lines without an event may be read twice. */
    if (batch->count == 0 && batch->state == ATTEMPT_STATE_COUNT &&
        !(batch->moved && batch->outbox.len > 0))
        return 0;
    entries = calloc(batch->count + 1, sizeof(*entries));
    if (entries == NULL)
        return err_no_memory(err);
    for (size_t i = 0; i < batch->count; i++)
        entries[i] = (struct journal_entry){.type = batch->entries[i].type,
            .data_json = batch->entries[i].data};
    step.entries = entries;
    if (journal_commit(journal, attempt_id, &step, err) != 0)
        return -1;
    drop_entries(batch);
    batch->state = ATTEMPT_STATE_COUNT;
    batch->moved = false;
    return 0;
}
