/* SPDX-License-Identifier: Apache-2.0
 * risoluto-rehearsal-model: a stand-in for a model provider, for the demo
 * without a key and for the tests. It speaks the Responses API to the real
 * Codex; what it says is scripted. */
#include "common/cleanup.h"
#include "common/cli.h"
#include "common/secret.h"
#include "tests/fakes/lib/model_server.h"
#include "tests/fakes/lib/model_wishes.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_DEFAULT = 8089, PORT_MAX = 65535, KEY_MAX = 4096 };

static const char *opt_bind = "127.0.0.1";
static const char *opt_port;
static const char *opt_health = "/healthz";
static const char *opt_key_file;
static const char *opt_script;
static const char *opt_verbose;

static const struct cli_option options[] = {
    {"bind", "ADDR", "address to serve on (127.0.0.1)", &opt_bind},
    {"port", "N", "port (8089); 0 takes a free one", &opt_port},
    {"healthz", "PATH", "path that answers 200 (/healthz)", &opt_health},
    {"expect-key-file", "FILE", "answer 401 to any other bearer token",
        &opt_key_file},
    {"script", "FILE", "wishes for all requests, see below", &opt_script},
    {"verbose", NULL, "a line per request on stderr; never the token",
        &opt_verbose},
};

static const char epilog_head[] =
    "It reads the issue from the conversation, makes Codex look around, "
    "writes\n"
    "what the issue asks for, checks it, and ends with RISOLUTO_STATUS: DONE.\n"
    "A line `file: NAME` in the issue, and the fenced block after it, is a "
    "file\n"
    "to write; without a block, title and description go there; without a "
    "file, to\n"
    "REHEARSAL.md.\n"
    "\n"
    "Wishes: a line `rehearsal: WISH` in the issue makes it misbehave. A "
    "script\n"
    "does so for any issue: {\"always\":[WISH..],\"requests\":[WISH or "
    "\"\"..]},\n"
    "the second list for the first request, the second request, and so on.\n";

static int
parse_port(const char *text, int *out)
{
    char *end = NULL;
    if (text == NULL)
        return 0;
    long port = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || port < 0 || port > PORT_MAX)
        return -1;
    *out = (int)port;
    return 0;
}

static int
fail(const char *message)
{
    (void)fprintf(stderr, "risoluto-rehearsal-model: %s\n", message);
    return 1;
}

static int
parse(int argc, char **argv, int *port)
{
    struct err err = ERR_INIT;
    char epilog[8192];
    int rest = 0;
    (void)snprintf(
        epilog, sizeof(epilog), "%s%s", epilog_head, model_wishes_help);
    struct cli cli = {.program = "risoluto-rehearsal-model",
        .summary = "a scripted stand-in for a model provider",
        .usage = "[--bind ADDR] [--port N] [--script FILE]",
        .options = options,
        .count = ARRAY_LEN(options),
        .epilog = epilog};
    if (cli_parse(&cli, argc, argv, &rest, &err) != 0)
        return fail(err.message);
    if (rest < argc)
        return fail("there are no operands; see --help");
    if (parse_port(opt_port, port) != 0)
        return fail("--port must be a number from 0 to 65535");
    return 0;
}

/* Serves until SIGTERM or SIGINT, which every thread has blocked. */
static int
serve(int port, const struct secret *key, const sigset_t *signals)
{
    struct err err = ERR_INIT;
    struct model_server *server = NULL;
    struct model_options model = {.bind = opt_bind,
        .port = port,
        .health = opt_health,
        .key = key,
        .script = opt_script,
        .verbose = opt_verbose != NULL};
    int got = 0;
    if (model_server_start(&server, &model, &err) != 0)
        return fail(err.message);
    (void)printf("risoluto-rehearsal-model: serving http://%s:%d/v1\n",
        opt_bind, model_server_port(server));
    (void)fflush(stdout);
    (void)sigwait(signals, &got);
    model_server_stop(server);
    return 0;
}

int
main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    sigset_t signals;
    int port = PORT_DEFAULT;
    int rc = parse(argc, argv, &port);
    if (rc != 0)
        return rc;
    AUTO(secret_free_ptr) struct secret *key = NULL;
    if (opt_key_file != NULL &&
        (key = secret_read_file(opt_key_file, KEY_MAX, &err)) == NULL)
        return fail(err.message);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return serve(port, key, &signals);
}
