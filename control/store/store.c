/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing the store, its identity, its change notice, and the
 * helpers that all its files share. */
#include "control/store/store.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "control/store/internal.h"

#include <errno.h>
#include <string.h>

static int
read_control_id(struct db_conn *conn, void *arg, struct err *err)
{
    struct store *store = arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt,
            "SELECT value FROM meta WHERE key = 'control_id'", "") < 0)
        return -1;
    int row = db_step(stmt, err);
    if (row <= 0)
        return row;
    const char *id = db_col_text(stmt, 0);
    bool valid = id != NULL && id_is_valid(id);
    if (valid)
        memcpy(store->control_id, id, ID_SIZE);
    db_done(stmt);
    return valid ? 0
                 : err_set(err, ERR_STORE,
                       "the store's control id is damaged; restore "
                       "risoluto.db from a backup");
}

static int
write_control_id(struct db_conn *conn, void *arg, struct err *err)
{
    struct store *store = arg;

    id_new(store->control_id);
    return db_exec(conn, err,
        "INSERT INTO meta(key, value) VALUES('control_id', ?)", "t",
        store->control_id);
}

static int
open_database(struct store *store, const char *data_dir, struct err *err)
{
    AUTO_FREE char *path = file_join(data_dir, "risoluto.db");

    if (path == NULL)
        return err_no_memory(err);
    const struct db_options options = {
        .path = path,
        .migrations = store_migrations,
        .migration_count = store_migration_count,
    };
    if (db_open(&store->db, &options, err) < 0)
        return -1;
    if (db_read(store->db, read_control_id, store, err) < 0)
        return -1;
    if (store->control_id[0] != '\0')
        return 0;
    return db_write(store->db, write_control_id, store, err);
}

static int
take_lock(struct store *store, const char *data_dir, struct err *err)
{
    AUTO_FREE char *path = file_join(data_dir, "control.lock");

    if (path == NULL)
        return err_no_memory(err);
    if (file_lock(path, &store->lock_fd, err) == 0)
        return 0;
    if (err->code != ERR_CONFLICT)
        return -1;
    return err_set(err, ERR_CONFLICT,
        "another control plane uses %s; stop it, or give this one its own "
        "--data-dir",
        data_dir);
}

int
store_open(struct store **out, const char *data_dir, struct err *err)
{
    *out = NULL;
    if (file_make_dirs(data_dir, 0700, err) < 0)
        return err_wrap(err, "data directory");
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return err_no_memory(err);
    store->lock_fd = -1;
    (void)pthread_mutex_init(&store->mutex, NULL);
    clock_cond_init(&store->changed);
    if (take_lock(store, data_dir, err) < 0 ||
        open_database(store, data_dir, err) < 0) {
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

void
store_close(struct store *store)
{
    if (store == NULL)
        return;
    db_close(store->db);
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd);
    (void)pthread_cond_destroy(&store->changed);
    (void)pthread_mutex_destroy(&store->mutex);
    free(store);
}

const char *
store_control_id(const struct store *store)
{
    return store->control_id;
}

int64_t
store_unknown_events(struct store *store)
{
    return atomic_load(&store->unknown_events);
}

/* ---- changes ---- */

int64_t
store_version(struct store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    int64_t version = store->version;
    (void)pthread_mutex_unlock(&store->mutex);
    return version;
}

int64_t
store_wait(struct store *store, int64_t seen, int64_t mono_deadline_ms)
{
    (void)pthread_mutex_lock(&store->mutex);
    while (store->version == seen && !store->woken) {
        if (clock_cond_wait_until(
                &store->changed, &store->mutex, mono_deadline_ms) == ETIMEDOUT)
            break;
    }
    int64_t version = store->version;
    (void)pthread_mutex_unlock(&store->mutex);
    return version;
}

void
store_wake(struct store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->woken = true;
    (void)pthread_cond_broadcast(&store->changed);
    (void)pthread_mutex_unlock(&store->mutex);
}

int
store_write(struct store *store, db_fn *fn, void *arg, struct err *err)
{
    if (db_write(store->db, fn, arg, err) < 0)
        return -1;
    (void)pthread_mutex_lock(&store->mutex);
    store->version++;
    (void)pthread_cond_broadcast(&store->changed);
    (void)pthread_mutex_unlock(&store->mutex);
    return 0;
}

/* ---- helpers ---- */

int
store_step_one(struct db_stmt *stmt, const char *what, struct err *err)
{
    int row = db_step(stmt, err);
    if (row == 0)
        return err_set(err, ERR_NOT_FOUND, "%s is not known", what);
    return row < 0 ? -1 : 0;
}

void *
store_grow(void **items, size_t len, size_t size, struct err *err)
{
    /* Full exactly when len is 0 or a power of two. */
    if ((len & (len - 1)) == 0) {
        size_t cap = len == 0 ? 1 : len * 2;
        void *grown = reallocarray(*items, cap, size);
        if (grown == NULL) {
            (void)err_no_memory(err);
            return NULL;
        }
        *items = grown;
    }
    void *place = (char *)*items + len * size;
    memset(place, 0, size);
    return place;
}

static int
quick_check(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;
    struct db_stmt *stmt = NULL;

    if (db_query(conn, err, &stmt, "PRAGMA quick_check(1)", "") < 0 ||
        store_step_one(stmt, "quick_check", err) < 0)
        return -1;
    const char *said = db_col_text(stmt, 0);
    int result = 0;
    if (said == NULL || strcmp(said, "ok") != 0)
        result = err_set(err, ERR_STORE, "risoluto.db is damaged: %s",
            said == NULL ? "no answer" : said);
    db_done(stmt);
    return result;
}

int
store_check(struct store *store, struct err *err)
{
    return db_read(store->db, quick_check, NULL, err);
}
