/* SPDX-License-Identifier: Apache-2.0
 * The data planes this control plane uses: one connection, one event puller
 * each. The only file of the control plane that knows nng is pool/client.c. */
#ifndef CONTROL_POOL_POOL_H
#define CONTROL_POOL_POOL_H

#include "common/err.h"
#include "common/json.h"
#include "proto/messages.h"
#include "proto/ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct ending_policy;
struct pool;
struct store;

/* Starts a puller for every host in pool.hosts. Does not wait for them. */
int pool_start(struct pool **out, const struct config *config,
    struct store *store, const struct ending_policy *policy, struct err *err);
void pool_stop(struct pool *pool); /* joins */

/* A host with room (least loaded first): its name, valid as long as the
 * pool; NULL when none is ready. */
const char *pool_pick(struct pool *pool);

/* One exchange with a host. reply is a struct of op's reply type, released
 * by schema_release. ERR_UNAVAILABLE: it cannot be reached (the operation may
 * or may not have happened: repeat it, it is idempotent). */
int pool_call(struct pool *pool, const char *host, enum proto_op op,
    const void *request, void *reply, int64_t timeout_ms, struct err *err);

struct host_info {
    char name[64];
    char url[256];
    bool connected;
    bool draining;
    int64_t capacity;
    int64_t running;
    char version[32];
    char engine_version[64];
    char error[256]; /* why it is not connected */
};

/* Fills at most max entries; returns how many hosts there are. */
size_t pool_hosts(struct pool *pool, struct host_info *out, size_t max);

#endif
