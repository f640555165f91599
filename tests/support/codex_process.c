/* SPDX-License-Identifier: Apache-2.0
 * Finds, starts and drives the real Codex. */
#include "tests/support/codex_process.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/proc.h"
#include "dataplane/init/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

enum { LINE_MAX_BYTES = CODEX_LINE_MAX, COMMAND_MS = 60000 };

static char codex_path[PATH_MAX];
static char path_variable[PATH_MAX + 512];

static void
die(const char *what)
{
    (void)fprintf(stderr, "codex_process: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- where Codex is ---- */

static bool
use(const char *path)
{
    return access(path, X_OK) == 0 && realpath(path, codex_path) != NULL;
}

static bool
find_in_path(void)
{
    const char *list = getenv("PATH");
    for (const char *dir = list; dir != NULL && *dir != '\0';) {
        char path[PATH_MAX];
        size_t len = strcspn(dir, ":");
        (void)snprintf(path, sizeof(path), "%.*s/codex", (int)len, dir);
        if (len > 0 && use(path))
            return true;
        dir += dir[len] == ':' ? len + 1 : len;
    }
    return false;
}

/* Out of the npm package that the worker image is made of. */
static bool
unpack_package(void)
{
    glob_t found;
    struct err err = ERR_INIT;
    struct proc_result result = {.exit_code = -1};
    AUTO(buf_free) struct buf out = {.max = 65536};
    if (glob("build/npm/openai-codex-*-linux-*.tgz", 0, NULL, &found) != 0)
        return false;
    const char *argv[] = {"tar", "-xzf", found.gl_pathv[0], "-C",
        "build/codex.new", "--strip-components=3", "--wildcards",
        "package/vendor/*/bin/codex", "package/vendor/*/codex-resources/bwrap",
        NULL};
    struct proc_options options = {.argv = argv,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = COMMAND_MS,
        .env =
            (const char *const[]){"PATH=/usr/local/bin:/usr/bin:/bin", NULL}};
    bool done = file_make_dirs("build/codex.new", 0755, &err) == 0 &&
                proc_run(&options, &out, &result, &err) == 0 &&
                result.exit_code == 0 &&
                rename("build/codex.new", "build/codex") == 0;
    globfree(&found);
    return done && use("build/codex/bin/codex");
}

/* Tests run at the same time: one of them unpacks, the others wait. */
static bool
unpack(void)
{
    AUTO_CLOSE int lock = open("build", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        return false;
    return use("build/codex/bin/codex") || unpack_package();
}

/* The sandbox helper that comes with Codex, where none is installed: Codex
 * warns when there is none on PATH, and a warning is fatal to us. */
static void
set_path(void)
{
    char *bin = strdup(codex_path);
    char *slash = bin == NULL ? NULL : strrchr(bin, '/');
    if (slash == NULL)
        die("no memory");
    *slash = '\0';
    (void)snprintf(path_variable, sizeof(path_variable),
        "PATH=/usr/local/bin:/usr/bin:/bin:%s/../codex-resources", bin);
    free(bin);
}

const char *
codex_process_missing(void)
{
    const char *named = getenv("CODEX_BIN");
    if (named != NULL && *named != '\0') {
        if (!use(named))
            return "CODEX_BIN names no program";
    } else if (!find_in_path() && !use("build/codex/bin/codex") && !unpack()) {
        return "no codex: set CODEX_BIN, or fetch it with deploy/npm.sh";
    }
    set_path();
    return NULL;
}

/* ---- the folder ---- */

int
codex_process_command(
    struct codex_process *p, const char *const *args, struct buf *out)
{
    char home[600];
    char codex_home[600];
    const char *argv[16] = {codex_path};
    struct err err = ERR_INIT;
    struct proc_result result = {.exit_code = -1};
    for (size_t i = 0; args[i] != NULL && i < 14; i++)
        argv[i + 1] = args[i];
    (void)snprintf(home, sizeof(home), "HOME=%s", p->dir);
    (void)snprintf(
        codex_home, sizeof(codex_home), "CODEX_HOME=%s/home", p->dir);
    const char *env[] = {path_variable, home, codex_home, NULL};
    struct proc_options options = {.argv = argv,
        .env = env,
        .cwd = p->workspace,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = COMMAND_MS};
    if (proc_run(&options, out, &result, &err) != 0)
        buf_puts(out, err.message);
    return result.exit_code;
}

static void
git_init(const char *folder)
{
    struct err err = ERR_INIT;
    struct proc_result result;
    AUTO(buf_free) struct buf out = {.max = 4096};
    const char *argv[] = {"git", "init", "-q", folder, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", NULL};
    struct proc_options options = {.argv = argv,
        .env = env,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = COMMAND_MS};
    if (proc_run(&options, &out, &result, &err) != 0 || result.exit_code != 0)
        die("git init");
}

void
codex_process_init(struct codex_process *p)
{
    /* Not below /tmp, where the checkout may be: Codex makes no helper
     * binaries there, and its sandbox lets a command write there. */
    char template[] = "/var/tmp/risoluto-test-codex-XXXXXX";
    char dir[PATH_MAX];
    *p = (struct codex_process){.in = -1, .out = -1, .err = -1};
    codex_harness_init(&p->h);
    buf_init(&p->out_line, LINE_MAX_BYTES);
    buf_init(&p->err_line, 65536);
    if (mkdtemp(template) == NULL || realpath(template, dir) == NULL)
        die("temporary folder");
    (void)snprintf(p->dir, sizeof(p->dir), "%.500s", dir);
    (void)snprintf(p->workspace, sizeof(p->workspace), "%s/work", p->dir);
    git_init(p->workspace);
}

/* ---- the bundle, as risoluto-init would unpack it ---- */

/* The model is on this very machine, and so are we. */
static void
replace(struct buf *text, const char *from, const char *to)
{
    AUTO(buf_free) struct buf out = {.max = text->max};
    const char *p = buf_str(text);
    for (const char *hit; (hit = strstr(p, from)) != NULL;) {
        buf_append(&out, p, (size_t)(hit - p));
        buf_puts(&out, to);
        p = hit + strlen(from);
    }
    buf_puts(&out, p);
    buf_clear(text);
    buf_append(text, buf_str(&out), out.len);
}

static void
write_home(struct codex_process *p)
{
    struct err err = ERR_INIT;
    struct bundle bundle;
    const char *why = NULL;
    char path[700];
    AUTO(buf_free) struct buf bytes = {.max = BUNDLE_BYTES_MAX + 64};
    AUTO(buf_free) struct buf config = {.max = 65536};
    if (codex_bundle(&p->h.request, p->workspace, &bytes, &err) != 0)
        die(err.message);
    char *rest = strchr(bytes.data, '\n') + 1;
    if (bundle_parse(
            rest, bytes.len - (size_t)(rest - bytes.data), &bundle, &why) != 0)
        die(why);
    if (p->config_extra != NULL)
        buf_puts(&config, p->config_extra);
    buf_append(&config, bundle.files[0].data, bundle.files[0].len);
    replace(&config, "host.docker.internal", "127.0.0.1");
    /* Codex's patience is not what is tested. */
    replace(&config, "wire_api =",
        "request_max_retries = 1\nstream_max_retries = 1\nwire_api =");
    (void)snprintf(path, sizeof(path), "%s/home", p->dir);
    if (file_make_dirs(path, 0700, &err) != 0)
        die(err.message);
    (void)snprintf(path, sizeof(path), "%s/home/config.toml", p->dir);
    if (file_write_atomic(path, config.data, config.len, 0600, &err) != 0)
        die(err.message);
}

/* ---- the process ---- */

static void
make_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) != 0)
        die("pipe");
}

static void
spawn(struct codex_process *p)
{
    int in[2];
    int out[2];
    int err[2];
    char home[600];
    char codex_home[600];
    posix_spawn_file_actions_t actions;
    make_pipe(in);
    make_pipe(out);
    make_pipe(err);
    (void)snprintf(home, sizeof(home), "HOME=%s", p->dir);
    (void)snprintf(
        codex_home, sizeof(codex_home), "CODEX_HOME=%s/home", p->dir);
    char program[] = "codex";
    char command[] = "app-server";
    char strict[] = "--strict-config";
    char *argv[] = {program, command, strict, NULL};
    char *env[] = {path_variable, home, codex_home, NULL};
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    (void)posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    (void)posix_spawn_file_actions_addchdir_np(&actions, p->workspace);
    if (posix_spawn(&p->pid, codex_path, &actions, NULL, argv, env) != 0)
        die("posix_spawn");
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(in[0]);
    (void)close(out[1]);
    (void)close(err[1]);
    p->in = in[1];
    p->out = out[0];
    p->err = err[0];
}

static int
write_line(void *arg, const char *line, size_t len, struct err *err)
{
    struct codex_process *p = arg;
    for (size_t at = 0; at < len;) {
        ssize_t n = write(p->in, line + at, len - at);
        if (n < 0 && errno != EINTR)
            return err_set(err, ERR_SYSTEM, "Codex's stdin is closed");
        at += n > 0 ? (size_t)n : 0;
    }
    buf_append(&p->h.sent, line, len);
    return 0;
}

static int
keep_event(void *arg, const char *type, const char *data_json, struct err *err)
{
    struct codex_process *p = arg;
    (void)err;
    buf_printf(&p->h.events, "%s ", type);
    buf_puts(&p->h.events, data_json);
    buf_putc(&p->h.events, '\n');
    return 0;
}

void
codex_process_start(struct codex_process *p, int model_port)
{
    static char base_url[64];
    struct err err = ERR_INIT;
    struct codex_sink sink = {write_line, keep_event, p};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(
        base_url, sizeof(base_url), "http://127.0.0.1:%d/v1", model_port);
    p->h.request.codex.provider.base_url = base_url;
    p->h.now = clock_mono_ms();
    write_home(p);
    if (codex_session_new(&p->h.session, &p->h.request, p->workspace, &sink,
            p->h.now, &err) != 0)
        die(err.message);
    spawn(p);
    codex_harness_init_lines(&p->h);
}

/* ---- the loop ---- */

static void
reap(struct codex_process *p)
{
    int status = 0;
    struct err err = ERR_INIT;
    (void)waitpid(p->pid, &status, 0);
    p->pid = 0;
    (void)codex_session_eof(p->h.session,
        WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
        false, clock_mono_ms(), &err);
}

static void
feed_lines(struct codex_process *p, struct buf *lines, bool is_stdout)
{
    struct err err = ERR_INIT;
    for (char *end; (end = memchr(buf_str(lines), '\n', lines->len)) != NULL;) {
        size_t len = (size_t)(end - lines->data);
        if (!is_stdout)
            codex_session_stderr(p->h.session, lines->data, len);
        else if (codex_session_line(p->h.session, lines->data, len, false,
                     clock_mono_ms(), &err) != 0)
            die(err.message);
        buf_consume(lines, len + 1);
    }
}

/* False at its end. */
static bool
read_some(struct codex_process *p, int fd, struct buf *lines, bool is_stdout)
{
    char chunk[65536];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n <= 0)
        return n < 0 && errno == EINTR;
    buf_append(lines, chunk, (size_t)n);
    feed_lines(p, lines, is_stdout);
    return true;
}

static bool
has_event(const struct codex_process *p, const char *text)
{
    return text != NULL && strstr(buf_str(&p->h.events), text) != NULL;
}

static void
step(struct codex_process *p, int64_t until)
{
    struct err err = ERR_INIT;
    struct pollfd fds[] = {{p->out, POLLIN, 0}, {p->err, POLLIN, 0}};
    int64_t deadline = codex_session_deadline(p->h.session);
    int64_t wait = (deadline < until ? deadline : until) - clock_mono_ms();
    (void)poll(fds, 2, wait < 0 ? 0 : (int)wait);
    if (fds[1].revents != 0 && !read_some(p, p->err, &p->err_line, false)) {
        (void)close(p->err);
        p->err = -1;
    }
    if (fds[0].revents != 0 && !read_some(p, p->out, &p->out_line, true)) {
        (void)close(p->out);
        p->out = -1;
        reap(p);
    }
    if (codex_session_tick(p->h.session, clock_mono_ms(), &err) != 0)
        die(err.message);
}

bool
codex_process_run(struct codex_process *p, const char *text, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    while (!has_event(p, text) &&
           codex_session_phase(p->h.session) != CODEX_DONE &&
           clock_mono_ms() < until)
        step(p, until);
    return has_event(p, text);
}

void
codex_process_free(struct codex_process *p)
{
    struct err err = ERR_INIT;
    int status = 0;
    if (p->in >= 0)
        (void)close(p->in);
    if (p->pid > 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, &status, 0);
    }
    if (p->out >= 0)
        (void)close(p->out);
    if (p->err >= 0)
        (void)close(p->err);
    buf_free(&p->out_line);
    buf_free(&p->err_line);
    codex_harness_free(&p->h);
    if (p->dir[0] != '\0' && file_remove_tree(p->dir, &err) != 0)
        (void)fprintf(stderr, "%s: %s\n", p->dir, err.message);
}
