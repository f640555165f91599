/* SPDX-License-Identifier: Apache-2.0
 * Opening, migrating, group commit on a writer thread, snapshot reads. */
#include "common/db.h"

#include "common/cleanup.h"
#include "common/db_conn.h"
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    READERS = 2,
    WRITER_CACHE_KIB = 512,
    READER_CACHE_KIB = 256,
    WRITER_STACK = 256 * 1024,
    /* Up to here a whole check takes a few ms at start; beyond it, damage is
     * found where it is read. */
    CHECK_MAX_BYTES = 8 * 1024 * 1024
};

/* A write that waits; it lives on its caller's stack. */
struct op {
    struct op *next;
    db_fn *fn;
    void *arg;
    struct err *err;
    int rc;
    bool done;
    pthread_cond_t finished;
};

struct db {
    struct db_conn *writer;
    pthread_mutex_t lock; /* guards the queue and closing */
    pthread_cond_t work;
    struct op *head;
    struct op **tail;
    bool closing;
    pthread_t thread;
    pthread_mutex_t read_lock; /* guards busy */
    pthread_cond_t read_free;
    struct db_conn *readers[READERS];
    bool busy[READERS];
};

/* ---- group commit ---- */

/* Runs one op in a savepoint. -1: the whole transaction is lost. */
static int
run_op(struct db_conn *conn, struct op *op, struct err *err)
{
    if (db_conn_run(conn, "SAVEPOINT op", err) != 0)
        return -1;
    op->rc = op->fn(conn, op->arg, op->err) == 0 ? 0 : -1;
    db_conn_reset(conn);
    if (!db_conn_in_transaction(conn)) {
        /* SQLite gave the transaction up (disk full, I/O error). */
        *err = *op->err;
        return -1;
    }
    return db_conn_run(
        conn, op->rc == 0 ? "RELEASE op" : "ROLLBACK TO op; RELEASE op", err);
}

static int
run_ops(struct db_conn *conn, struct op *ops, struct err *err)
{
    if (db_conn_run(conn, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    for (struct op *op = ops; op != NULL; op = op->next) {
        if (run_op(conn, op, err) != 0)
            return -1;
    }
    return db_conn_run(conn, "COMMIT", err);
}

/* Either the commit is durable, or every op has failed. */
static void
run_batch(struct db_conn *conn, struct op *ops)
{
    struct err err = ERR_INIT;
    if (run_ops(conn, ops, &err) == 0)
        return;
    if (db_conn_in_transaction(conn)) {
        struct err ignored = ERR_INIT; /* the first error is the cause */
        (void)db_conn_run(conn, "ROLLBACK", &ignored);
    }
    for (struct op *op = ops; op != NULL; op = op->next) {
        if (op->rc == 0 || op->err->code == ERR_NONE)
            *op->err = err;
        op->rc = -1;
    }
}

static void
finish_batch(struct op *op)
{
    while (op != NULL) {
        struct op *next = op->next; /* op is gone once its waiter wakes */
        op->done = true;
        (void)pthread_cond_signal(&op->finished);
        op = next;
    }
}

static void *
writer_main(void *arg)
{
    struct db *db = arg;
    (void)pthread_mutex_lock(&db->lock);
    for (;;) {
        while (db->head == NULL && !db->closing)
            (void)pthread_cond_wait(&db->work, &db->lock);
        if (db->head == NULL)
            break;
        struct op *batch = db->head;
        db->head = NULL;
        db->tail = &db->head;
        (void)pthread_mutex_unlock(&db->lock);
        run_batch(db->writer, batch);
        (void)pthread_mutex_lock(&db->lock);
        finish_batch(batch);
    }
    (void)pthread_mutex_unlock(&db->lock);
    return NULL;
}

int
db_write(struct db *db, db_fn *fn, void *arg, struct err *err)
{
    if (pthread_equal(pthread_self(), db->thread))
        return err_set(err, ERR_INTERNAL, "db_write inside a db_write");
    err_clear(err);
    struct op op = {.fn = fn, .arg = arg, .err = err};
    (void)pthread_cond_init(&op.finished, NULL);
    (void)pthread_mutex_lock(&db->lock);
    if (db->closing) {
        (void)pthread_mutex_unlock(&db->lock);
        (void)pthread_cond_destroy(&op.finished);
        return err_set(err, ERR_UNAVAILABLE, "the database is closing");
    }
    *db->tail = &op;
    /* cppcheck-suppress autoVariables ; taken off before we return */
    db->tail = &op.next;
    (void)pthread_cond_signal(&db->work);
    while (!op.done)
        (void)pthread_cond_wait(&op.finished, &db->lock);
    (void)pthread_mutex_unlock(&db->lock);
    (void)pthread_cond_destroy(&op.finished);
    return op.rc;
}

/* ---- reads ---- */

static int
take_reader(struct db *db)
{
    (void)pthread_mutex_lock(&db->read_lock);
    int free_one = -1;
    for (;;) {
        for (int i = 0; i < READERS && free_one < 0; i++)
            free_one = db->busy[i] ? -1 : i;
        if (free_one >= 0)
            break;
        (void)pthread_cond_wait(&db->read_free, &db->read_lock);
    }
    db->busy[free_one] = true;
    (void)pthread_mutex_unlock(&db->read_lock);
    return free_one;
}

static void
give_reader(struct db *db, int index)
{
    (void)pthread_mutex_lock(&db->read_lock);
    db->busy[index] = false;
    (void)pthread_cond_signal(&db->read_free);
    (void)pthread_mutex_unlock(&db->read_lock);
}

int
db_read(struct db *db, db_fn *fn, void *arg, struct err *err)
{
    int index = take_reader(db);
    struct db_conn *conn = db->readers[index];
    int rc = db_conn_run(conn, "BEGIN", err);
    if (rc == 0) {
        rc = fn(conn, arg, err) == 0 ? 0 : -1;
        db_conn_reset(conn);
        struct err end = ERR_INIT;
        if (db_conn_in_transaction(conn) &&
            db_conn_run(conn, "COMMIT", &end) != 0 && rc == 0) {
            *err = end;
            rc = -1;
        }
    }
    give_reader(db, index);
    return rc;
}

/* ---- opening ---- */

/* SQLite would make it with the umask's mode; -wal and -shm inherit ours. */
static int
make_file(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    if (len >= sizeof(folder))
        return err_set(err, ERR_INVALID, "the database's path is too long");
    memcpy(folder, path, len);
    folder[len] = '\0';
    if (len > 0 && file_make_dirs(folder, 0700, err) != 0)
        return -1;
    AUTO_CLOSE int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, "cannot open the database %s", path);
    if (fchmod(fd, 0600) != 0)
        return err_sys(err, "cannot protect the database %s", path);
    return 0;
}

static int
migrate_one(
    struct db_conn *conn, const char *sql, size_t version, struct err *err)
{
    char set_version[64];
    (void)snprintf(
        set_version, sizeof(set_version), "PRAGMA user_version = %zu", version);
    if (db_conn_run(conn, "BEGIN IMMEDIATE", err) != 0)
        return -1;
    if (db_conn_run(conn, sql, err) == 0 &&
        db_conn_run(conn, set_version, err) == 0 &&
        db_conn_run(conn, "COMMIT", err) == 0)
        return 0;
    struct err ignored = ERR_INIT; /* the first error is the cause */
    if (db_conn_in_transaction(conn))
        (void)db_conn_run(conn, "ROLLBACK", &ignored);
    return err_wrap(err, "migration to version %zu", version);
}

/* Refuses a schema that is not ours; *version is the one found. */
static int
check_version(struct db_conn *conn, const struct db_options *options,
    int64_t *version, struct err *err)
{
    int64_t tables;
    if (db_conn_int(conn, "PRAGMA user_version", version, err) != 0 ||
        db_conn_int(conn, "SELECT count(*) FROM sqlite_schema", &tables, err) !=
            0)
        return -1;
    if (*version == 0 && tables > 0)
        return err_set(err, ERR_CONFLICT,
            "%s is another program's database: use another data folder",
            options->path);
    if (*version < 0 || *version > (int64_t)options->migration_count)
        return err_set(err, ERR_STATE,
            "the database %s has schema version %" PRId64
            ", this program knows %zu: use the newer program",
            options->path, *version, options->migration_count);
    return 0;
}

static int
check_content(struct db_conn *conn, struct err *err)
{
    int64_t pages;
    int64_t size;
    if (db_conn_int(conn, "PRAGMA page_count", &pages, err) != 0 ||
        db_conn_int(conn, "PRAGMA page_size", &size, err) != 0)
        return -1;
    return pages * size > CHECK_MAX_BYTES ? 0 : db_conn_check(conn, err);
}

static int
limit_size(struct db_conn *conn, int64_t max_bytes, struct err *err)
{
    if (max_bytes <= 0)
        return 0;
    int64_t size;
    if (db_conn_int(conn, "PRAGMA page_size", &size, err) != 0)
        return -1;
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %" PRId64,
        max_bytes / (size > 0 ? size : 4096) + 1);
    return db_conn_run(conn, sql, err);
}

static int
use_wal(struct db_conn *conn, const char *path, struct err *err)
{
    int64_t is_wal;
    if (db_conn_run(conn,
            "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 4194304",
            err) != 0 ||
        db_conn_int(conn,
            "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal,
            err) != 0)
        return -1;
    if (!is_wal)
        return err_set(err, ERR_STORE,
            "the file system of %s does not support SQLite's WAL: use a local "
            "one",
            path);
    return 0;
}

/* The order matters: nothing is written before the file is known as ours. */
static int
prepare_writer(
    struct db_conn *conn, const struct db_options *options, struct err *err)
{
    int64_t version;
    if (check_version(conn, options, &version, err) != 0 ||
        check_content(conn, err) != 0 || use_wal(conn, options->path, err) != 0)
        return -1;
    for (size_t i = (size_t)version; i < options->migration_count; i++) {
        if (migrate_one(conn, options->migrations[i], i + 1, err) != 0)
            return -1;
    }
    return limit_size(conn, options->max_bytes, err);
}

static int
start_writer(struct db *db, struct err *err)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, WRITER_STACK);
    /* Signals belong to the program's main thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&db->thread, &attr, writer_main, db);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    if (rc == 0)
        return 0;
    errno = rc;
    return err_sys(err, "cannot start the database's thread");
}

static void
release(struct db *db)
{
    if (db == NULL)
        return;
    /* The writer last: the last one to close folds the WAL in. */
    for (int i = 0; i < READERS; i++)
        db_conn_close(db->readers[i]);
    db_conn_close(db->writer);
    (void)pthread_mutex_destroy(&db->lock);
    (void)pthread_mutex_destroy(&db->read_lock);
    (void)pthread_cond_destroy(&db->work);
    (void)pthread_cond_destroy(&db->read_free);
    free(db);
}

static int
open_all(struct db *db, const struct db_options *options, struct err *err)
{
    if (make_file(options->path, err) != 0)
        return -1;
    db->writer = db_conn_open(options->path, WRITER_CACHE_KIB, err);
    if (db->writer == NULL || prepare_writer(db->writer, options, err) != 0)
        return -1;
    for (int i = 0; i < READERS; i++) {
        db->readers[i] = db_conn_open(options->path, READER_CACHE_KIB, err);
        if (db->readers[i] == NULL ||
            db_conn_run(db->readers[i], "PRAGMA query_only = ON", err) != 0)
            return -1;
    }
    return start_writer(db, err);
}

int
db_open(struct db **out, const struct db_options *options, struct err *err)
{
    *out = NULL;
    struct db *db = calloc(1, sizeof(*db));
    if (db == NULL)
        return err_no_memory(err);
    (void)pthread_mutex_init(&db->lock, NULL);
    (void)pthread_mutex_init(&db->read_lock, NULL);
    (void)pthread_cond_init(&db->work, NULL);
    (void)pthread_cond_init(&db->read_free, NULL);
    db->tail = &db->head;
    if (open_all(db, options, err) != 0) {
        release(db);
        return -1;
    }
    *out = db;
    return 0;
}

void
db_close(struct db *db)
{
    if (db == NULL)
        return;
    (void)pthread_mutex_lock(&db->lock);
    db->closing = true;
    (void)pthread_cond_broadcast(&db->work);
    (void)pthread_mutex_unlock(&db->lock);
    (void)pthread_join(db->thread, NULL);
    release(db);
}
