/* SPDX-License-Identifier: Apache-2.0
 * The schema of every message: each field's kind, need and bounds. */
#include "proto/messages.h"

#include "common/cleanup.h"
#include "proto/limits.h"

/* The largest whole number that JSON carries without loss. */
#define BIG INT64_C(9007199254740991)
#define DAY INT64_C(86400000)
#define MAYBE false
#define MUST true

#define FIELD(kind_, message_, member_, required_, min_, max_, sub_)           \
    {                                                                          \
        .name = #member_, .kind = SCHEMA_##kind_, .required = (required_),     \
        .offset = offsetof(struct message_, member_), .min = (min_),           \
        .max = (max_), .sub = (sub_)                                           \
    }
#define STR(m, f, need, min, max) FIELD(STR, m, f, need, min, max, NULL)
#define NAME(m, f, need, max) FIELD(NAME, m, f, need, 1, max, NULL)
#define SECRET(m, f, need, max) FIELD(SECRET, m, f, need, 1, max, NULL)
#define INT(m, f, need, min, max) FIELD(INT, m, f, need, min, max, NULL)
#define BOOL(m, f, need) FIELD(BOOL, m, f, need, 0, 1, NULL)
#define RAW(m, f, need, max) FIELD(RAW, m, f, need, 0, max, NULL)
#define RAW_OBJECT(m, f, need, max) FIELD(RAW, m, f, need, 1, max, NULL)
#define OBJ(m, f, need, sub) FIELD(OBJ, m, f, need, 0, 1, &sub##_schema)
#define ARR(m, f, need, max, sub) FIELD(ARR, m, f, need, 0, max, &sub##_schema)

#define SCHEMA_OF(message)                                                     \
    {                                                                          \
        .name = #message, .size = sizeof(struct message),                      \
        .fields = message##_fields, .count = ARRAY_LEN(message##_fields)       \
    }
#define SCHEMA(message)                                                        \
    const struct schema message##_schema = SCHEMA_OF(message)
/* A part of messages, not one by itself. */
#define PART(message)                                                          \
    static const struct schema message##_schema = SCHEMA_OF(message)

/* clang-format off: one row a field */

static const struct schema_field ack_reply_fields[] = {
    BOOL(ack_reply, done, MUST),
};
SCHEMA(ack_reply);

/* ---- hello ---- */

static const struct schema_field hello_request_fields[] = {
    INT(hello_request, protocol_min, MUST, 1, 1000000),
    INT(hello_request, protocol_max, MUST, 1, 1000000),
    NAME(hello_request, control_id, MUST, PROTO_ID_MAX),
    STR(hello_request, version, MUST, 1, PROTO_ID_MAX),
};
SCHEMA(hello_request);

static const struct schema_field hello_reply_fields[] = {
    INT(hello_reply, protocol, MUST, 1, 1000000),
    STR(hello_reply, version, MUST, 1, PROTO_ID_MAX),
    STR(hello_reply, host, MUST, 1, PROTO_HOST_MAX),
    NAME(hello_reply, journal_id, MUST, PROTO_ID_MAX),
    INT(hello_reply, last_pos, MUST, 0, BIG),
    INT(hello_reply, capacity, MUST, 0, 100000),
    INT(hello_reply, running, MUST, 0, 100000),
    BOOL(hello_reply, draining, MUST),
    STR(hello_reply, workspace_root, MUST, 1, PROTO_PATH_MAX),
    STR(hello_reply, engine_version, MAYBE, 0, PROTO_ID_MAX),
};
SCHEMA(hello_reply);

/* ---- dispatch ---- */

static const struct schema_field issue_ref_fields[] = {
    STR(issue_ref, id, MUST, 1, PROTO_ISSUE_ID_MAX),
    STR(issue_ref, identifier, MUST, 1, PROTO_IDENTIFIER_MAX),
    STR(issue_ref, title, MUST, 0, PROTO_TITLE_MAX),
};
PART(issue_ref);

static const struct schema_field hooks_spec_fields[] = {
    STR(hooks_spec, after_create, MAYBE, 0, PROTO_HOOK_MAX),
    STR(hooks_spec, before_run, MAYBE, 0, PROTO_HOOK_MAX),
    STR(hooks_spec, after_run, MAYBE, 0, PROTO_HOOK_MAX),
    STR(hooks_spec, before_remove, MAYBE, 0, PROTO_HOOK_MAX),
    INT(hooks_spec, timeout_ms, MAYBE, 0, DAY),
};
PART(hooks_spec);

static const struct schema_field workspace_spec_fields[] = {
    NAME(workspace_spec, key, MUST, PROTO_KEY_MAX),
    STR(workspace_spec, repo_url, MAYBE, 1, PROTO_URL_MAX),
    STR(workspace_spec, base_branch, MAYBE, 1, 256),
    STR(workspace_spec, branch, MUST, 1, 256),
    STR(workspace_spec, commit_author, MUST, 3, 256),
    STR(workspace_spec, commit_message, MUST, 1, PROTO_COMMIT_MESSAGE_MAX),
    OBJ(workspace_spec, hooks, MAYBE, hooks_spec),
};
PART(workspace_spec);

static const struct schema_field provider_spec_fields[] = {
    STR(provider_spec, id, MUST, 1, PROTO_LABEL_MAX),
    STR(provider_spec, base_url, MAYBE, 1, PROTO_URL_MAX),
};
PART(provider_spec);

static const struct schema_field codex_spec_fields[] = {
    STR(codex_spec, model, MUST, 1, PROTO_LABEL_MAX),
    STR(codex_spec, reasoning_effort, MAYBE, 0, 32),
    OBJ(codex_spec, provider, MUST, provider_spec),
    SECRET(codex_spec, api_key, MAYBE, PROTO_SECRET_MAX),
    RAW(codex_spec, approval_policy, MUST, 4096),
    STR(codex_spec, thread_sandbox, MUST, 1, 64),
    RAW(codex_spec, turn_sandbox_policy, MAYBE, PROTO_SANDBOX_POLICY_MAX),
    INT(codex_spec, startup_timeout_ms, MUST, 1, DAY),
    INT(codex_spec, read_timeout_ms, MUST, 1, DAY),
    INT(codex_spec, turn_timeout_ms, MUST, 1, DAY),
    INT(codex_spec, stall_timeout_ms, MUST, 0, DAY),
    INT(codex_spec, drain_timeout_ms, MUST, 0, DAY),
    INT(codex_spec, approval_timeout_ms, MUST, 1, DAY),
};
PART(codex_spec);

static const struct schema_field sandbox_spec_fields[] = {
    STR(sandbox_spec, image, MUST, 1, 512),
    STR(sandbox_spec, network, MAYBE, 0, PROTO_LABEL_MAX),
    STR(sandbox_spec, memory, MAYBE, 0, 32),
    STR(sandbox_spec, memory_reservation, MAYBE, 0, 32),
    STR(sandbox_spec, memory_swap, MAYBE, 0, 32),
    STR(sandbox_spec, cpus, MAYBE, 0, 32),
    STR(sandbox_spec, tmpfs_size, MAYBE, 0, 32),
    INT(sandbox_spec, pids_limit, MUST, 0, 1000000),
    BOOL(sandbox_spec, no_new_privileges, MUST),
    BOOL(sandbox_spec, drop_capabilities, MUST),
    STR(sandbox_spec, seccomp_profile, MAYBE, 0, PROTO_PATH_MAX),
    STR(sandbox_spec, log_driver, MAYBE, 0, 32),
    STR(sandbox_spec, log_max_size, MAYBE, 0, 32),
    INT(sandbox_spec, log_max_file, MAYBE, 0, 1000),
};
PART(sandbox_spec);

static const struct schema_field dispatch_request_fields[] = {
    NAME(dispatch_request, attempt_id, MUST, PROTO_ID_MAX),
    INT(dispatch_request, fence, MUST, 1, BIG),
    INT(dispatch_request, attempt_number, MUST, 1, BIG),
    INT(dispatch_request, lease_ms, MUST, 1, 7 * DAY),
    INT(dispatch_request, max_turns, MUST, 1, 1000),
    OBJ(dispatch_request, issue, MUST, issue_ref),
    STR(dispatch_request, prompt, MUST, 1, PROTO_PROMPT_MAX),
    STR(dispatch_request, continuation_prompt, MUST, 0, PROTO_PROMPT_MAX),
    OBJ(dispatch_request, workspace, MUST, workspace_spec),
    OBJ(dispatch_request, codex, MUST, codex_spec),
    OBJ(dispatch_request, sandbox, MUST, sandbox_spec),
};
SCHEMA(dispatch_request);

static const struct schema_field dispatch_reply_fields[] = {
    BOOL(dispatch_reply, accepted, MUST),
    STR(dispatch_reply, state, MUST, 1, PROTO_ID_MAX),
};
SCHEMA(dispatch_reply);

/* ---- events ---- */

static const struct schema_field events_request_fields[] = {
    NAME(events_request, journal_id, MUST, PROTO_ID_MAX),
    INT(events_request, cursor, MUST, 0, BIG),
    INT(events_request, max_events, MUST, 1, PROTO_EVENTS_MAX_COUNT),
    INT(events_request, wait_ms, MUST, 0, PROTO_WAIT_MAX_MS),
};
SCHEMA(events_request);

static const struct schema_field event_message_fields[] = {
    INT(event_message, pos, MUST, 1, BIG),
    NAME(event_message, attempt_id, MUST, PROTO_ID_MAX),
    INT(event_message, seq, MUST, 1, BIG),
    INT(event_message, at_ms, MUST, 0, BIG),
    NAME(event_message, type, MUST, PROTO_ID_MAX),
    RAW_OBJECT(event_message, data, MUST, PROTO_EVENT_DATA_MAX),
};
SCHEMA(event_message);

static const struct schema_field events_reply_fields[] = {
    ARR(events_reply, events, MUST, PROTO_EVENTS_MAX_COUNT, event_message),
};
SCHEMA(events_reply);

/* ---- respond, steer, abort ---- */

static const struct schema_field respond_request_fields[] = {
    NAME(respond_request, attempt_id, MUST, PROTO_ID_MAX),
    INT(respond_request, fence, MUST, 1, BIG),
    STR(respond_request, request_id, MUST, 1, 256),
    RAW(respond_request, response, MUST, PROTO_RESPONSE_MAX),
};
SCHEMA(respond_request);

static const struct schema_field steer_request_fields[] = {
    NAME(steer_request, attempt_id, MUST, PROTO_ID_MAX),
    INT(steer_request, fence, MUST, 1, BIG),
    NAME(steer_request, steer_id, MUST, PROTO_ID_MAX),
    STR(steer_request, text, MUST, 1, PROTO_STEER_MAX),
};
SCHEMA(steer_request);

static const struct schema_field abort_request_fields[] = {
    NAME(abort_request, attempt_id, MUST, PROTO_ID_MAX),
    INT(abort_request, fence, MUST, 1, BIG),
    STR(abort_request, outcome, MUST, 1, PROTO_ID_MAX),
    STR(abort_request, reason, MUST, 0, PROTO_TEXT_MAX),
};
SCHEMA(abort_request);

/* ---- status, drain, workspaces ---- */

static const struct schema_field status_request_fields[] = {
    NAME(status_request, attempt_id, MAYBE, PROTO_ID_MAX),
};
SCHEMA(status_request);

static const struct schema_field attempt_status_fields[] = {
    NAME(attempt_status, attempt_id, MUST, PROTO_ID_MAX),
    INT(attempt_status, fence, MUST, 1, BIG),
    STR(attempt_status, issue_id, MUST, 1, PROTO_ISSUE_ID_MAX),
    STR(attempt_status, issue_identifier, MUST, 1, PROTO_IDENTIFIER_MAX),
    STR(attempt_status, state, MUST, 1, PROTO_ID_MAX),
    STR(attempt_status, outcome, MAYBE, 1, PROTO_ID_MAX),
    INT(attempt_status, started_at_ms, MUST, 0, BIG),
    INT(attempt_status, last_seq, MUST, 0, BIG),
    STR(attempt_status, container, MAYBE, 0, 256),
};
PART(attempt_status);

static const struct schema_field status_reply_fields[] = {
    ARR(status_reply, attempts, MUST, PROTO_STATUS_MAX_COUNT, attempt_status),
};
SCHEMA(status_reply);

static const struct schema_field drain_request_fields[] = {
    BOOL(drain_request, draining, MUST),
};
SCHEMA(drain_request);

static const struct schema_field workspaces_request_fields[] = {
    INT(workspaces_request, limit, MUST, 1, PROTO_WORKSPACES_MAX_COUNT),
};
SCHEMA(workspaces_request);

static const struct schema_field workspace_info_fields[] = {
    NAME(workspace_info, key, MUST, PROTO_KEY_MAX),
    STR(workspace_info, path, MUST, 1, PROTO_PATH_MAX),
    NAME(workspace_info, attempt_id, MAYBE, PROTO_ID_MAX),
    INT(workspace_info, modified_at_ms, MUST, 0, BIG),
};
PART(workspace_info);

static const struct schema_field workspaces_reply_fields[] = {
    ARR(workspaces_reply, workspaces, MUST, PROTO_WORKSPACES_MAX_COUNT,
        workspace_info),
};
SCHEMA(workspaces_reply);

static const struct schema_field remove_workspace_request_fields[] = {
    NAME(remove_workspace_request, key, MUST, PROTO_KEY_MAX),
    OBJ(remove_workspace_request, hooks, MAYBE, hooks_spec),
    OBJ(remove_workspace_request, sandbox, MAYBE, sandbox_spec),
};
SCHEMA(remove_workspace_request);

/* clang-format on */
