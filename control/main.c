/* SPDX-License-Identifier: Apache-2.0
 * risoluto-control: puts the parts together, waits for a signal, takes them
 * apart in reverse. */
#include "common/cleanup.h"
#include "common/cli.h"
#include "common/clock.h"
#include "common/log.h"
#include "control/config/config.h"
#include "control/http/server.h"
#include "control/orchestrator/orchestrator.h"
#include "control/pool/pool.h"
#include "control/store/store.h"
#include "control/tracker/tracker.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2, STOP_PATIENCE_MS = 4500, CONFIG_MAX = 1024 * 1024 };

struct parts {
    struct config_live *config;
    struct store *store;
    struct tracker tracker;
    struct orchestrator *orchestrator;
    struct pool *pool;
    struct http_server *http;
};

static int
start_pool(struct parts *parts, struct err *err)
{
    AUTO(config_release_ptr) struct config *config = config_get(parts->config);
    struct pool_hooks hooks = orchestrator_hooks(parts->orchestrator);

    return pool_start(&parts->pool, config, parts->store, &hooks, err);
}

static int
open_tracker(struct parts *parts, struct err *err)
{
    AUTO(config_release_ptr) struct config *config = config_get(parts->config);

    return tracker_open(&parts->tracker, config, parts->store, err);
}

static int
start_http(struct parts *parts, struct err *err)
{
    struct http_deps deps = {.store = parts->store,
        .orchestrator = parts->orchestrator,
        .tracker = &parts->tracker,
        .pool = parts->pool,
        .config = parts->config};

    return http_start(&parts->http, &deps, err);
}

static int
start_orchestrator(struct parts *parts, struct err *err)
{
    return orchestrator_start(parts->orchestrator, parts->pool, err);
}

static int
make_orchestrator(struct parts *parts, struct err *err)
{
    struct orchestrator_deps deps = {.store = parts->store,
        .tracker = &parts->tracker,
        .config = parts->config};

    return orchestrator_new(&parts->orchestrator, &deps, err);
}

/* The HTTP port is taken before anything is claimed: a process that cannot
 * be seen must not work. */
static int
start_parts(
    struct parts *parts, const struct config_sources *sources, struct err *err)
{
    if (config_live_open(&parts->config, sources, err) != 0 ||
        store_open(&parts->store, sources->data_dir, err) != 0 ||
        open_tracker(parts, err) != 0 || make_orchestrator(parts, err) != 0 ||
        start_pool(parts, err) != 0 || start_http(parts, err) != 0)
        return -1;
    return start_orchestrator(parts, err);
}

static void
stop_parts(struct parts *parts)
{
    if (parts->store != NULL)
        store_wake(parts->store);
    http_stop(parts->http);
    if (parts->pool != NULL)
        pool_close(parts->pool); /* frees the loop from calls under way */
    orchestrator_stop(parts->orchestrator);
    pool_free(parts->pool);
    orchestrator_free(parts->orchestrator);
    tracker_close(&parts->tracker);
    store_close(parts->store);
    config_live_close(parts->config);
}

/* A tracker that does not answer must not hold up the end: everything that
 * was decided is durable, so that leaving at any point is safe. */
static void *
end_in_time(void *arg)
{
    struct timespec patience = {.tv_sec = STOP_PATIENCE_MS / 1000,
        .tv_nsec = (STOP_PATIENCE_MS % 1000) * 1000000L};

    (void)arg;
    (void)nanosleep(&patience, NULL);
    log_warn(NULL, "stopping took too long; leaving");
    _exit(0);
}

static void
serve(struct parts *parts, const sigset_t *signals)
{
    pthread_t watchdog;
    int signal_number = 0;

    log_info(NULL, "serving", LOG_I("port", http_port(parts->http)));
    (void)sigwait(signals, &signal_number);
    log_info(NULL, "stopping", LOG_S("signal", strsignal(signal_number)));
    if (pthread_create(&watchdog, NULL, end_in_time, NULL) == 0)
        pthread_detach(watchdog);
}

static int
print_config(const struct config_sources *sources)
{
    AUTO(config_release_ptr) struct config *config = NULL;
    AUTO(buf_free) struct buf out;
    struct err err = ERR_INIT;
    struct jw w;

    buf_init(&out, CONFIG_MAX);
    jw_init(&w, &out);
    if (config_load(&config, sources, &err) != 0) {
        (void)fprintf(stderr, "risoluto-control: %s\n", err.message);
        return EXIT_FAILURE;
    }
    config_write(config, &w, NULL);
    (void)puts(buf_str(&out));
    return EXIT_SUCCESS;
}

static int
run(const struct config_sources *sources)
{
    struct parts parts = {0};
    struct err err = ERR_INIT;
    sigset_t signals;
    int status = EXIT_SUCCESS;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Many threads that allocate little: one arena is plenty. */
    (void)mallopt(M_ARENA_MAX, 1);
    if (start_parts(&parts, sources, &err) == 0) {
        serve(&parts, &signals);
    } else {
        (void)fprintf(stderr, "risoluto-control: %s\n", err.message);
        status = EXIT_FAILURE;
    }
    stop_parts(&parts);
    return status;
}

int
main(int argc, char **argv)
{
    const char *data_dir = getenv("DATA_DIR");
    const char *flag = NULL;
    struct config_sources sources = {0};
    struct err err = ERR_INIT;
    int rest = 0;
    const struct cli_option options[] = {
        {"data-dir", "DIR",
            "database, configuration overlay and certificates "
            "(default: $DATA_DIR, or .risoluto)",
            &data_dir},
        {"port", "N", "port of the operator API (default: 4000; 0: any)",
            &sources.port},
        {"workflow", "FILE", "WORKFLOW.md (default: DIR/WORKFLOW.md)",
            &sources.workflow_path},
        {"print-config", NULL, "print the effective configuration and end",
            &flag},
    };
    const struct cli cli = {.program = "risoluto-control",
        .summary = "the control plane of Risoluto",
        .usage = "[--data-dir DIR] [--port N] [--workflow FILE]",
        .options = options,
        .count = ARRAY_LEN(options),
        .epilog =
            "Environment: DATA_DIR, RISOLUTO_BIND, RISOLUTO_PORT,\n"
            "  RISOLUTO_WRITE_TOKEN or RISOLUTO_WRITE_TOKEN_FILE,\n"
            "  OPENAI_API_KEY or OPENAI_API_KEY_FILE, LINEAR_API_KEY,\n"
            "  RISOLUTO_DATAPLANES, RISOLUTO_PROVIDER_BASE_URL,\n"
            "  RISOLUTO_LOG_FORMAT (logfmt, json), LOG_LEVEL.\n"
            "Exit status: 0 after SIGTERM or SIGINT, 1 when it cannot serve,\n"
            "  2 for a wrong command line.\n"};

    if (cli_parse(&cli, argc, argv, &rest, &err) != 0 ||
        log_init("risoluto-control", &err) != 0) {
        (void)fprintf(stderr, "risoluto-control: %s\n", err.message);
        return EXIT_USAGE;
    }
    if (rest < argc) {
        (void)fprintf(
            stderr, "risoluto-control: unexpected \"%s\"\n", argv[rest]);
        return EXIT_USAGE;
    }
    sources.data_dir = data_dir != NULL ? data_dir : ".risoluto";
    return flag != NULL ? print_config(&sources) : run(&sources);
}
