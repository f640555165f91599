/* SPDX-License-Identifier: Apache-2.0
 * How many attempts there are, by what became of them. */
#include "control/store/internal.h"

#include <string.h>

static int
query_counts(struct db_conn *conn, void *arg, struct err *err)
{
    struct attempt_counts *out = arg;
    struct db_stmt *stmt = NULL;
    int more = 0;

    memset(out, 0, sizeof(*out)); /* a repeated read starts again */
    if (db_query(conn, err, &stmt,
            "SELECT status, outcome, count(*) FROM attempts"
            " GROUP BY status, outcome",
            "") != 0)
        return -1;
    while ((more = db_step(stmt, err)) == 1) {
        int64_t count = db_col_int(stmt, 2);
        const char *outcome = db_col_text(stmt, 1);

        if (db_col_int(stmt, 0) == ATTEMPT_CLAIMED)
            out->claimed += count;
        else if (db_col_int(stmt, 0) == ATTEMPT_RUNNING)
            out->running += count;
        else
            out->ended[outcome_from_name(outcome == NULL ? "" : outcome)] +=
                count;
    }
    return more;
}

int
store_attempt_counts(
    struct store *store, struct attempt_counts *out, struct err *err)
{
    return db_read(store->db, query_counts, out, err);
}
