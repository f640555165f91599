/* SPDX-License-Identifier: Apache-2.0
 * What Codex asks of us: pending until the operator answers, declined when
 * nobody does, refused when it is nothing that we know. */
#include "dataplane/codex/session_internal.h"

#include "common/cleanup.h"
#include "dataplane/codex/items.h"

#include <string.h>

enum {
    RPC_METHOD_NOT_FOUND = -32601,
    RESPONSE_BYTES_MAX = 256 * 1024,
    ANSWER_BYTES_MAX = 2 * RESPONSE_BYTES_MAX,
    DECISION_BYTES_MAX = 4096
};

/* Everything that a person may decide, and how each spells "no". */
static const struct {
    const char *method;
    const char *decline;
} kinds[] = {
    {"item/commandExecution/requestApproval", "{\"decision\":\"decline\"}"},
    {"item/fileChange/requestApproval", "{\"decision\":\"decline\"}"},
    {"item/permissions/requestApproval",
        "{\"permissions\":{},\"scope\":\"turn\"}"},
    {"item/tool/requestUserInput", "{\"answers\":{}}"},
    {"mcpServer/elicitation/request", "{\"action\":\"decline\"}"},
    {"execCommandApproval",
        "{\"decision\":{\"denied\":{\"rejection\":\"declined\"}}}"},
    {"applyPatchApproval",
        "{\"decision\":{\"denied\":{\"rejection\":\"declined\"}}}"},
};

static const char *
decline_of(const char *method)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].method, method) == 0)
            return kinds[i].decline;
    return NULL;
}

static int
id_text(const struct json *id, char out[RPC_ID_MAX], struct err *err)
{
    AUTO(buf_free) struct buf text = {.max = RPC_ID_MAX - 1};
    struct jw w;
    jw_init(&w, &text);
    jw_node(&w, NULL, id);
    if (buf_check(&text, err) != 0)
        return -1;
    memcpy(out, buf_str(&text), text.len + 1);
    return 0;
}

static int
refuse(struct codex_session *s, const char *rpc_id, struct err *err)
{
    AUTO(buf_free) struct buf line = {.max = 4096};
    rpc_error(
        &line, rpc_id, RPC_METHOD_NOT_FOUND, "this client does not offer that");
    return session_send(s, &line, err);
}

static int
announce(struct codex_session *s, const struct pending_approval *approval,
    const struct rpc_message *message, struct err *err)
{
    struct event event;
    event_begin(&event);
    jw_str(&event.w, "request_id", approval->request_id);
    jw_str(&event.w, "method", message->method);
    if (item_write(&event.w, "params", message->params, ITEM_BYTES_MAX, err) !=
        0) {
        buf_free(&event.data);
        return -1;
    }
    return event_end(s, "approval.requested", &event, err);
}

/* The decision as JSON: the member of that name, or the whole response. */
static int
tell_answer(struct codex_session *s, const char *request_id,
    const struct json *response, const char *word, const char *by,
    struct err *err)
{
    static const char *const members[] = {"decision", "action"};
    const struct json *decision = NULL;
    for (size_t i = 0; decision == NULL && i < ARRAY_LEN(members); i++)
        decision = json_get(response, members[i]);
    struct event event;
    event_begin(&event);
    jw_str(&event.w, "request_id", request_id);
    if (word != NULL)
        jw_str(&event.w, "decision", word);
    else if (item_write(&event.w, "decision",
                 decision != NULL ? decision : response, DECISION_BYTES_MAX,
                 err) != 0) {
        buf_free(&event.data);
        return -1;
    }
    jw_str(&event.w, "by", by);
    return event_end(s, "approval.answered", &event, err);
}

static void
forget(struct codex_session *s, size_t index)
{
    s->approval_count--;
    memmove(&s->approvals[index], &s->approvals[index + 1],
        (s->approval_count - index) * sizeof(s->approvals[0]));
    /* The silence while somebody thought was not Codex's. */
    s->last_line = s->now;
}

/* Declines and forgets. */
static int
decline(struct codex_session *s, size_t index, const char *by, struct err *err)
{
    struct pending_approval approval = s->approvals[index];
    forget(s, index);
    AUTO(buf_free) struct buf line = {.max = 4096};
    rpc_result(&line, approval.rpc_id, approval.decline);
    if (tell_answer(s, approval.request_id, NULL, "decline", by, err) != 0)
        return -1;
    return session_send(s, &line, err);
}

int
approvals_request(
    struct codex_session *s, const struct rpc_message *message, struct err *err)
{
    struct pending_approval approval = {
        .decline = decline_of(message->method),
        .deadline = s->now + s->request->codex.approval_timeout_ms,
    };
    if (id_text(message->id, approval.rpc_id, err) != 0)
        return -1;
    if (approval.decline == NULL) {
        if (event_warning(
                s, "Codex asked for something unknown; refused", err) != 0)
            return -1;
        return refuse(s, approval.rpc_id, err);
    }
    session_new_id(s, 'a', approval.request_id);
    if (announce(s, &approval, message, err) != 0)
        return -1;
    bool crowded = s->approval_count == APPROVALS_MAX;
    if (crowded && decline(s, 0, "limit", err) != 0)
        return -1;
    s->approvals[s->approval_count++] = approval;
    /* Nobody is to wait for a turn that is being stopped. */
    if (s->phase != CODEX_TURN)
        return decline(s, s->approval_count - 1, "session", err);
    return 0;
}

int
approvals_resolved(
    struct codex_session *s, const struct json *rpc_id, struct err *err)
{
    char id[RPC_ID_MAX];
    if (rpc_id == NULL || id_text(rpc_id, id, err) != 0) {
        err_clear(err);
        return 0;
    }
    for (size_t i = 0; i < s->approval_count; i++) {
        if (strcmp(s->approvals[i].rpc_id, id) != 0)
            continue;
        char request_id[REQUEST_ID_SIZE];
        memcpy(request_id, s->approvals[i].request_id, sizeof(request_id));
        forget(s, i);
        return tell_answer(s, request_id, NULL, "withdrawn", "codex", err);
    }
    return 0;
}

static bool
is_cancel(const struct json *response)
{
    const char *decision = json_str(json_get(response, "decision"), "");
    return strcmp(decision, "cancel") == 0 || strcmp(decision, "abort") == 0;
}

static int
answer(struct codex_session *s, size_t index, const struct json *response,
    struct err *err)
{
    struct pending_approval approval = s->approvals[index];
    AUTO(buf_free) struct buf result = {.max = ANSWER_BYTES_MAX};
    AUTO(buf_free) struct buf line = {.max = ANSWER_BYTES_MAX + 4096};
    struct jw w;
    /* Written anew: the text may hold line breaks. */
    jw_init(&w, &result);
    jw_node(&w, NULL, response);
    if (buf_check(&result, err) != 0)
        return -1;
    rpc_result(&line, approval.rpc_id, buf_str(&result));
    forget(s, index);
    s->cancelled = s->cancelled || is_cancel(response);
    if (tell_answer(s, approval.request_id, response, NULL, "operator", err) !=
        0)
        return -1;
    return session_send(s, &line, err);
}

int
approvals_respond(struct codex_session *s, const char *request_id,
    const char *response_json, struct err *err)
{
    for (size_t i = 0; i < s->approval_count; i++) {
        if (strcmp(s->approvals[i].request_id, request_id) != 0)
            continue;
        AUTO(json_free_ptr)
        struct json *response = json_parse(
            response_json, strlen(response_json), RESPONSE_BYTES_MAX, err);
        if (response == NULL)
            return -1;
        if (json_type(response) != JSON_OBJECT)
            return err_set(
                err, ERR_INVALID, "a response must be a JSON object");
        return answer(s, i, response, err);
    }
    return err_set(err, ERR_NOT_FOUND,
        "no such approval is pending: answered already, or out of time");
}

int64_t
approvals_deadline(const struct codex_session *s)
{
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < s->approval_count; i++)
        if (s->approvals[i].deadline < deadline)
            deadline = s->approvals[i].deadline;
    return deadline;
}

int
approvals_tick(struct codex_session *s, struct err *err)
{
    for (size_t i = 0; i < s->approval_count;) {
        if (s->approvals[i].deadline > s->now)
            i++;
        else if (decline(s, i, "timeout", err) != 0)
            return -1;
    }
    return 0;
}
