/* SPDX-License-Identifier: Apache-2.0
 * The Docker client against the real engine. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/engine.h"
#include "dataplane/docker/seccomp.h"
#include "tests/support/container.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define OK(call) cr_assert((call) == 0, "%s", err.message)
#define SH(script)                                                             \
    (const char *const[])                                                      \
    {                                                                          \
        "sh", "-c", script, NULL                                               \
    }

enum { LINE_MAX_BYTES = 256 * 1024, WAIT_MS = 20 * 1000 };

static struct docker *engine;
static struct err err;
static char name[TEST_NAME_SIZE];
static char id[DOCKER_ID_SIZE];

static void
setup(void)
{
    const char *why = NULL;

    engine = test_engine(TEST_IMAGE, &why);
    if (engine == NULL)
        cr_skip_test("%s", why);
    test_name(name);
}

static void
teardown(void)
{
    test_clean(engine);
    engine = NULL;
}

TestSuite(docker, .init = setup, .fini = teardown, .timeout = 60);

static void
start(const struct docker_create *spec)
{
    OK(docker_create(engine, spec, id, &err));
    OK(docker_start(engine, id, &err));
}

static struct docker_log *
follow(const char *cursor, size_t line_max)
{
    struct docker_log *log = NULL;

    OK(docker_log_open(engine, id, cursor, line_max, &log, &err));
    return log;
}

static void
next_line(struct docker_log *log, struct docker_line *line)
{
    int got = docker_log_next(log, -1, WAIT_MS, line, &err);

    cr_assert_eq(got, 1, "%d: %s", got, err.message);
}

static void
wait_end(void)
{
    int64_t code = 0;

    OK(docker_wait(engine, id, -1, clock_mono_ms() + WAIT_MS, &code, &err));
}

Test(docker, answers_with_its_version)
{
    char version[64] = "";

    OK(docker_ping(engine, version, &err));
    cr_assert(version[0] >= '1' && version[0] <= '9', "%s", version);
}

Test(docker, runs_a_container_through_its_life)
{
    const char *const command[] = {"sleep", "60", NULL};
    struct docker_create spec = test_spec(name, command);
    struct docker_state state;

    OK(docker_create(engine, &spec, id, &err));
    OK(docker_inspect(engine, id, &state, &err));
    cr_assert_str_eq(state.status, "created");
    OK(docker_start(engine, id, &err));
    OK(docker_start(engine, id, &err)); /* again is no error */
    OK(docker_inspect(engine, name, &state, &err));
    cr_assert(state.running);
    OK(docker_stop(engine, id, 0, &err));
    OK(docker_stop(engine, id, 0, &err));
    OK(docker_inspect(engine, id, &state, &err));
    cr_assert_not(state.running);
    cr_assert_eq(state.exit_code, 137);
    cr_assert_not(state.oom_killed);
    OK(docker_remove(engine, id, &err));
    OK(docker_remove(engine, id, &err));
    OK(docker_stop(engine, id, 0, &err));
    cr_assert_eq(docker_inspect(engine, id, &state, &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
}

static int64_t
host_int(const struct json *json, const char *key)
{
    return json_int(json_get(json_get(json, "HostConfig"), key), -1);
}

Test(docker, limits_and_boundaries_stand_in_inspect)
{
    const char *const command[] = {"sleep", "60", NULL};
    struct docker_create spec = test_spec(name, command);
    AUTO(docker_reply_release) struct docker_reply reply = {0};
    AUTO(buf_free) struct buf target = {0};
    struct docker_request request = {
        .method = "GET", .deadline_ms = clock_mono_ms() + WAIT_MS};

    spec.memory = "64m";
    spec.memory_reservation = "32m";
    spec.memory_swap = "64m";
    spec.cpus = "0.5";
    spec.pids_limit = 77;
    spec.log_max_size = "50m";
    spec.log_max_file = 3;
    spec.seccomp_json = seccomp_profile_json;
    spec.open_stdin = true;
    OK(docker_create(engine, &spec, id, &err));
    OK(docker_container_target(&target, id, "/json", &err));
    request.target = buf_str(&target);
    OK(docker_call_ok(engine, &request, "inspect", &reply, &err));
    cr_assert_eq(host_int(reply.json, "Memory"), 64 << 20);
    cr_assert_eq(host_int(reply.json, "MemoryReservation"), 32 << 20);
    cr_assert_eq(host_int(reply.json, "MemorySwap"), 64 << 20);
    cr_assert_eq(host_int(reply.json, "NanoCpus"), 500000000);
    cr_assert_eq(host_int(reply.json, "PidsLimit"), 77);
    cr_assert(json_bool(json_path(reply.json, "Config.OpenStdin"), false));
    cr_assert_not(json_bool(json_path(reply.json, "Config.StdinOnce"), true));
    cr_assert_not(
        json_bool(json_path(reply.json, "HostConfig.Privileged"), true));
    cr_assert_str_eq(
        json_str(json_path(reply.json, "Config.User"), ""), "1000:1000");
    cr_assert_str_eq(
        json_str(
            json_path(reply.json, "HostConfig.LogConfig.Config.max-size"), ""),
        "50m");
}

static void
job(const struct docker_create *spec, struct buf *out, int64_t *exit_code)
{
    struct docker_job_result result;

    OK(docker_job(engine, spec, WAIT_MS, -1, out, &result, &err));
    cr_assert_not(result.timed_out);
    *exit_code = result.exit_code;
}

Test(docker, a_worker_has_no_power)
{
    struct docker_create spec = test_spec(
        name, SH("id -u; id -g; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "
                 "/proc/self/status; ls /sys/class/net"));
    AUTO(buf_free) struct buf out = {0};
    int64_t code = -1;

    buf_init(&out, 4096);
    spec.seccomp_json = seccomp_profile_json;
    job(&spec, &out, &code);
    cr_assert_eq(code, 0);
    cr_assert_str_eq(buf_str(&out),
        "1000\n1000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
        "NoNewPrivs:\t1\nSeccomp:\t2\nlo\n");
}

Test(docker, mounts_are_what_was_asked_for)
{
    char dir[] = "/tmp/risoluto-test-mount-XXXXXX";
    char path[64];
    struct docker_create spec = test_spec(name, NULL);
    AUTO(buf_free) struct buf out = {0};
    int64_t code = -1;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chmod(dir, 0777), 0);
    const struct docker_mount mounts[] = {
        {.type = "bind", .source = dir, .target = "/workspace"},
        {.type = "bind", .source = dir, .target = "/ro", .read_only = true},
        {.type = "tmpfs",
            .target = "/scratch",
            .tmpfs_size = "8m",
            .tmpfs_mode = 0700},
        {.type = "tmpfs", .target = "/vol/deep/er", .tmpfs_mode = 0700},
        {.type = "volume", .source = name, .target = "/vol"},
    };
    buf_init(&out, 4096);
    spec.mounts = mounts;
    spec.mount_count = ARRAY_LEN(mounts) - 2;
    spec.command = SH("set -e; touch /workspace/made /scratch/x; "
                      "cp /bin/true /scratch/true; /scratch/true; "
                      "stat -c '%a %u:%g' /scratch; "
                      "! touch /ro/x 2>/dev/null; "
                      "df --output=size -k /scratch | tail -1 | tr -d ' '");
    job(&spec, &out, &code);
    cr_assert_str_eq(buf_str(&out), "700 1000:1000\n8192\n");
    cr_assert_eq(code, 0);
    (void)snprintf(path, sizeof(path), "%s/made", dir);
    cr_expect_eq(unlink(path), 0, "the file is on the host");
    cr_expect_eq(rmdir(dir), 0);

    /* A tmpfs below a volume is mounted on it, whatever their order here. */
    buf_clear(&out);
    spec.mounts = mounts + 3;
    spec.mount_count = 2;
    spec.command = SH("touch /vol/deep/er/x && df -T /vol/deep/er | tail -1");
    job(&spec, &out, &code);
    cr_expect_eq(code, 0, "%s", buf_str(&out));
    cr_expect(strncmp(buf_str(&out), "tmpfs", 5) == 0, "%s", buf_str(&out));
    OK(docker_volume_remove(engine, name, &err));
}

Test(docker, stdin_carries_lines_and_survives_a_new_client)
{
    const char *const command[] = {"cat", NULL};
    struct docker_create spec = test_spec(name, command);
    struct docker_stdin *in = NULL;
    struct docker_log *log = NULL;
    struct docker_line line;
    char text[32];

    spec.open_stdin = true;
    start(&spec);
    log = follow("", LINE_MAX_BYTES);
    for (int client = 0; client < 2; client++) {
        OK(docker_stdin_open(engine, id, &in, &err));
        for (int i = 0; i < 50; i++) {
            int n = snprintf(text, sizeof(text), "line %d of %d\n", i, client);

            OK(docker_stdin_write(in, text, (size_t)n, WAIT_MS, &err));
            next_line(log, &line);
            cr_assert_eq(line.len, (size_t)n - 1);
            cr_assert_eq(memcmp(line.text, text, line.len), 0);
            cr_assert_not(line.is_stderr);
        }
        docker_stdin_close(in);
    }
    cr_assert_eq(docker_log_next(log, -1, 50, &line, &err), 0, "idle");
    docker_log_close(log);
}

Test(docker, a_large_write_reaches_a_slow_reader)
{
    struct docker_create spec = test_spec(name, SH("sleep 1; md5sum"));
    struct docker_stdin *in = NULL;
    static char data[1024 * 1024];
    struct docker_state state;

    /* The reader never ends, as its stdin never does: the write must. */
    spec.open_stdin = true;
    start(&spec);
    OK(docker_stdin_open(engine, id, &in, &err));
    memset(data, 'x', sizeof(data));
    OK(docker_stdin_write(in, data, sizeof(data), WAIT_MS, &err));
    docker_stdin_close(in);
    OK(docker_inspect(engine, id, &state, &err));
    cr_assert(state.running);
}

Test(docker, a_write_that_nobody_reads_times_out)
{
    struct docker_create spec = test_spec(name, SH("sleep 60"));
    struct docker_stdin *in = NULL;
    static char data[8 * 1024 * 1024];

    spec.open_stdin = true;
    start(&spec);
    OK(docker_stdin_open(engine, id, &in, &err));
    cr_assert_eq(docker_stdin_write(in, data, sizeof(data), 300, &err), -1);
    cr_assert_eq(err.code, ERR_TIMEOUT, "%s", err.message);
    cr_assert_eq(docker_stdin_write(in, "x", 1, 300, &err), -1);
    cr_assert_eq(err.code, ERR_STATE);
    docker_stdin_close(in);
}

Test(docker, writing_to_an_ended_container_fails)
{
    struct docker_create spec = test_spec(name, SH("read line"));
    struct docker_stdin *in = NULL;
    int failed = 0;

    spec.open_stdin = true;
    start(&spec);
    OK(docker_stdin_open(engine, id, &in, &err));
    OK(docker_stdin_write(in, "go\n", 3, WAIT_MS, &err));
    wait_end();
    for (int i = 0; i < 200 && failed == 0; i++) {
        (void)poll(NULL, 0, 10);
        failed = docker_stdin_write(in, "more\n", 5, 1000, &err);
    }
    cr_assert_eq(failed, -1);
    cr_assert_eq(err.code, ERR_UNAVAILABLE, "%s", err.message);
    docker_stdin_close(in);
    cr_assert_eq(docker_stdin_open(engine, id, &in, &err), -1);
    cr_assert_eq(err.code, ERR_STATE, "%s", err.message);
}

/* Both streams at once, with lines long enough to come in pieces. */
static const char talk[] =
    "long=$(head -c 20000 /dev/zero | tr '\\0' x)\n"
    "(i=0; while [ $i -lt 400 ]; do case $i in *7) t=$long;; *) t=x;; esac\n"
    "  echo \"$i $t\"; i=$((i+1)); done) &\n"
    "(i=0; while [ $i -lt 400 ]; do echo \"$i e\" >&2; i=$((i+1)); done) &\n"
    "wait";

Test(docker, a_log_resumes_without_gap_or_duplicate)
{
    struct docker_create spec = test_spec(name, SH(talk));
    struct docker_log *log = NULL;
    struct docker_line line;
    char cursor[DOCKER_CURSOR_SIZE] = "";
    long next[2] = {0, 0};
    int got = 1;

    start(&spec);
    /* Reopened after 1, 2, 3 ... lines, while it grows and afterwards. */
    for (int open = 1; got == 1; open++) {
        log = follow(cursor, LINE_MAX_BYTES);
        for (int i = 0; i < open && got == 1; i++) {
            got = docker_log_next(log, -1, WAIT_MS, &line, &err);
            if (got != 1)
                break;
            cr_assert_eq(strtol(line.text, NULL, 10), next[line.is_stderr],
                "stream %d at %.20s, expected %ld", line.is_stderr, line.text,
                next[line.is_stderr]);
            if (!line.is_stderr && next[0] % 10 == 7)
                cr_assert_gt(line.len, 20000);
            next[line.is_stderr]++;
            (void)snprintf(cursor, sizeof(cursor), "%s", line.cursor);
        }
        docker_log_close(log);
    }
    cr_assert_eq(got, 2, "%d: %s", got, err.message);
    cr_assert_eq(next[0], 400);
    cr_assert_eq(next[1], 400);
}

Test(docker, long_lines_come_whole_up_to_the_limit)
{
    struct docker_create spec = test_spec(
        name, SH("head -c 60000 /dev/zero | tr '\\0' a; echo; "
                 "head -c 1000000 /dev/zero | tr '\\0' b; echo; echo; "
                 "printf 'no newline'"));
    struct docker_log *log = NULL;
    struct docker_line line;

    start(&spec);
    log = follow("", LINE_MAX_BYTES);
    next_line(log, &line);
    cr_assert_eq(line.len, 60000);
    cr_assert_not(line.truncated);
    next_line(log, &line);
    cr_assert_eq(line.len, LINE_MAX_BYTES);
    cr_assert(line.truncated);
    cr_assert_eq(line.text[LINE_MAX_BYTES - 1], 'b');
    next_line(log, &line);
    cr_assert_eq(line.len, 0);
    next_line(log, &line);
    cr_assert_str_eq(line.text, "no newline");
    cr_assert_eq(docker_log_next(log, -1, WAIT_MS, &line, &err), 2);
    cr_assert_eq(docker_log_next(log, -1, WAIT_MS, &line, &err), 2);
    docker_log_close(log);

    log = follow("", 2097152);
    next_line(log, &line);
    next_line(log, &line);
    cr_assert_eq(line.len, 1000000);
    cr_assert_not(line.truncated);
    docker_log_close(log);
}

Test(docker, a_log_wakes_up_when_asked)
{
    const char *const command[] = {"sleep", "60", NULL};
    struct docker_create spec = test_spec(name, command);
    struct docker_log *log = NULL;
    struct docker_line line;
    AUTO_CLOSE int wake = eventfd(1, EFD_CLOEXEC);
    int64_t before = 0;

    start(&spec);
    log = follow("", LINE_MAX_BYTES);
    before = clock_mono_ms();
    cr_assert_eq(docker_log_next(log, wake, WAIT_MS, &line, &err), 0);
    cr_assert_lt(clock_mono_ms() - before, 1000);
    docker_log_close(log);
}

Test(docker, running_out_of_memory_is_seen)
{
    struct docker_create spec =
        test_spec(name, SH("head -c 300m /dev/zero | tail"));
    struct docker_state state;

    spec.memory = "16m";
    spec.memory_swap = "16m";
    start(&spec);
    wait_end();
    OK(docker_inspect(engine, id, &state, &err));
    cr_assert(state.oom_killed);
    cr_assert_neq(state.exit_code, 0);
}

Test(docker, a_container_removed_by_somebody_else_ends_its_log)
{
    const char *const command[] = {"sh", "-c", "echo on; sleep 60", NULL};
    struct docker_create spec = test_spec(name, command);
    struct docker_log *log = NULL;
    struct docker_line line;
    struct docker_state state;

    start(&spec);
    log = follow("", LINE_MAX_BYTES);
    next_line(log, &line);
    OK(docker_remove(engine, id, &err));
    cr_assert_eq(docker_log_next(log, -1, WAIT_MS, &line, &err), 2);
    docker_log_close(log);
    cr_assert_eq(docker_inspect(engine, id, &state, &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
}

Test(docker, a_job_gives_its_output_and_exit_code)
{
    struct docker_create spec =
        test_spec(name, SH("printf 'out\\377\\n'; echo problem >&2; exit 3"));
    AUTO(buf_free) struct buf out = {0};
    struct docker_state state;
    int64_t code = 0;

    buf_init(&out, 4096);
    job(&spec, &out, &code);
    cr_assert_eq(code, 3);
    cr_assert_not_null(strstr(buf_str(&out), "out\377\n"));
    cr_assert_not_null(strstr(buf_str(&out), "problem\n"));
    cr_assert_not(out.failed);
    cr_assert_eq(docker_inspect(engine, name, &state, &err), -1, "removed");
}

Test(docker, a_job_that_prints_too_much_still_ends)
{
    struct docker_create spec =
        test_spec(name, SH("head -c 3000000 /dev/zero; exit 4"));
    AUTO(buf_free) struct buf out = {0};
    int64_t code = 0;

    buf_init(&out, 1000);
    job(&spec, &out, &code);
    cr_assert_eq(code, 4);
    cr_assert_eq(out.len, 1000);
    cr_assert(out.failed);
}

Test(docker, a_job_is_killed_at_its_time_out)
{
    struct docker_create spec = test_spec(name, SH("echo begun; sleep 60"));
    AUTO(buf_free) struct buf out = {0};
    struct docker_job_result result;
    struct docker_state state;

    buf_init(&out, 1000);
    OK(docker_job(engine, &spec, 1500, -1, &out, &result, &err));
    cr_assert(result.timed_out);
    cr_assert_str_eq(buf_str(&out), "begun\n");
    cr_assert_eq(docker_inspect(engine, name, &state, &err), -1, "removed");
}

Test(docker, a_job_that_closed_its_output_is_still_waited_for)
{
    struct docker_create spec =
        test_spec(name, SH("exec >/dev/null 2>&1; sleep 1; exit 5"));
    AUTO(buf_free) struct buf out = {0};
    int64_t code = 0;

    buf_init(&out, 1000);
    job(&spec, &out, &code);
    cr_assert_eq(code, 5);
}

Test(docker, a_job_stops_when_cancelled)
{
    struct docker_create spec = test_spec(name, SH("sleep 60"));
    AUTO(buf_free) struct buf out = {0};
    struct docker_job_result result;
    struct docker_state state;
    AUTO_CLOSE int cancel = eventfd(1, EFD_CLOEXEC);

    buf_init(&out, 1000);
    cr_assert_eq(
        docker_job(engine, &spec, WAIT_MS, cancel, &out, &result, &err), -1);
    cr_assert_eq(err.code, ERR_CANCELLED, "%s", err.message);
    cr_assert_eq(docker_inspect(engine, name, &state, &err), -1, "removed");
}

Test(docker, a_job_that_cannot_start_leaves_nothing)
{
    const char *const command[] = {"/no/such/program", NULL};
    struct docker_create spec = test_spec(name, command);
    AUTO(buf_free) struct buf out = {0};
    struct docker_job_result result;
    struct docker_state state;

    buf_init(&out, 1000);
    cr_assert_eq(
        docker_job(engine, &spec, WAIT_MS, -1, &out, &result, &err), -1);
    cr_assert_not_null(
        strstr(err.message, "/no/such/program"), "%s", err.message);
    cr_assert_eq(docker_inspect(engine, name, &state, &err), -1, "removed");
}

Test(docker, containers_are_found_by_label)
{
    const char *const command[] = {"true", NULL};
    struct docker_create spec = test_spec(name, command);
    AUTO_FREE struct docker_container *list = NULL;
    size_t count = 0;
    char label[64];

    OK(docker_create(engine, &spec, id, &err));
    (void)snprintf(
        label, sizeof(label), "risoluto-test-owner=%ld", (long)getpid());
    OK(docker_list(engine, label, &list, &count, &err));
    cr_assert_eq(count, 1);
    cr_assert_str_eq(list[0].id, id);
    cr_assert_str_eq(list[0].name, name);
    cr_assert_str_eq(list[0].state, "created");
    cr_assert_str_eq(list[0].attempt_id, "0123456789abcdef0123456789abcdef");
}

Test(docker, a_name_that_is_taken_is_a_conflict)
{
    const char *const command[] = {"true", NULL};
    struct docker_create spec = test_spec(name, command);

    OK(docker_create(engine, &spec, id, &err));
    cr_assert_eq(docker_create(engine, &spec, id, &err), -1);
    cr_assert_eq(err.code, ERR_CONFLICT, "%s", err.message);
}

Test(docker, an_unknown_image_says_what_to_do)
{
    struct docker_create spec = test_spec(name, NULL);

    spec.image = "risoluto-test-no/such:image";
    cr_assert_eq(docker_create(engine, &spec, id, &err), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_str_eq(err.message,
        "image risoluto-test-no/such:image is not on this host; build it with "
        "make images or load it with docker load");
}

Test(docker, images_networks_and_volumes_are_looked_up)
{
    const struct docker_label labels[] = {{"risoluto-test", "1"}};
    bool there = false;

    OK(docker_image_exists(engine, TEST_IMAGE, &there, &err));
    cr_assert(there);
    OK(docker_image_exists(engine, "risoluto-test/no:such", &there, &err));
    cr_assert_not(there);
    OK(docker_network_exists(engine, "bridge", &there, &err));
    cr_assert(there);
    OK(docker_network_exists(engine, "risoluto-test-none", &there, &err));
    cr_assert_not(there);
    OK(docker_volume_ensure(engine, name, labels, 1, &err));
    OK(docker_volume_ensure(engine, name, labels, 1, &err));
    OK(docker_volume_remove(engine, name, &err));
    OK(docker_volume_remove(engine, name, &err));
}

Test(docker_absent, no_socket_says_what_to_do)
{
    struct docker *docker = NULL;
    struct err error = ERR_INIT;

    cr_assert_eq(docker_open(&docker, "/nowhere/docker.sock", &error), 0);
    cr_assert_eq(docker_ping(docker, NULL, &error), -1);
    cr_assert_eq(error.code, ERR_UNAVAILABLE);
    cr_assert_str_eq(error.message,
        "cannot reach the Docker Engine at /nowhere/docker.sock: No such file "
        "or directory; start it (systemctl start docker, or dockerd) or set "
        "--docker-socket");
    docker_close(docker);
}

Test(docker_absent, a_socket_that_never_answers_times_out, .timeout = 60)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct docker_conn *conn = NULL;
    struct err error = ERR_INIT;
    int status = 0;
    int64_t deadline = clock_mono_ms() + 200;

    (void)snprintf(address.sun_path, sizeof(address.sun_path),
        "/tmp/risoluto-test-%ld.sock", (long)getpid());
    cr_assert_eq(
        bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 0), 0);
    cr_expect_eq(
        docker_conn_open(&conn, address.sun_path, deadline, &error), 0);
    cr_expect_eq(docker_conn_head(conn, deadline, &status, &error), -1);
    cr_expect_eq(error.code, ERR_TIMEOUT);
    docker_conn_close(conn);
    (void)unlink(address.sun_path);
}
