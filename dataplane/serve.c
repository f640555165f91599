/* SPDX-License-Identifier: Apache-2.0
 * Start in the order of need, stop in the reverse. */
#include "dataplane/serve.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/version.h"
#include "dataplane/attempt/journal.h"
#include "dataplane/attempt/supervisor.h"
#include "dataplane/docker/docker.h"
#include "dataplane/docker/seccomp.h"
#include "dataplane/rpc/server.h"
#include "dataplane/workspace/workspace.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum { STOP_GRACE_MS = 3500, STOP_AT_LATEST_MS = 4500, REPORT_EVERY_S = 1 };

struct plane {
    struct journal *journal;
    struct docker *docker;
    struct workspace_root root;
    struct supervisor *supervisor;
    struct rpc_server *server;
    int halt_fd;
};

/* For whoever clears up after us: workers and volumes carry this id as the
 * label risoluto.dataplane. */
static int
write_id(const struct plane *plane, const char *data_dir, struct err *err)
{
    AUTO_FREE char *path = file_join(data_dir, "dataplane-id");
    const char *id = journal_id(plane->journal);

    if (path == NULL)
        return err_no_memory(err);
    return file_write_atomic(path, id, strlen(id), 0644, err);
}

static int
open_parts(struct plane *plane, const struct options *options, struct err *err)
{
    plane->halt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (plane->halt_fd < 0)
        return err_sys(err, "eventfd");
    /* The journal's lock first: a second instance touches nothing. */
    if (journal_open(&plane->journal, options->data_dir,
            options->journal_max_bytes, err) != 0 ||
        write_id(plane, options->data_dir, err) != 0 ||
        workspace_root_open(&plane->root, options->workspace_root, err) != 0)
        return -1;
    return docker_open(&plane->docker, options->docker_socket, err);
}

static int
start_parts(struct plane *plane, const struct options *options, struct err *err)
{
    const struct supervisor_deps supervised = {.journal = plane->journal,
        .docker = plane->docker,
        .root = &plane->root,
        .default_network = options->network,
        .seccomp_json = seccomp_profile_json,
        .capacity = options->capacity};
    struct rpc_server_options served = {
        .url = options->listen, .pki_dir = options->pki_dir};

    if (supervisor_start(&plane->supervisor, &supervised, err) != 0)
        return -1;
    served.handlers = (struct handlers_deps){.journal = plane->journal,
        .supervisor = plane->supervisor,
        .docker = plane->docker,
        .root = &plane->root,
        .host_name = options->host_name,
        .default_network = options->network,
        .seccomp_json = seccomp_profile_json,
        .halt_fd = plane->halt_fd};
    return rpc_server_start(&plane->server, &served, err);
}

/* Whatever hangs (an engine that takes a request and never answers), the
 * process ends in time. What is durable stays so, and the next start clears up
 * as after a crash. */
static void *
end_in_time(void *arg)
{
    const struct timespec grace = {.tv_sec = STOP_AT_LATEST_MS / 1000,
        .tv_nsec = STOP_AT_LATEST_MS % 1000 * 1000000L};

    (void)arg;
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &grace, NULL);
    log_warn(NULL, "something did not stop in time");
    _exit(EXIT_SUCCESS);
}

static void
watch_stop(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, end_in_time, NULL) == 0)
        (void)pthread_detach(thread);
}

/* Attempts are told first, so that their grace runs while requests drain.
 * false: threads still use the parts, which must stay as they are. */
static bool
stop_parts(struct plane *plane)
{
    bool ended = true;

    if (plane->halt_fd >= 0)
        (void)eventfd_write(plane->halt_fd, 1);
    if (plane->supervisor != NULL)
        supervisor_halt(plane->supervisor);
    if (plane->journal != NULL)
        journal_wake(plane->journal);
    rpc_server_stop(plane->server);
    if (plane->supervisor != NULL)
        ended = supervisor_stop(plane->supervisor, STOP_GRACE_MS);
    if (!ended)
        return false;
    docker_close(plane->docker);
    workspace_root_close(&plane->root);
    journal_close(plane->journal);
    if (plane->halt_fd >= 0)
        (void)close(plane->halt_fd);
    return true;
}

static void
announce(const struct plane *plane, const struct options *options)
{
    log_info(NULL, "serving", LOG_S("version", RISOLUTO_VERSION),
        LOG_S("listen", options->listen), LOG_S("host", options->host_name),
        LOG_S("workspaces", plane->root.path),
        LOG_I("capacity", options->capacity));
}

int
serve(const struct options *options, const sigset_t *signals, struct err *err)
{
    struct plane plane = {.halt_fd = -1, .root = {.fd = -1}};
    const struct timespec tick = {.tv_sec = REPORT_EVERY_S};
    int number;

    if (open_parts(&plane, options, err) != 0 ||
        start_parts(&plane, options, err) != 0) {
        (void)stop_parts(&plane);
        return -1;
    }
    announce(&plane, options);
    while ((number = sigtimedwait(signals, NULL, &tick)) < 0)
        rpc_server_report(plane.server);
    log_info(NULL, "stopping", LOG_I("signal", number));
    watch_stop();
    if (!stop_parts(&plane))
        _exit(EXIT_SUCCESS);
    return 0;
}
