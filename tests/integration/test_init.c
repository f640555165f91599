/* SPDX-License-Identifier: Apache-2.0
 * risoluto-init as PID 1 of a real container. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/engine.h"
#include "dataplane/docker/seccomp.h"
#include "dataplane/init/bundle.h"
#include "tests/support/container.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OK(call) cr_assert((call) == 0, "%s", err.message)
#define HOME "/home/agent/.codex-runtime"
#define CODEX_IMAGE "risoluto-codex:latest"
#define READY "o {\"risoluto_init\":\"ready\"}\n"
#define EXEC "o {\"risoluto_init\":\"exec\"}\n"

enum { WAIT_MS = 30 * 1000, BUNDLES_MAX = 2 * BUNDLE_BYTES_MAX };

static struct docker *engine;
static struct err err;
static char name[TEST_NAME_SIZE];
static char id[DOCKER_ID_SIZE];
static char init_path[PATH_MAX];
static struct docker_stdin *in;
static struct buf bundle;
static struct buf output; /* "o line" and "e line" */

static void
setup(void)
{
    const char *why = NULL;
    const char *bin = getenv("RISOLUTO_TEST_BIN");
    char path[PATH_MAX];

    engine = test_engine(TEST_IMAGE, &why);
    if (engine == NULL)
        cr_skip_test("%s", why);
    (void)snprintf(path, sizeof(path), "%s/risoluto-init",
        bin != NULL ? bin : "build/bin");
    cr_assert_not_null(realpath(path, init_path), "%s is not built", path);
    test_name(name);
    buf_init(&bundle, BUNDLES_MAX);
    buf_init(&output, 65536);
}

static void
teardown(void)
{
    docker_stdin_close(in);
    buf_free(&bundle);
    buf_free(&output);
    test_clean(engine);
    engine = NULL;
}

TestSuite(init, .init = setup, .fini = teardown, .timeout = 90);

/* ---- making a bundle ---- */

static void
add_file(unsigned mode, const char *path, const char *data)
{
    buf_printf(&bundle, "F %o %zu %s\n%s\n", mode, strlen(data), path, data);
}

static void
add_arguments(const char *const *argv)
{
    for (; *argv != NULL; argv++)
        buf_printf(&bundle, "%zu\n%s\n", strlen(*argv), *argv);
}

static void
add_preflight(const char *script, int timeout_ms)
{
    const char *const argv[] = {"sh", "-c", script, NULL};

    buf_printf(&bundle, "P 3 %d\n", timeout_ms);
    add_arguments(argv);
}

static void
add_command(const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};

    buf_printf(&bundle, "X 3\n");
    add_arguments(argv);
}

/* ---- running it ---- */

static const struct docker_mount mounts[] = {
    {.type = "bind",
        .source = init_path,
        .target = "/risoluto-init",
        .read_only = true},
    {.type = "tmpfs", .target = HOME, .tmpfs_size = "4m", .tmpfs_mode = 0700},
};
static const char *const entrypoint[] = {"/risoluto-init", NULL};

static struct docker_create
worker(void)
{
    struct docker_create spec = test_spec(name, NULL);

    spec.entrypoint = entrypoint;
    spec.mounts = mounts;
    spec.mount_count = ARRAY_LEN(mounts);
    spec.open_stdin = true;
    return spec;
}

static void
start(const struct docker_create *spec)
{
    OK(docker_create(engine, spec, id, &err));
    OK(docker_start(engine, id, &err));
    OK(docker_stdin_open(engine, id, &in, &err));
}

static void
send_text(const char *text, size_t len)
{
    OK(docker_stdin_write(in, text, len, WAIT_MS, &err));
}

/* The bundle, and at once what follows it. */
static void
send_bundle(const char *rest)
{
    AUTO(buf_free) struct buf all = {0};

    buf_init(&all, BUNDLES_MAX);
    buf_printf(&all, BUNDLE_MAGIC "%zu\n", bundle.len);
    buf_append(&all, bundle.data, bundle.len);
    buf_puts(&all, rest);
    send_text(all.data, all.len);
}

/* The whole output, and the exit code. */
static int64_t
finish(void)
{
    struct docker_log *log = NULL;
    struct docker_line line;
    struct docker_state state;
    int got = 0;

    OK(docker_log_open(engine, id, "", 8192, &log, &err));
    while ((got = docker_log_next(log, -1, WAIT_MS, &line, &err)) == 1)
        buf_printf(&output, "%c %.*s\n", line.is_stderr ? 'e' : 'o',
            (int)line.len, line.text);
    docker_log_close(log);
    cr_assert_eq(
        got, 2, "it did not end: %s\n%s", err.message, buf_str(&output));
    OK(docker_inspect(engine, id, &state, &err));
    cr_assert_not(state.running);
    return state.exit_code;
}

static int64_t
run(const char *rest)
{
    struct docker_create spec = worker();

    start(&spec);
    send_bundle(rest);
    return finish();
}

/* Waits until the output has a line that begins so. */
static void
wait_for_line(const char *prefix)
{
    struct docker_log *log = NULL;
    struct docker_line line = {.text = ""};

    OK(docker_log_open(engine, id, "", 8192, &log, &err));
    do
        cr_assert_eq(docker_log_next(log, -1, WAIT_MS, &line, &err), 1,
            "no line %s: %s", prefix, err.message);
    while (strncmp(line.text, prefix, strlen(prefix)) != 0);
    docker_log_close(log);
}

/* ---- the tests ---- */

Test(init, files_are_written_with_their_modes)
{
    add_file(0600, "config.toml", "model = \"x\"");
    add_file(0755, "rules/deep/x.rules", "");
    add_command("cd $CODEX_HOME && stat -c '%A %u:%g %n' . config.toml rules "
                "rules/deep rules/deep/x.rules && cat config.toml");
    cr_assert_eq(run(""), 0, "%s", buf_str(&output));
    cr_assert_str_eq(buf_str(&output),
        READY EXEC "o drwx------ 1000:1000 .\n"
                   "o -rw------- 1000:1000 config.toml\n"
                   "o drwx------ 1000:1000 rules\n"
                   "o drwx------ 1000:1000 rules/deep\n"
                   "o -rwxr-xr-x 1000:1000 rules/deep/x.rules\n"
                   "o model = \"x\"\n");
}

Test(init, what_follows_the_bundle_is_the_commands)
{
    add_preflight("cat; echo to stderr", 10000);
    add_command("head -n 2");
    cr_assert_eq(run("first\nsecond\nthird\n"), 0);
    cr_assert_not_null(strstr(buf_str(&output), "o first\no second\n"), "%s",
        buf_str(&output));
    cr_assert_not_null(strstr(buf_str(&output), "e to stderr\n"));
    cr_assert_not_null(strstr(buf_str(&output),
        "{\"risoluto_init\":\"preflight\",\"ok\":true,\"ms\":"));
}

Test(init, a_bundle_may_come_in_small_parts)
{
    struct docker_create spec = worker();
    char head[64];

    add_file(0600, "a", "b");
    add_command("cat $CODEX_HOME/a; read x; echo $x");
    start(&spec);
    (void)snprintf(head, sizeof(head), BUNDLE_MAGIC "%zu\n", bundle.len);
    for (const char *c = head; *c != '\0'; c++)
        send_text(c, 1);
    for (size_t i = 0; i < bundle.len; i++)
        send_text(bundle.data + i, 1);
    send_text("later\n", 6);
    cr_assert_eq(finish(), 0);
    cr_assert_str_eq(buf_str(&output), READY EXEC "o blater\n");
}

Test(init, a_large_bundle_fits_a_larger_one_does_not)
{
    AUTO_FREE char *data = malloc(BUNDLE_BYTES_MAX + 1);
    struct docker_create spec = worker();

    cr_assert_not_null(data);
    memset(data, 'x', BUNDLE_BYTES_MAX);
    data[BUNDLE_BYTES_MAX - 100] = '\0';
    add_file(0600, "big", data);
    add_command("wc -c <$CODEX_HOME/big");
    cr_assert_eq(run(""), 0, "%s", buf_str(&output));
    cr_assert_str_eq(buf_str(&output), READY EXEC "o 1048476\n");

    OK(docker_remove(engine, id, &err));
    docker_stdin_close(in);
    buf_clear(&output);
    start(&spec);
    send_text(BUNDLE_MAGIC "1048577\n", strlen(BUNDLE_MAGIC "1048577\n"));
    cr_assert_eq(finish(), 125);
    cr_assert_str_eq(buf_str(&output),
        "o {\"risoluto_init\":\"failed\",\"error\":\"cannot read the bundle: "
        "it is too large\"}\n");
}

Test(init, a_failed_preflight_is_the_end)
{
    add_preflight("echo no sandbox >&2; exit 9", 10000);
    add_command("echo must not run");
    cr_assert_eq(run(""), 126);
    cr_assert_not_null(strstr(buf_str(&output),
        "{\"risoluto_init\":\"preflight\",\"ok\":false,\"ms\":"));
    cr_assert_not_null(strstr(buf_str(&output), "\"exit_code\":9}"));
    cr_assert_not_null(strstr(buf_str(&output), "e no sandbox\n"));
    cr_assert_null(strstr(buf_str(&output), "exec"));
    cr_assert_null(strstr(buf_str(&output), "must not run"));
}

Test(init, a_preflight_that_hangs_is_killed)
{
    int64_t before = 0;

    add_preflight("setsid sleep 1000 & sleep 1000", 300);
    add_command("true");
    before = clock_mono_ms();
    cr_assert_eq(run(""), 126);
    cr_assert_lt(clock_mono_ms() - before, 5000);
    cr_assert_not_null(strstr(buf_str(&output), "\"exit_code\":124}"));
}

Test(init, nothing_of_the_preflight_is_left_for_the_command)
{
    add_preflight("setsid sleep 1000 >/dev/null 2>&1 & exit 0", 10000);
    add_command("cat /proc/[0-9]*/comm | sort | tr '\\n' ' '");
    cr_assert_eq(run(""), 0);
    cr_assert_null(strstr(buf_str(&output), "sleep"), "%s", buf_str(&output));
    cr_assert_not_null(strstr(buf_str(&output), "risoluto-init"));
}

static const struct {
    const char *script;
    int64_t exit_code;
} ends[] = {
    {"exit 0", 0},
    {"exit 3", 3},
    {"kill -9 $$", 137},
    {"kill -15 $$", 143},
    {"setsid sleep 1000 & exit 4", 4},
};

Test(init, the_commands_end_is_ours)
{
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        add_command(ends[i].script);
        cr_expect_eq(run(""), ends[i].exit_code, "%s: %s", ends[i].script,
            buf_str(&output));
        OK(docker_remove(engine, id, &err));
        docker_stdin_close(in);
        in = NULL;
        buf_clear(&bundle);
        buf_clear(&output);
    }
}

Test(init, a_missing_command_is_named)
{
    const char *const argv[] = {"no-such-command", NULL};

    buf_printf(&bundle, "X 1\n");
    add_arguments(argv);
    cr_assert_eq(run(""), 127);
    cr_assert_str_eq(buf_str(&output),
        READY EXEC "o {\"risoluto_init\":\"failed\",\"error\":\"cannot run the "
                   "command: No such file or directory\"}\n");
}

Test(init, what_is_no_bundle_is_refused)
{
    static const char *const bad[] = {
        "{\"method\":\"initialize\"}\n",
        "RISOLUTO-BUNDLE 2 5\n",
        BUNDLE_MAGIC "\n",
        BUNDLE_MAGIC "5x\n",
        BUNDLE_MAGIC "5\nhello",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct docker_create spec = worker();

        start(&spec);
        send_text(bad[i], strlen(bad[i]));
        cr_expect_eq(finish(), 125, "%s", bad[i]);
        cr_expect_not_null(strstr(buf_str(&output), "cannot read the bundle"));
        OK(docker_remove(engine, id, &err));
        docker_stdin_close(in);
        in = NULL;
        buf_clear(&output);
    }
}

Test(init, sigterm_reaches_the_command)
{
    struct docker_create spec = worker();
    int64_t before = 0;

    add_command("trap 'echo asked; exit 7' TERM; echo trapped; "
                "while :; do sleep 0.05; done");
    start(&spec);
    send_bundle("");
    wait_for_line("trapped");
    before = clock_mono_ms();
    OK(docker_stop(engine, id, 20000, &err));
    cr_assert_lt(clock_mono_ms() - before, 5000);
    cr_assert_eq(finish(), 7);
    cr_assert_not_null(strstr(buf_str(&output), "o asked\n"));
}

Test(init, a_stop_before_the_bundle_is_quick)
{
    struct docker_create spec = worker();
    int64_t before = 0;

    start(&spec);
    before = clock_mono_ms();
    OK(docker_stop(engine, id, 20000, &err));
    cr_assert_lt(clock_mono_ms() - before, 5000);
    cr_assert_eq(finish(), 143);
}

Test(init, orphans_are_reaped)
{
    /* Twenty orphans that end at once; a zombie would stay for good. */
    add_command("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; "
                "do (sh -c 'sleep 0.05' & ); done; sleep 0.5; "
                "grep -l '^State:.*zombie' /proc/[0-9]*/status; echo done");
    cr_assert_eq(run(""), 0);
    cr_assert_str_eq(buf_str(&output), READY EXEC "o done\n");
}

Test(init, nobody_looks_into_pid_1)
{
    add_file(0600, "auth", "very secret");
    add_command(
        "cat /proc/1/environ /proc/1/maps; ls /proc/1/fd; "
        "sed -n 's/^VmRSS:[[:space:]]*\\([0-9]*\\) kB/\\1/p' /proc/1/status; "
        "ulimit -c");
    cr_assert_eq(run(""), 0);
    const char *text = strstr(buf_str(&output), EXEC);

    cr_assert_not_null(text);
    cr_assert_null(strstr(text, "CODEX_HOME"));
    /* What goes to stderr may overtake what went to stdout. */
    text = buf_str(&output);
    cr_assert_not_null(strstr(text, "/proc/1/environ: Permission denied"));
    cr_assert_not_null(strstr(text, "/proc/1/maps: Permission denied"));
    cr_assert_not_null(strstr(text, "'/proc/1/fd': Permission denied"));
    /* Its memory in KiB, then the limit of core files. */
    const char *rss = strstr(text, "\no ");

    while (rss != NULL && (rss[3] < '0' || rss[3] > '9'))
        rss = strstr(rss + 1, "\no ");
    cr_assert_not_null(rss, "%s", text);
    cr_assert_lt(strtol(rss + 3, NULL, 10), 2048, "%s", text);
    cr_assert_not_null(strstr(rss + 1, "\no 0\n"), "%s", text);
}

Test(init, a_home_on_a_disk_is_refused_unless_allowed)
{
    struct docker_create spec = worker();
    static const char *const env[] = {"CODEX_HOME=/tmp", NULL};
    static const char *const allowing[] = {
        "/risoluto-init", "--allow-non-tmpfs", NULL};

    add_file(0600, "a", "secret");
    add_command("cat $CODEX_HOME/a");
    spec.env = env;
    start(&spec);
    send_bundle("");
    cr_assert_eq(finish(), 125);
    cr_assert_not_null(strstr(buf_str(&output), "it is not a tmpfs"));

    OK(docker_remove(engine, id, &err));
    docker_stdin_close(in);
    buf_clear(&output);
    spec.entrypoint = allowing;
    start(&spec);
    send_bundle("");
    cr_assert_eq(finish(), 0);
    cr_assert_str_eq(buf_str(&output), READY EXEC "o secret\n");
}

Test(init, no_symbolic_link_is_followed_and_nothing_overwritten)
{
    static const char *const files[] = {"link/x", "dangling", "there"};
    static const char *const allowing[] = {
        "/risoluto-init", "--allow-non-tmpfs", NULL};
    static const char *const env[] = {"CODEX_HOME=/h", NULL};
    char dir[] = "/tmp/risoluto-test-home-XXXXXX";
    char path[64];

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chmod(dir, 0777), 0);
    const struct docker_mount own[] = {
        mounts[0], {.type = "bind", .source = dir, .target = "/h"}};

    (void)snprintf(path, sizeof(path), "%s/link", dir);
    cr_expect_eq(symlink("/tmp", path), 0);
    (void)snprintf(path, sizeof(path), "%s/dangling", dir);
    cr_expect_eq(symlink("/tmp/made", path), 0);
    (void)snprintf(path, sizeof(path), "%s/there", dir);
    cr_expect_eq(symlink("x", path), 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct docker_create spec = worker();

        spec.mounts = own;
        spec.env = env;
        spec.entrypoint = allowing;
        add_file(0600, files[i], "secret");
        add_command("echo must not run");
        start(&spec);
        send_bundle("");
        cr_expect_eq(finish(), 125, "%s", files[i]);
        cr_expect_not_null(strstr(buf_str(&output), "cannot fill CODEX_HOME"));
        OK(docker_remove(engine, id, &err));
        docker_stdin_close(in);
        in = NULL;
        buf_clear(&bundle);
        buf_clear(&output);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(
            path, sizeof(path), "%s/%s", dir, i == 0 ? "link" : files[i]);
        cr_expect_eq(unlink(path), 0);
    }
    cr_expect_eq(rmdir(dir), 0);
}

/* ---- the inner sandbox, with the real Codex ---- */

static void
codex_preflight(const char *profile)
{
    static const char *const argv[] = {
        "codex", "sandbox", "-P", ":workspace", "--", "true", NULL};
    static const char *const env[] = {"HOME=/home/agent", NULL};
    struct docker_create spec = worker();
    const char *why = NULL;
    struct docker *codex = test_engine(CODEX_IMAGE, &why);

    if (codex == NULL)
        cr_skip_test("%s", why);
    docker_close(codex);
    spec.image = CODEX_IMAGE;
    spec.seccomp_json = profile;
    spec.workdir = "/tmp";
    spec.env = env;
    buf_printf(&bundle, "P 6 30000\n");
    add_arguments(argv);
    add_command("echo proved");
    start(&spec);
    send_bundle("");
}

Test(init, codex_proves_its_sandbox_under_our_profile)
{
    codex_preflight(seccomp_profile_json);
    cr_assert_eq(finish(), 0, "%s", buf_str(&output));
    cr_assert_not_null(strstr(buf_str(&output), "o proved\n"));
}

Test(init, codex_has_no_sandbox_under_the_stock_profile)
{
    codex_preflight(NULL);
    cr_assert_eq(finish(), 126, "%s", buf_str(&output));
    cr_assert_not_null(strstr(buf_str(&output), "\"ok\":false"));
}
