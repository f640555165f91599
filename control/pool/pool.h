/* SPDX-License-Identifier: Apache-2.0
 * The data planes that this control plane uses: for each one a connection
 * and a thread that pulls its events into the store. */
#ifndef CONTROL_POOL_POOL_H
#define CONTROL_POOL_POOL_H

#include "common/err.h"
#include "control/store/store.h"
#include "proto/messages.h"
#include "proto/ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct pool;

struct pool_hooks {
    struct ending_policy policy;
    /* Something that the orchestrator may act on: an attempt has ended (it is
     * durable), or a host came back. Called from the host's thread. */
    void (*changed)(void *arg);
    void *arg;
};

/* Starts a puller for every entry of pool.hosts ("[NAME=]tls+tcp://host:port";
 * NAME is what its certificate must carry, by default the host, or localhost
 * for a loopback address). Does not wait for them. */
int pool_start(struct pool **out, const struct config *config,
    struct store *store, const struct pool_hooks *hooks, struct err *err);

/* Ends calls under way with ERR_CANCELLED and joins the pullers. */
void pool_close(struct pool *pool);
void pool_free(struct pool *pool); /* closes first; NULL is legal */

/* A connected host with room, least loaded first: its name, valid as long as
 * the pool. NULL when there is none. */
const char *pool_pick(struct pool *pool);

/* One exchange with a host. reply is a struct of op's reply type, released
 * by schema_release. ERR_UNAVAILABLE, ERR_TIMEOUT: it cannot be reached; the
 * operation may or may not have happened: repeat it, it is idempotent. */
int pool_call(struct pool *pool, const char *host, enum proto_op op,
    const void *request, void *reply, int64_t timeout_ms, struct err *err);

struct host_info {
    char name[128];
    char url[256];
    bool connected;
    bool draining;
    int64_t capacity;
    int64_t running;
    char version[32];
    char engine_version[64];     /* "": its engine does not answer */
    char error[ERR_MESSAGE_MAX]; /* why it is not usable; "" when it is */
};

/* Fills at most max entries; returns how many hosts there are. */
size_t pool_hosts(struct pool *pool, struct host_info *out, size_t max);

#endif
