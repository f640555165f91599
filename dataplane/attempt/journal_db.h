/* SPDX-License-Identifier: Apache-2.0
 * What journal.c (writing) and journal_read.c (reading) share; nobody else
 * includes it. */
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

/* Newest position ever given out; 0 in a new journal. */
int journal_db_last_pos(struct db_conn *conn, int64_t *out, struct err *err);

#endif
