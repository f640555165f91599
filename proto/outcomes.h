/* SPDX-License-Identifier: Apache-2.0
 * Why an attempt ended: one table for both planes, the API and the docs. */
#ifndef PROTO_OUTCOMES_H
#define PROTO_OUTCOMES_H

#include <stdbool.h>

/* id, wire name, is it worth trying again by itself?, what it means */
#define OUTCOMES(X)                                                            \
    X(OUTCOME_SUCCEEDED, "succeeded", false, "the agent says it is done")      \
    X(OUTCOME_BLOCKED, "blocked", false, "the agent needs a person")           \
    X(OUTCOME_TURNS_EXHAUSTED, "turns_exhausted", true,                        \
        "agent.max_turns turns without a final word")                          \
    X(OUTCOME_ABORTED, "aborted", false, "stopped by the operator")            \
    X(OUTCOME_SUPERSEDED, "superseded", false,                                 \
        "the issue left its active states while the agent worked")             \
    X(OUTCOME_TEMPLATE, "template_render_error", false,                        \
        "the prompt template does not fit the issue")                          \
    X(OUTCOME_DISPATCH, "dispatch_failed", true,                               \
        "no data plane accepted the dispatch")                                 \
    X(OUTCOME_WORKSPACE, "workspace_failed", true,                             \
        "the workspace could not be prepared")                                 \
    X(OUTCOME_HOOK, "hook_failed", true, "a fatal hook failed or timed out")   \
    X(OUTCOME_IMAGE, "image_missing", false,                                   \
        "the worker image is not on this host")                                \
    X(OUTCOME_ENGINE, "engine_failed", true,                                   \
        "the Docker Engine refused or went away")                              \
    X(OUTCOME_SANDBOX, "sandbox_unproved", false,                              \
        "the preflight could not prove the inner sandbox")                     \
    X(OUTCOME_CONFIG, "codex_config_rejected", false,                          \
        "Codex warned about or refused its configuration")                     \
    X(OUTCOME_POLICY, "policy_mismatch", false,                                \
        "Codex's effective policy is not the one asked for")                   \
    X(OUTCOME_STARTUP_TIMEOUT, "startup_timeout", true,                        \
        "Codex was not ready in codex.startup_timeout_ms")                     \
    X(OUTCOME_READ_TIMEOUT, "read_timeout", true,                              \
        "Codex did not answer a request in codex.read_timeout_ms")             \
    X(OUTCOME_TURN_TIMEOUT, "turn_timeout", true,                              \
        "a turn took longer than codex.turn_timeout_ms")                       \
    X(OUTCOME_STALLED, "stalled", true,                                        \
        "Codex was silent for codex.stall_timeout_ms")                         \
    X(OUTCOME_CODEX_EXITED, "codex_exited", true, "Codex ended by itself")     \
    X(OUTCOME_CODEX_PROTOCOL, "codex_protocol", true,                          \
        "Codex answered something that is not its protocol")                   \
    X(OUTCOME_OOM, "container_oom", true,                                      \
        "the container ran out of memory and was killed")                      \
    X(OUTCOME_CONTAINER_LOST, "container_lost", true,                          \
        "the container was killed or removed from outside")                    \
    X(OUTCOME_UNAUTHORIZED, "model_unauthorized", false,                       \
        "the model provider refused the credential")                           \
    X(OUTCOME_RATE_LIMITED, "model_rate_limited", true,                        \
        "the model provider answered 429 too often")                           \
    X(OUTCOME_USAGE_LIMIT, "usage_limit", true,                                \
        "the account's usage limit is reached")                                \
    X(OUTCOME_CONTEXT, "context_window", false,                                \
        "the conversation outgrew the model's context window")                 \
    X(OUTCOME_MODEL, "model_error", true,                                      \
        "the model provider failed or hung up")                                \
    X(OUTCOME_COMMIT, "commit_failed", true,                                   \
        "the change could not be committed")                                   \
    X(OUTCOME_JOURNAL, "journal_failed", true,                                 \
        "the data plane could not write its journal")                          \
    X(OUTCOME_RESTARTED, "dataplane_restarted", true,                          \
        "the data plane restarted and could not take the attempt up again")    \
    X(OUTCOME_INTERNAL, "internal", true, "a fault of ours; see the log")

enum outcome {

#define X(id, name, retry, text) id,
    OUTCOMES(X)
#undef X
        OUTCOME_COUNT
};

const char *outcome_name(enum outcome outcome);
const char *outcome_text(enum outcome outcome);
bool outcome_is_retryable(enum outcome outcome);

/* OUTCOME_INTERNAL for a name that is not ours. */
enum outcome outcome_from_name(const char *name);

#endif
