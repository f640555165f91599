/* SPDX-License-Identifier: Apache-2.0
 * risoluto-init, PID 1 of a worker: fills CODEX_HOME from the bundle on stdin,
 * proves the inner sandbox, runs Codex, passes signals on and reaps. */
#include "common/version.h"
#include "dataplane/init/bundle.h"
#include "dataplane/init/home.h"
#include "dataplane/init/oom.h"
#include "dataplane/init/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    EXIT_BAD = 125,
    EXIT_PREFLIGHT = 126,
    EXIT_NO_COMMAND = 127,
    EXIT_KILLED = 128 + SIGKILL
};

/* The one buffer, and what the parser makes of it. */
static char bundle_bytes[BUNDLE_BYTES_MAX];
static size_t bundle_len;
static struct bundle bundle;

static const char default_home[] = "/home/agent/.codex-runtime";

static const char help[] =
    "Usage: risoluto-init [--allow-non-tmpfs]\n"
    "PID 1 of a Risoluto worker. Reads a bundle from stdin (files, a "
    "preflight\n"
    "command, a command), writes the files below $CODEX_HOME, runs the\n"
    "preflight, then the command with the rest of stdin.\n"
    "\n"
    "  --allow-non-tmpfs  write secrets even where CODEX_HOME is on a disk\n"
    "  --help             show this and exit\n"
    "  --version          show the version and exit\n"
    "\n"
    "CODEX_HOME defaults to /home/agent/.codex-runtime.\n"
    "Exit codes: 125 bad bundle or system error, 126 preflight failed,\n"
    "127 command not found, else the command's (128+n for signal n).\n";

/* One status line, one write: the data plane reads it as a line of stdout. */
static void
say(const char *line)
{
    size_t len = strlen(line);

    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, line, len);

        if (n < 0 && errno != EINTR)
            return; /* nobody listens; the exit code still tells */
        if (n > 0) {
            line += n;
            len -= (size_t)n;
        }
    }
}

/* why is one of our own texts or strerror's: nothing to escape. */
static int
failed(int exit_code, const char *what, const char *why)
{
    char line[512];

    (void)snprintf(line, sizeof(line),
        "{\"risoluto_init\":\"failed\",\"error\":\"%s: %s\"}\n", what, why);
    say(line);
    return exit_code;
}

/* Exactly len bytes, and not one more: what follows is Codex's. */
static int
read_exactly(char *out, size_t len)
{
    while (len > 0) {
        ssize_t n = read(STDIN_FILENO, out, len);

        if (n == 0)
            errno = ENODATA;
        if (n == 0 || (n < 0 && errno != EINTR))
            return -1;
        if (n > 0) {
            out += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* "RISOLUTO-BUNDLE 1 <length>\n", byte by byte. */
static int
read_length(size_t *out, const char **why)
{
    static const char magic[] = BUNDLE_MAGIC;
    size_t value = 0;
    char c = '\0';

    for (size_t i = 0; magic[i] != '\0'; i++) {
        if (read_exactly(&c, 1) != 0) {
            *why = strerror(errno);
            return -1;
        }
        if (c != magic[i]) {
            *why = "it does not begin as one; is the data plane of the same "
                   "version?";
            return -1;
        }
    }
    for (int digits = 0;; digits++) {
        if (read_exactly(&c, 1) != 0) {
            *why = strerror(errno);
            return -1;
        }
        if (c == '\n' && digits > 0)
            break;
        if (c < '0' || c > '9' || digits == 8) {
            *why = "its length is no number";
            return -1;
        }
        value = value * 10 + (size_t)(c - '0');
    }
    if (value > BUNDLE_BYTES_MAX) {
        *why = "it is too large";
        return -1;
    }
    *out = value;
    return 0;
}

static int
read_bundle(const char **why)
{
    if (read_length(&bundle_len, why) != 0)
        return -1;
    if (read_exactly(bundle_bytes, bundle_len) != 0) {
        *why = strerror(errno);
        return -1;
    }
    return bundle_parse(bundle_bytes, bundle_len, &bundle, why);
}

static int
fill_home(const char *home, bool any_filesystem)
{
    const char *why = NULL;

    if (home_write(home, any_filesystem, &bundle, &why) != 0)
        return failed(EXIT_BAD, "cannot fill CODEX_HOME", why);
    /* The files are written; the commands' words are no secrets. */
    for (size_t i = 0; i < bundle.file_count; i++) {
        const struct bundle_file *file = &bundle.files[i];

        explicit_bzero(bundle_bytes + (file->data - bundle_bytes), file->len);
    }
    return 0;
}

static int
preflight(void)
{
    struct reaper_result result = {0};
    char line[128];

    if (bundle.preflight.argc == 0)
        return 0;
    if (reaper_run(&bundle.preflight, &result) != 0)
        return failed(EXIT_PREFLIGHT, "cannot run the preflight command",
            strerror(errno));
    (void)snprintf(line, sizeof(line),
        "{\"risoluto_init\":\"preflight\",\"ok\":%s,\"ms\":%ld,"
        "\"exit_code\":%d}\n",
        result.exit_code == 0 ? "true" : "false", result.ms, result.exit_code);
    say(line);
    return result.exit_code == 0 ? 0 : EXIT_PREFLIGHT;
}

static int
run_command(void)
{
    int code = 0;

    say("{\"risoluto_init\":\"exec\"}\n");
    if (reaper_start(&bundle.command) != 0)
        return failed(
            EXIT_NO_COMMAND, "cannot run the command", strerror(errno));
    explicit_bzero(bundle_bytes, bundle_len);
    code = reaper_wait();
    if (code == EXIT_KILLED && oom_happened("/sys/fs/cgroup"))
        say("{\"risoluto_init\":\"oom\"}\n");
    return code;
}

static void
quit(int signal)
{
    _exit(128 + signal);
}

/* No core file and no look into our memory: it holds secrets for a moment.
 * The kernel drops signals that PID 1 has no handler for: without one a stop
 * while we wait for the bundle would have to wait for the kill. */
static int
harden(void)
{
    const struct rlimit none = {0, 0};
    const struct sigaction action = {.sa_handler = quit};

    if (sigaction(SIGTERM, &action, NULL) != 0 ||
        sigaction(SIGINT, &action, NULL) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return -1;
    return setrlimit(RLIMIT_CORE, &none);
}

static int
options(int argc, char **argv, bool *any_filesystem)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(help, stdout);
            exit(0);
        }
        if (strcmp(argv[i], "--version") == 0) {
            (void)puts("risoluto-init " RISOLUTO_VERSION);
            exit(0);
        }
        if (strcmp(argv[i], "--allow-non-tmpfs") != 0) {
            (void)fprintf(stderr,
                "risoluto-init: unknown argument \"%s\"; see --help\n",
                argv[i]);
            return -1;
        }
        *any_filesystem = true;
    }
    return 0;
}

int
main(int argc, char **argv)
{
    const char *home = getenv("CODEX_HOME");
    const char *why = NULL;
    bool any_filesystem = false;
    int code = 0;

    if (options(argc, argv, &any_filesystem) != 0)
        return EXIT_BAD;
    if (home == NULL || home[0] == '\0')
        home = default_home;
    if (harden() != 0 || setenv("CODEX_HOME", home, 1) != 0)
        return failed(EXIT_BAD, "cannot prepare", strerror(errno));
    if (read_bundle(&why) != 0)
        return failed(EXIT_BAD, "cannot read the bundle", why);
    if (reaper_init() != 0)
        return failed(EXIT_BAD, "cannot prepare", strerror(errno));
    code = fill_home(home, any_filesystem);
    if (code != 0)
        return code;
    say("{\"risoluto_init\":\"ready\"}\n");
    code = preflight();
    if (code != 0)
        return code;
    return run_command();
}
