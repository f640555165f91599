/* SPDX-License-Identifier: Apache-2.0
 * The messages of proto/PROTOCOL.md as C structs. Each has a schema of the
 * same name (`struct hello_request`, `hello_request_schema`); all memory in
 * a decoded message goes by schema_release. */
#ifndef PROTO_MESSAGES_H
#define PROTO_MESSAGES_H

#include "common/schema.h"
#include "common/secret.h"

#include <stdbool.h>
#include <stdint.h>

struct ack_reply {
    bool done; /* false: it was so already */
};

/* ---- hello ---- */

struct hello_request {
    int64_t protocol_min;
    int64_t protocol_max;
    char *control_id; /* of the control plane's store; the first one owns us */
    char *version;
};

struct hello_reply {
    int64_t protocol;
    char *version;
    char *host;       /* the data plane's own name */
    char *journal_id; /* changes when the journal is a new one */
    int64_t last_pos; /* newest journal position */
    int64_t capacity; /* attempts at a time */
    int64_t running;
    bool draining;
    char *workspace_root;
    char *engine_version; /* NULL: the engine does not answer */
};

/* ---- dispatch ---- */

struct issue_ref {
    char *id;
    char *identifier;
    char *title;
};

struct hooks_spec { /* NULL: no such hook */
    char *after_create;
    char *before_run;
    char *after_run;
    char *before_remove;
    int64_t timeout_ms;
};

struct workspace_spec {
    char *key;           /* [A-Za-z0-9._-]+, made by the control plane */
    char *repo_url;      /* NULL: an empty repository */
    char *base_branch;   /* NULL: the remote's default */
    char *branch;        /* "risoluto/MT-42" */
    char *commit_author; /* "Risoluto <risoluto@localhost>" */
    char *commit_message;
    struct hooks_spec hooks;
};

struct provider_spec {
    char *id;       /* "openai", or the name of a custom provider */
    char *base_url; /* NULL: the provider's own */
};

struct codex_spec {
    char *model;
    char *reasoning_effort; /* NULL: Codex's default */
    struct provider_spec provider;
    struct secret *api_key;    /* NULL: none */
    char *approval_policy;     /* RAW: a string or the granular object */
    char *thread_sandbox;      /* read-only|workspace-write|... */
    char *turn_sandbox_policy; /* RAW; NULL: from thread_sandbox */
    int64_t startup_timeout_ms;
    int64_t read_timeout_ms;
    int64_t turn_timeout_ms;
    int64_t stall_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t approval_timeout_ms;
};

struct sandbox_spec {
    char *image;
    char *network; /* NULL: the data plane's default */
    char *memory;  /* "4g" */
    char *memory_reservation;
    char *memory_swap;
    char *cpus; /* "2.0" */
    char *tmpfs_size;
    int64_t pids_limit;
    bool no_new_privileges;
    bool drop_capabilities;
    char *seccomp_profile; /* NULL or "": ours; "docker-default"; a path */
    char *log_driver;
    char *log_max_size;
    int64_t log_max_file;
};

struct dispatch_request {
    char *attempt_id;
    int64_t fence;
    int64_t attempt_number; /* 1 for the first try of an issue */
    int64_t lease_ms;
    int64_t max_turns;
    struct issue_ref issue;
    char *prompt;              /* of the first turn */
    char *continuation_prompt; /* of each further turn */
    struct workspace_spec workspace;
    struct codex_spec codex;
    struct sandbox_spec sandbox;
};

struct dispatch_reply {
    bool accepted; /* false: this attempt id was known already */
    char *state;   /* attempt state, see status */
};

/* ---- events ---- */

struct events_request {
    char *journal_id; /* must be the journal that the cursor is of */
    int64_t cursor;   /* last position stored; acknowledges all up to it */
    int64_t max_events;
    int64_t wait_ms;
};

struct event_message {
    int64_t pos; /* position in the host's journal, grows by insertion */
    char *attempt_id;
    int64_t seq; /* 1, 2, 3, ... of this attempt, without gaps */
    int64_t at_ms;
    char *type; /* see PROTOCOL.md, "Events" */
    char *data; /* RAW: an object */
};

struct events_reply {
    struct slice events; /* of struct event_message, pos ascending */
};

/* ---- respond, steer, abort ---- */

struct respond_request {
    char *attempt_id;
    int64_t fence;
    char *request_id; /* of the approval.requested event */
    char *response;   /* RAW: what Codex gets as the result */
};

struct steer_request {
    char *attempt_id;
    int64_t fence;
    char *steer_id;
    char *text;
};

struct abort_request {
    char *attempt_id;
    int64_t fence;
    char *outcome; /* "aborted" or "superseded" */
    char *reason;
};

/* ---- status, drain, workspaces ---- */

struct status_request {
    char *attempt_id; /* NULL: all that are not yet acknowledged as ended */
};

struct attempt_status {
    char *attempt_id;
    int64_t fence;
    char *issue_id;
    char *issue_identifier;
    char *state;
    char *outcome; /* NULL until it ended */
    int64_t started_at_ms;
    int64_t last_seq;
    char *container;
};

struct status_reply {
    struct slice attempts; /* of struct attempt_status */
};

struct drain_request {
    bool draining;
};

struct workspaces_request {
    int64_t limit;
};

struct workspace_info {
    char *key;
    char *path;
    char *attempt_id; /* that uses it now; NULL: free */
    int64_t modified_at_ms;
};

struct workspaces_reply {
    struct slice workspaces; /* of struct workspace_info */
};

struct remove_workspace_request {
    char *key;
    struct hooks_spec hooks;
    struct sandbox_spec sandbox; /* where before_remove runs */
};

#define PROTO_MESSAGES(X)                                                      \
    X(ack_reply)                                                               \
    X(hello_request)                                                           \
    X(hello_reply)                                                             \
    X(dispatch_request)                                                        \
    X(dispatch_reply)                                                          \
    X(event_message)                                                           \
    X(events_request)                                                          \
    X(events_reply)                                                            \
    X(respond_request)                                                         \
    X(steer_request)                                                           \
    X(abort_request)                                                           \
    X(status_request)                                                          \
    X(status_reply)                                                            \
    X(drain_request)                                                           \
    X(workspaces_request)                                                      \
    X(workspaces_reply)                                                        \
    X(remove_workspace_request)

#define X(name) extern const struct schema name##_schema;
PROTO_MESSAGES(X)
#undef X

#endif
