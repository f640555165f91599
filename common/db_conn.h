/* SPDX-License-Identifier: Apache-2.0
 * One SQLite connection with its statement cache. Private to db*.c. */
#ifndef COMMON_DB_CONN_H
#define COMMON_DB_CONN_H

#include "common/db.h"

struct db_conn *db_conn_open(const char *path, int cache_kib, struct err *err);
void db_conn_close(struct db_conn *conn); /* NULL is legal */

/* Runs statements that give no rows (BEGIN, COMMIT, pragmas, migrations). */
int db_conn_run(struct db_conn *conn, const char *sql, struct err *err);

/* The first column of the first row; 0 when there is none. */
int db_conn_int(
    struct db_conn *conn, const char *sql, int64_t *out, struct err *err);

/* ERR_STORE with the first finding of PRAGMA quick_check. */
int db_conn_check(struct db_conn *conn, struct err *err);

/* Resets every statement, so that a transaction can end. */
void db_conn_reset(struct db_conn *conn);

/* Is a transaction open? SQLite may have undone it by itself. */
int db_conn_in_transaction(const struct db_conn *conn);

#endif
