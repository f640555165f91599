/* SPDX-License-Identifier: Apache-2.0
 * risoluto-dataplane: runs attempts in containers on this host, and tells the
 * control plane what happens. */
#include "common/log.h"
#include "dataplane/options.h"
#include "dataplane/serve.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENAS = 2 };

/* Before any thread: each inherits the mask, and only serve() takes them. */
static int
block_signals(sigset_t *signals, struct err *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 ||
        pthread_sigmask(SIG_BLOCK, signals, NULL) != 0)
        return err_sys(err, "signals");
    return 0;
}

int
main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct options options;
    sigset_t signals;

    /* Many threads that each do little: an arena for each would be waste. */
    (void)mallopt(M_ARENA_MAX, ARENAS);
    if (options_parse(&options, argc, argv, &err) != 0 ||
        log_init("dataplane", &err) != 0 ||
        block_signals(&signals, &err) != 0 ||
        serve(&options, &signals, &err) != 0) {
        (void)fprintf(stderr, "risoluto-dataplane: %s\n", err.message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
