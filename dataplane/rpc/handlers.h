/* SPDX-License-Identifier: Apache-2.0
 * What each operation of the protocol does on this host. No sockets here. */
#ifndef DATAPLANE_RPC_HANDLERS_H
#define DATAPLANE_RPC_HANDLERS_H

#include "common/err.h"
#include "dataplane/attempt/journal.h"
#include "dataplane/attempt/supervisor.h"
#include "dataplane/docker/docker.h"
#include "dataplane/workspace/workspace.h"
#include "proto/ops.h"

/* What is pointed to must outlive its users. */
struct handlers_deps {
    struct journal *journal;
    struct supervisor *supervisor;
    struct docker *docker;
    const struct workspace_root *root;
    const char *host_name;
    const char *default_network;
    const char *seccomp_json;
    int halt_fd; /* readable: the data plane ends, stop jobs; -1: none */
};

/* Carries out op. request is the op's request struct (dispatch takes what it
 * owns), reply a zeroed struct of its reply type, released by the caller.
 * Safe from any thread. */
int handlers_call(const struct handlers_deps *deps, enum proto_op op,
    void *request, void *reply, struct err *err);

#endif
