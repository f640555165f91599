/* SPDX-License-Identifier: Apache-2.0
 * What the journal*.c files share; nobody else includes it. */
#ifndef DATAPLANE_ATTEMPT_JOURNAL_DB_H
#define DATAPLANE_ATTEMPT_JOURNAL_DB_H

#include "common/db.h"
#include "common/id.h"
#include "dataplane/attempt/journal.h"

#include <pthread.h>

struct journal {
    struct db *db;
    int lock_fd;
    char id[ID_SIZE];
    int64_t max_bytes;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    uint64_t version; /* grows with each commit that added events */
    int64_t pruned;   /* highest acknowledged position */
    bool closing;
};

/* A step of an attempt, and what it found. */
struct journal_step_job {
    struct journal *journal;
    const char *attempt_id;
    const struct journal_step *step;
    const char *outcome; /* NULL: it goes on */
    const char *message;
    int64_t reserve; /* bytes beyond max_bytes that it may use */

    enum attempt_state state; /* as stored */
    int64_t seq;
    int64_t pos;
};

/* A db_fn: arg is a struct journal_step_job. */
int journal_db_step(struct db_conn *conn, void *arg, struct err *err);
/* After a commit that added events: wakes those who wait for them. */
void journal_db_announce(struct journal *journal);

/* Newest position ever given out; 0 in a new journal. */
int journal_db_last_pos(struct db_conn *conn, int64_t *out, struct err *err);

#endif
