/* SPDX-License-Identifier: Apache-2.0
 * common/db: durability, group commit, undo, migrations, refusals. */
#include "common/cleanup.h"
#include "common/db.h"
#include "common/file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char root[64];
static char path[128];

static const char *const migrations[] = {
    "CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT, d REAL) STRICT;"
    "CREATE TABLE child (n INTEGER REFERENCES t (n)"
    " DEFERRABLE INITIALLY DEFERRED) STRICT",
    "CREATE TABLE second (n INTEGER) STRICT; INSERT INTO second VALUES (1)",
    "UPDATE second SET n = n + 1"};

static void
setup(void)
{
    (void)snprintf(root, sizeof(root), "/tmp/risoluto-db-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    (void)snprintf(path, sizeof(path), "%s/data/test.db", root);
}

static void
teardown(void)
{
    struct err err = ERR_INIT;
    (void)file_remove_tree(root, &err);
}

TestSuite(db, .init = setup, .fini = teardown, .timeout = 20);

static int
try_open(struct db **db, size_t version, int64_t max_bytes, struct err *err)
{
    struct db_options options = {.path = path,
        .migrations = migrations,
        .migration_count = version,
        .max_bytes = max_bytes};
    return db_open(db, &options, err);
}

static struct db *
open_db(void)
{
    struct db *db;
    struct err err = ERR_INIT;
    cr_assert_eq(try_open(&db, 3, 0, &err), 0, "%s", err.message);
    return db;
}

static int
insert(struct db_conn *conn, void *arg, struct err *err)
{
    return db_exec(
        conn, err, "INSERT INTO t (n) VALUES (?)", "i", *(const int64_t *)arg);
}

static int
insert_then_fail(struct db_conn *conn, void *arg, struct err *err)
{
    cr_assert_eq(insert(conn, arg, err), 0);
    return err_set(err, ERR_STATE, "no");
}

static int
insert_orphan(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(
        conn, err, "INSERT INTO child (n) VALUES (?)", "i", (int64_t)99999);
}

static int
count_rows(struct db_conn *conn, void *arg, struct err *err)
{
    struct db_stmt *stmt;
    if (db_query(conn, err, &stmt, "SELECT count(*) FROM t", "") != 0 ||
        db_step(stmt, err) != 1)
        return -1;
    *(int64_t *)arg = db_col_int(stmt, 0);
    return 0; /* not stepped to the end: db_read resets it */
}

static int64_t
rows(struct db *db)
{
    struct err err = ERR_INIT;
    int64_t count = -1;
    cr_assert_eq(db_read(db, count_rows, &count, &err), 0, "%s", err.message);
    return count;
}

static void
add(struct db *db, int64_t n)
{
    struct err err = ERR_INIT;
    cr_assert_eq(db_write(db, insert, &n, &err), 0, "%s", err.message);
}

Test(db, what_was_written_survives_a_kill)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct db *db = open_db();
        add(db, 1);
        _exit(0); /* no close: as if killed */
    }
    int status = -1;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    struct db *db = open_db();
    cr_assert_eq(rows(db), 1);
    db_close(db);
}

static int
check_settings(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;

    static const struct {
        const char *sql;
        const char *value;
    } settings[] = {{"PRAGMA synchronous", "2"}, /* FULL */
        {"PRAGMA journal_mode", "wal"}, {"PRAGMA foreign_keys", "1"},
        {"PRAGMA trusted_schema", "0"}};

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct db_stmt *stmt;
        cr_assert_eq(db_query(conn, err, &stmt, settings[i].sql, ""), 0);
        cr_assert_eq(db_step(stmt, err), 1);
        cr_expect_str_eq(
            db_col_text(stmt, 0), settings[i].value, "%s", settings[i].sql);
    }
    return 0;
}

/* No test can pull the plug: that a commit reaches the disk rests on these. */
Test(db, every_connection_has_the_durable_settings)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    cr_assert_eq(db_write(db, check_settings, NULL, &err), 0);
    cr_assert_eq(db_read(db, check_settings, NULL, &err), 0);
    db_close(db);
}

Test(db, files_and_folder_are_private)
{
    struct db *db = open_db();
    add(db, 1);
    static const char *const names[] = {
        "data/test.db", "data/test.db-wal", "data/test.db-shm"};
    struct stat st;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *name = file_join(root, names[i]);
        cr_assert_eq(stat(name, &st), 0);
        cr_assert_eq(st.st_mode & 07777, 0600, "%s", name);
    }
    AUTO_FREE char *folder = file_join(root, "data");
    cr_assert_eq(stat(folder, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0700);
    db_close(db);
}

Test(db, a_failing_write_undoes_only_itself)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    int64_t n = 7;
    add(db, 1);
    cr_assert_eq(db_write(db, insert_then_fail, &n, &err), -1);
    cr_assert_eq(err.code, ERR_STATE);
    cr_assert_str_eq(err.message, "no");
    cr_assert_eq(rows(db), 1);
    add(db, 7);
    db_close(db);
}

Test(db, a_broken_constraint_is_a_conflict)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    int64_t n = 1;
    add(db, 1);
    cr_assert_eq(db_write(db, insert, &n, &err), -1);
    cr_assert_eq(err.code, ERR_CONFLICT, "%s", err.message);
    db_close(db);
}

/* ---- groups: a write that waits lets others queue up behind it ---- */

struct gate {
    sem_t entered;
    sem_t open;
};

static void
gate_init(struct gate *gate)
{
    cr_assert_eq(sem_init(&gate->entered, 0, 0), 0);
    cr_assert_eq(sem_init(&gate->open, 0, 0), 0);
}

static int
pass_gate(struct db_conn *conn, void *arg, struct err *err)
{
    struct gate *gate = arg;
    (void)conn;
    (void)err;
    (void)sem_post(&gate->entered);
    while (sem_wait(&gate->open) != 0)
        ;
    return 0;
}

struct task {
    struct db *db;
    db_fn *fn;
    void *arg;
    pthread_t thread;
    struct err err;
    int rc;
    atomic_bool done;
};

static void *
task_main(void *arg)
{
    struct task *task = arg;
    task->rc = db_write(task->db, task->fn, task->arg, &task->err);
    atomic_store(&task->done, true);
    return NULL;
}

static void
task_start(struct task *task, struct db *db, db_fn *fn, void *arg)
{
    *task = (struct task){.db = db, .fn = fn, .arg = arg};
    cr_assert_eq(pthread_create(&task->thread, NULL, task_main, task), 0);
}

static void
task_join(struct task *task)
{
    cr_assert_eq(pthread_join(task->thread, NULL), 0);
}

/* Until the thread sleeps in db_write, that is, its op is queued. */
static void
settle(void)
{
    struct timespec nap = {.tv_nsec = 50000000};
    (void)nanosleep(&nap, NULL);
}

Test(db, no_write_returns_before_its_group_is_committed)
{
    struct db *db = open_db();
    struct gate first;
    struct gate last;
    gate_init(&first);
    gate_init(&last);
    struct task tasks[3];
    int64_t n = 1;
    task_start(&tasks[0], db, pass_gate, &first);
    (void)sem_wait(&first.entered);
    task_start(&tasks[1], db, insert, &n);
    settle();
    task_start(&tasks[2], db, pass_gate, &last);
    settle();
    (void)sem_post(&first.open);
    (void)sem_wait(&last.entered); /* the insert ran, in the same group */
    cr_assert_not(atomic_load(&tasks[1].done));
    cr_assert_eq(rows(db), 0);
    (void)sem_post(&last.open);
    for (int i = 0; i < 3; i++)
        task_join(&tasks[i]);
    cr_assert_eq(tasks[1].rc, 0);
    cr_assert_eq(rows(db), 1);
    db_close(db);
}

Test(db, a_failed_commit_fails_the_whole_group)
{
    struct db *db = open_db();
    struct gate gate;
    gate_init(&gate);
    struct task tasks[4];
    int64_t n = 1;
    int64_t m = 2;
    task_start(&tasks[0], db, pass_gate, &gate);
    (void)sem_wait(&gate.entered);
    task_start(&tasks[1], db, insert, &n);
    task_start(&tasks[2], db, insert_orphan, NULL); /* fails at COMMIT */
    task_start(&tasks[3], db, insert_then_fail, &m);
    settle();
    (void)sem_post(&gate.open);
    for (int i = 0; i < 4; i++)
        task_join(&tasks[i]);
    cr_assert_eq(tasks[0].rc, 0, "an earlier group is not touched");
    cr_assert_eq(tasks[1].rc, -1);
    cr_assert_eq(tasks[1].err.code, ERR_CONFLICT, "%s", tasks[1].err.message);
    cr_assert_eq(tasks[2].rc, -1);
    cr_assert_eq(tasks[3].err.code, ERR_STATE, "keeps its own error");
    cr_assert_eq(rows(db), 0);
    add(db, 3);
    cr_assert_eq(rows(db), 1);
    db_close(db);
}

static void *
write_many(void *arg)
{
    struct task *task = arg;
    for (int64_t i = 0; i < 50; i++) {
        int64_t n = *(const int64_t *)task->arg * 1000 + i;
        if (db_write(task->db, insert, &n, &task->err) != 0)
            task->rc = -1;
        if (rows(task->db) < i)
            task->rc = -1;
    }
    return NULL;
}

Test(db, many_threads_write_and_read)
{
    struct db *db = open_db();
    struct task tasks[16];
    int64_t numbers[16];
    for (int i = 0; i < 16; i++) {
        numbers[i] = i + 1;
        tasks[i] = (struct task){.db = db, .arg = &numbers[i]};
        cr_assert_eq(
            pthread_create(&tasks[i].thread, NULL, write_many, &tasks[i]), 0);
    }
    for (int i = 0; i < 16; i++) {
        task_join(&tasks[i]);
        cr_assert_eq(tasks[i].rc, 0, "%s", tasks[i].err.message);
    }
    cr_assert_eq(rows(db), 800);
    db_close(db);
}

static int
write_inside(struct db_conn *conn, void *arg, struct err *err)
{
    (void)conn;
    int64_t n = 1;
    return db_write(arg, insert, &n, err);
}

Test(db, a_write_inside_a_write_is_refused)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    cr_assert_eq(db_write(db, write_inside, db, &err), -1);
    cr_assert_eq(err.code, ERR_INTERNAL);
    db_close(db);
}

static int
write_by_read(struct db_conn *conn, void *arg, struct err *err)
{
    return insert(conn, arg, err);
}

Test(db, a_read_cannot_write)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    int64_t n = 1;
    cr_assert_eq(db_read(db, write_by_read, &n, &err), -1);
    cr_assert_eq(rows(db), 0);
    db_close(db);
}

/* ---- values ---- */

static int
all_types(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;
    static const char *const into = "INSERT INTO t VALUES (?, ?, ?)";
    char text[] = "caf\xC3\xA9";
    if (db_exec(conn, err, into, "itd", INT64_MIN, text, 0.5) != 0 ||
        db_last_id(conn) != INT64_MIN || db_changes(conn) != 1 ||
        db_exec(conn, err, into, "itd", INT64_MAX, (const char *)NULL, -1.0) !=
            0)
        return -1;
    struct db_stmt *stmt;
    char like[] = "caf%";
    if (db_query(conn, err, &stmt, "SELECT n, s, d FROM t WHERE s LIKE ?1", "t",
            like) != 0)
        return -1;
    memset(like, 'x', 3); /* the query has its own copy */
    cr_assert_eq(db_step(stmt, err), 1);
    cr_assert_eq(db_col_int(stmt, 0), INT64_MIN);
    cr_assert_str_eq(db_col_text(stmt, 1), text);
    AUTO_FREE char *copy = db_col_dup(stmt, 1);
    cr_assert_str_eq(copy, text);
    cr_assert_float_eq(db_col_num(stmt, 2), 0.5, 1e-9);
    cr_assert_eq(db_step(stmt, err), 0);
    if (db_query(conn, err, &stmt, "SELECT s FROM t WHERE n > 0", "") != 0)
        return -1;
    cr_assert_eq(db_step(stmt, err), 1);
    cr_assert_null(db_col_text(stmt, 0));
    cr_assert_null(db_col_dup(stmt, 0));
    db_done(stmt);
    return 0;
}

Test(db, values_of_all_types_come_back)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    cr_assert_eq(db_write(db, all_types, NULL, &err), 0, "%s", err.message);
    db_close(db);
}

static int
wrong_count(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(conn, err, "INSERT INTO t (n) VALUES (?)", "");
}

static int
wrong_sql(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(conn, err, "INSERT INTO \"t (n) VALUES (1)", "");
}

Test(db, mistakes_in_statements_are_errors)
{
    struct db *db = open_db();
    struct err err = ERR_INIT;
    cr_assert_eq(db_write(db, wrong_count, NULL, &err), -1);
    cr_assert_eq(err.code, ERR_INTERNAL);
    cr_assert_eq(db_write(db, wrong_sql, NULL, &err), -1);
    cr_assert_eq(err.code, ERR_STORE);
    db_close(db);
}

/* ---- opening ---- */

static int
read_second(struct db_conn *conn, void *arg, struct err *err)
{
    struct db_stmt *stmt;
    if (db_query(conn, err, &stmt, "SELECT n FROM second", "") != 0 ||
        db_step(stmt, err) != 1)
        return -1;
    *(int64_t *)arg = db_col_int(stmt, 0);
    return 0;
}

Test(db, migrations_run_once_each_and_keep_the_data)
{
    struct err err = ERR_INIT;
    struct db *db;
    cr_assert_eq(try_open(&db, 1, 0, &err), 0, "%s", err.message);
    add(db, 1);
    db_close(db);
    for (int i = 0; i < 2; i++) {
        db = open_db();
        int64_t n = 0;
        cr_assert_eq(db_read(db, read_second, &n, &err), 0, "%s", err.message);
        cr_assert_eq(n, 2);
        cr_assert_eq(rows(db), 1);
        db_close(db);
    }
}

Test(db, a_migration_that_fails_leaves_the_version_before_it)
{
    static const char *const broken[] = {
        "CREATE TABLE t (n INTEGER)", "CREATE TABLE u (n INTEGER); NONSENSE"};
    struct db_options options = {
        .path = path, .migrations = broken, .migration_count = 2};
    struct err err = ERR_INIT;
    struct db *db;
    cr_assert_eq(db_open(&db, &options, &err), -1);
    cr_assert_null(db);
    cr_assert_not_null(strstr(err.message, "version 2"), "%s", err.message);
    options.migration_count = 1;
    cr_assert_eq(db_open(&db, &options, &err), 0, "%s", err.message);
    db_close(db);
}

Test(db, a_newer_schema_is_refused)
{
    struct err err = ERR_INIT;
    db_close(open_db());
    struct db *db;
    cr_assert_eq(try_open(&db, 2, 0, &err), -1);
    cr_assert_eq(err.code, ERR_STATE);
    cr_assert_not_null(strstr(err.message, "version 3"), "%s", err.message);
}

Test(db, the_database_of_another_program_is_refused)
{
    struct err err = ERR_INIT;
    struct db *db;
    static const char *const theirs[] = {
        "CREATE TABLE x (n INTEGER); PRAGMA user_version = 0"};
    struct db_options options = {
        .path = path, .migrations = theirs, .migration_count = 1};
    cr_assert_eq(db_open(&db, &options, &err), 0, "%s", err.message);
    db_close(db);
    /* what such a program leaves: tables, and version 0 */
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_eq(pwrite(fd, "\0\0\0\0", 4, 60), 4);
    cr_assert_eq(try_open(&db, 3, 0, &err), -1);
    cr_assert_eq(err.code, ERR_CONFLICT, "%s", err.message);
}

Test(db, a_file_that_is_no_database_is_refused_and_kept)
{
    struct err err = ERR_INIT;
    struct db *db;
    AUTO_FREE char *folder = file_join(root, "data");
    char rubbish[4096];
    memset(rubbish, 'x', sizeof(rubbish));
    cr_assert_eq(file_make_dirs(folder, 0700, &err), 0);
    cr_assert_eq(
        file_write_atomic(path, rubbish, sizeof(rubbish), 0600, &err), 0);
    cr_assert_eq(try_open(&db, 3, 0, &err), -1);
    cr_assert_eq(err.code, ERR_STORE);
    cr_assert_not_null(
        strstr(err.message, "not a database"), "%s", err.message);
    struct buf back;
    buf_init(&back, 10000);
    cr_assert_eq(file_read(path, &back, &err), 0);
    cr_assert_eq(back.len, sizeof(rubbish));
    cr_assert_eq(memcmp(back.data, rubbish, back.len), 0);
    buf_free(&back);
}

Test(db, a_damaged_database_is_refused)
{
    struct db *db = open_db();
    add(db, 1);
    db_close(db);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    char rubbish[4096];
    memset(rubbish, 0xA5, sizeof(rubbish));
    cr_assert_eq(pwrite(fd, rubbish, sizeof(rubbish), 4096), 4096);
    (void)close(fd);
    struct err err = ERR_INIT;
    cr_assert_eq(try_open(&db, 3, 0, &err), -1);
    cr_assert_eq(err.code, ERR_STORE);
    cr_assert_not_null(strstr(err.message, "damaged"), "%s", err.message);
}

Test(db, a_link_is_not_opened)
{
    struct err err = ERR_INIT;
    struct db *db;
    AUTO_FREE char *folder = file_join(root, "data");
    cr_assert_eq(file_make_dirs(folder, 0700, &err), 0);
    cr_assert_eq(symlink("/tmp/elsewhere", path), 0);
    cr_assert_eq(try_open(&db, 3, 0, &err), -1);
    cr_assert_eq(err.code, ERR_SYSTEM);
}

static int
insert_big(struct db_conn *conn, void *arg, struct err *err)
{
    return db_exec(
        conn, err, "INSERT INTO t (s) VALUES (?)", "t", (const char *)arg);
}

static int
delete_all(struct db_conn *conn, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(conn, err, "DELETE FROM t", "");
}

Test(db, a_full_database_refuses_writes_until_there_is_room)
{
    struct err err = ERR_INIT;
    struct db *db;
    cr_assert_eq(
        try_open(&db, 3, INT64_C(256) * 1024, &err), 0, "%s", err.message);
    char big[20001];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    int done = 0;
    while (done < 100 && db_write(db, insert_big, big, &err) == 0)
        done++;
    cr_assert_eq(err.code, ERR_DISK_FULL, "%s", err.message);
    cr_assert_gt(done, 5);
    cr_assert_lt(done, 14);
    cr_assert_eq(rows(db), done);
    cr_assert_eq(db_write(db, delete_all, NULL, &err), 0, "%s", err.message);
    cr_assert_eq(db_write(db, insert_big, big, &err), 0, "%s", err.message);
    db_close(db);
}
