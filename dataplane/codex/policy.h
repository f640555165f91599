/* SPDX-License-Identifier: Apache-2.0
 * What a dispatch allows Codex to do, in Codex's own terms, and whether what
 * Codex says it will do is that. */
#ifndef DATAPLANE_CODEX_POLICY_H
#define DATAPLANE_CODEX_POLICY_H

#include "common/err.h"
#include "common/json.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>

struct codex_policy {
    const char *thread_sandbox; /* "read-only", "workspace-write", ... */
    char *approval_policy;      /* JSON: a string or {"granular":..} */
    char *turn_sandbox;         /* JSON: {"type":"workspaceWrite",..} */
    struct json *approval_node; /* the same, parsed */
    struct json *turn_node;     /* the same, parsed */
    struct json *thread_node;   /* what thread_sandbox becomes in Codex */
    bool inner_sandbox;         /* Codex's own sandbox must work */
};

/* The only reviewer of approvals that we ask for: the client, which is us. */
#define CODEX_REVIEWER "user"

/* The model provider of our config.toml. */
#define CODEX_PROVIDER "risoluto"

/* Resolves the aliases and the defaults. ERR_CONFIG for a value that Codex
 * does not have; *out needs no release then. */
int codex_policy_init(
    struct codex_policy *out, const struct codex_spec *spec, struct err *err);
void codex_policy_release(struct codex_policy *policy);

/* The effective values in the answer to thread/start: true when they are what
 * was asked for; otherwise why says which one is not. */
bool codex_policy_holds_for_thread(const struct codex_policy *policy,
    const struct codex_spec *spec, const struct json *effective, char *why,
    size_t size);

/* The same for thread/settings/updated, which has the turn's sandbox. */
bool codex_policy_holds_for_turn(const struct codex_policy *policy,
    const struct codex_spec *spec, const struct json *settings, char *why,
    size_t size);

#endif
