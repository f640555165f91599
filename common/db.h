/* SPDX-License-Identifier: Apache-2.0
 * SQLite with the durability both planes promise: WAL, synchronous=FULL,
 * migrations by version, group commit. Only db.c knows sqlite3. */
#ifndef COMMON_DB_H
#define COMMON_DB_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct db;
struct db_conn; /* handed to a db_fn; valid inside it only */
struct db_stmt;

/* Migration i brings the schema from version i to i+1 (PRAGMA user_version);
 * each runs in its own transaction. */
struct db_options {
    const char *path;
    const char *const *migrations;
    size_t migration_count;
    int64_t max_bytes; /* 0: no limit; beyond it writes give ERR_DISK_FULL */
};

/* Opens or makes the file (0600) and its folder (0700). Refused with a clear
 * error: a schema newer than ours (ERR_STATE), another program's database
 * (ERR_CONFLICT), a file that is no database or is damaged (ERR_STORE). A
 * small file is checked whole; a big one where it is read. */
int db_open(struct db **out, const struct db_options *options, struct err *err);
void db_close(struct db *db); /* waits for writes under way; NULL is legal */

typedef int db_fn(struct db_conn *conn, void *arg, struct err *err);

/* Runs fn in a savepoint of the next group commit; returns 0 only after the
 * commit is durable. When fn fails, only its own changes are undone, and its
 * error is returned. When the commit fails, every fn of the group is undone
 * and each caller gets that error. fn runs on the writer's thread, one at a
 * time, once, and must not call db_write or db_read. */
int db_write(struct db *db, db_fn *fn, void *arg, struct err *err);

/* Runs fn on a read snapshot, on this thread. Two may run at a time, while
 * writes go on. fn must not call db_write or db_read. */
int db_read(struct db *db, db_fn *fn, void *arg, struct err *err);

/* types: one letter an argument: i int64_t, t const char * (NULL: null),
 * d double. sql must be a string literal: statements are cached by address.
 * ERR_CONFLICT: a constraint forbids it. */
int db_exec(struct db_conn *conn, struct err *err, const char *sql,
    const char *types, ...);

/* Binds as db_exec; then step through the rows. The statement belongs to the
 * connection; it is reset by its last step, by db_done, or by reuse. */
int db_query(struct db_conn *conn, struct err *err, struct db_stmt **out,
    const char *sql, const char *types, ...);
int db_step(struct db_stmt *stmt, struct err *err); /* 1 row, 0 end, -1 */
void db_done(struct db_stmt *stmt);

int64_t db_col_int(struct db_stmt *stmt, int column);
double db_col_num(struct db_stmt *stmt, int column);
/* NULL for null; valid until the next step. */
const char *db_col_text(struct db_stmt *stmt, int column);
/* A copy to free; NULL for null. On no memory: NULL, and the statement's
 * next db_step fails. */
char *db_col_dup(struct db_stmt *stmt, int column);

int64_t db_last_id(struct db_conn *conn);
int64_t db_changes(struct db_conn *conn);

#endif
