/* SPDX-License-Identifier: Apache-2.0
 * SQLite: connections, statements, values, error codes. */
#include "common/db_conn.h"

#include "common/cleanup.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { BUSY_TIMEOUT_MS = 5000, LOOKASIDE_SIZE = 256, LOOKASIDE_COUNT = 100 };

struct db_stmt {
    struct db_stmt *next;
    struct db_conn *conn;
    const char *sql; /* the literal's address is the cache key */
    sqlite3_stmt *handle;
    bool no_memory; /* a db_col_dup failed */
};

struct db_conn {
    sqlite3 *handle;
    struct db_stmt *stmts;
    char *path;
};

static enum err_code
code_of(sqlite3 *handle, int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_FULL:
        return ERR_DISK_FULL;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (sqlite3_system_errno(handle) == ENOSPC ||
            sqlite3_system_errno(handle) == EDQUOT)
            return ERR_DISK_FULL;
        return ERR_STORE;
    default:
        return ERR_STORE;
    }
}

static int
fail(const struct db_conn *conn, int rc, struct err *err)
{
    int primary = rc & 0xFF;
    if (primary == SQLITE_NOTADB)
        return err_set(err, ERR_STORE,
            "%s is not a database: move it away, or restore a backup",
            conn->path);
    if (primary == SQLITE_CORRUPT)
        return err_set(err, ERR_STORE,
            "the database %s is damaged (%s): restore a backup", conn->path,
            sqlite3_errmsg(conn->handle));
    return err_set(err, code_of(conn->handle, rc), "database %s: %s",
        conn->path, sqlite3_errmsg(conn->handle));
}

/* ---- connections ---- */

static int
configure(struct db_conn *conn, int cache_kib, struct err *err)
{
    sqlite3 *handle = conn->handle;
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_LOOKASIDE, NULL,
        LOOKASIDE_SIZE, LOOKASIDE_COUNT);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_extended_result_codes(handle, 1);
    (void)sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
    char cache[64];
    (void)snprintf(cache, sizeof(cache), "PRAGMA cache_size = -%d", cache_kib);
    if (db_conn_run(conn, cache, err) != 0)
        return -1;
    return db_conn_run(conn,
        "PRAGMA trusted_schema = OFF; PRAGMA synchronous = FULL;"
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
        "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;",
        err);
}

struct db_conn *
db_conn_open(const char *path, int cache_kib, struct err *err)
{
    struct db_conn *conn = calloc(1, sizeof(*conn));
    char *copy = strdup(path);
    if (conn == NULL || copy == NULL) {
        free(conn);
        free(copy);
        (void)err_no_memory(err);
        return NULL;
    }
    conn->path = copy;
    int rc = sqlite3_open_v2(path, &conn->handle,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
        NULL);
    if (conn->handle == NULL)
        (void)err_no_memory(err);
    else if (rc != SQLITE_OK)
        (void)fail(conn, rc, err);
    else if (configure(conn, cache_kib, err) == 0)
        return conn;
    db_conn_close(conn);
    return NULL;
}

void
db_conn_close(struct db_conn *conn)
{
    if (conn == NULL)
        return;
    while (conn->stmts != NULL) {
        struct db_stmt *stmt = conn->stmts;
        conn->stmts = stmt->next;
        (void)sqlite3_finalize(stmt->handle);
        free(stmt);
    }
    (void)sqlite3_close(conn->handle);
    free(conn->path);
    free(conn);
}

int
db_conn_run(struct db_conn *conn, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(conn->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(conn, rc, err);
}

int
db_conn_int(
    struct db_conn *conn, const char *sql, int64_t *out, struct err *err)
{
    *out = 0;
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn->handle, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return fail(conn, rc, err);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    int result =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(conn, rc, err);
    (void)sqlite3_finalize(stmt);
    return result;
}

int
db_conn_check(struct db_conn *conn, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        conn->handle, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return fail(conn, rc, err);
    rc = sqlite3_step(stmt);
    int result = 0;
    if (rc != SQLITE_ROW) {
        result = fail(conn, rc, err);
    } else {
        const unsigned char *finding = sqlite3_column_text(stmt, 0);
        if (finding == NULL || strcmp((const char *)finding, "ok") != 0)
            result = err_set(err, ERR_STORE,
                "the database %s is damaged (%s): restore a backup", conn->path,
                finding != NULL ? (const char *)finding : "no memory");
    }
    (void)sqlite3_finalize(stmt);
    return result;
}

void
db_conn_reset(struct db_conn *conn)
{
    for (struct db_stmt *stmt = conn->stmts; stmt != NULL; stmt = stmt->next)
        db_done(stmt);
}

int
db_conn_in_transaction(const struct db_conn *conn)
{
    return !sqlite3_get_autocommit(conn->handle);
}

/* ---- statements ---- */

static int
prepare(struct db_conn *conn, const char *sql, struct db_stmt **out,
    struct err *err)
{
    for (struct db_stmt *stmt = conn->stmts; stmt != NULL; stmt = stmt->next) {
        if (stmt->sql == sql) {
            db_done(stmt);
            *out = stmt;
            return 0;
        }
    }
    AUTO_FREE struct db_stmt *stmt = calloc(1, sizeof(*stmt));
    if (stmt == NULL)
        return err_no_memory(err);
    int rc = sqlite3_prepare_v3(
        conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    if (rc != SQLITE_OK)
        return fail(conn, rc, err);
    stmt->conn = conn;
    stmt->sql = sql;
    stmt->next = conn->stmts;
    conn->stmts = stmt;
    *out = STEAL(stmt);
    return 0;
}

/* Copies: the arguments of a query need not outlive the call. */
static int
bind_text(sqlite3_stmt *handle, int index, const char *text)
{
    if (text == NULL)
        return sqlite3_bind_null(handle, index);
    char *copy = strdup(text);
    if (copy == NULL)
        return SQLITE_NOMEM;
    return sqlite3_bind_text(handle, index, copy, -1, free);
}

static int
bind(struct db_stmt *stmt, const char *types, va_list args, struct err *err)
{
    if ((size_t)sqlite3_bind_parameter_count(stmt->handle) != strlen(types))
        return err_set(err, ERR_INTERNAL,
            "wrong number of arguments for the statement: %s", stmt->sql);
    for (int i = 0; types[i] != '\0'; i++) {
        int rc = SQLITE_MISUSE;
        if (types[i] == 'i')
            rc = sqlite3_bind_int64(stmt->handle, i + 1, va_arg(args, int64_t));
        else if (types[i] == 'd')
            rc = sqlite3_bind_double(stmt->handle, i + 1, va_arg(args, double));
        else if (types[i] == 't')
            rc = bind_text(stmt->handle, i + 1, va_arg(args, const char *));
        if (rc == SQLITE_NOMEM)
            return err_no_memory(err);
        if (rc != SQLITE_OK)
            return fail(stmt->conn, rc, err);
    }
    return 0;
}

int
db_exec(struct db_conn *conn, struct err *err, const char *sql,
    const char *types, ...)
{
    struct db_stmt *stmt;
    if (prepare(conn, sql, &stmt, err) != 0)
        return -1;
    va_list args;
    va_start(args, types);
    int rc = bind(stmt, types, args, err);
    va_end(args);
    while (rc == 0 && (rc = db_step(stmt, err)) == 1)
        rc = 0;
    db_done(stmt);
    return rc;
}

int
db_query(struct db_conn *conn, struct err *err, struct db_stmt **out,
    const char *sql, const char *types, ...)
{
    if (prepare(conn, sql, out, err) != 0)
        return -1;
    va_list args;
    va_start(args, types);
    int rc = bind(*out, types, args, err);
    va_end(args);
    if (rc != 0)
        db_done(*out);
    return rc;
}

int
db_step(struct db_stmt *stmt, struct err *err)
{
    if (stmt->no_memory) {
        db_done(stmt);
        return err_no_memory(err);
    }
    int rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW)
        return 1;
    int result = rc == SQLITE_DONE ? 0 : fail(stmt->conn, rc, err);
    db_done(stmt);
    return result;
}

void
db_done(struct db_stmt *stmt)
{
    (void)sqlite3_reset(stmt->handle);
    (void)sqlite3_clear_bindings(stmt->handle);
    stmt->no_memory = false;
}

int64_t
db_col_int(struct db_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

double
db_col_num(struct db_stmt *stmt, int column)
{
    return sqlite3_column_double(stmt->handle, column);
}

const char *
db_col_text(struct db_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt->handle, column);
}

char *
db_col_dup(struct db_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt->handle, column) == SQLITE_NULL)
        return NULL;
    const char *text = db_col_text(stmt, column);
    char *copy = text != NULL ? strdup(text) : NULL;
    if (copy == NULL)
        stmt->no_memory = true;
    return copy;
}

int64_t
db_last_id(struct db_conn *conn)
{
    return sqlite3_last_insert_rowid(conn->handle);
}

int64_t
db_changes(struct db_conn *conn)
{
    return sqlite3_changes64(conn->handle);
}
