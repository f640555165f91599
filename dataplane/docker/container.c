/* SPDX-License-Identifier: Apache-2.0
 * The life of a container: created, started, looked at, stopped, removed. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/create.h"
#include "dataplane/docker/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 1024 * 1024,
    TARGET_MAX = 4096,
    SLOW_MS = 60 * 1000, /* create, start and remove under a loaded disk */
    LIST_MAX = 10 * 1000
};

int
docker_container_target(
    struct buf *out, const char *id, const char *rest, struct err *err)
{
    if (!docker_name_is_valid(id))
        return err_set(err, ERR_INVALID, "no valid id of a container");
    buf_init(out, TARGET_MAX);
    buf_printf(out, "/containers/%s%s", id, rest);
    return buf_check(out, err);
}

static bool
is_id(const char *text)
{
    return strlen(text) == DOCKER_ID_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == DOCKER_ID_SIZE - 1;
}

static int
create_refused(const struct docker_create *spec,
    const struct docker_reply *reply, struct err *err)
{
    const char *message = json_str(json_get(reply->json, "message"), "");

    if (reply->status == 404 && strncasecmp(message, "no such image", 13) == 0)
        return err_set(err, ERR_NOT_FOUND,
            "image %s is not on this host; build it with make images or load "
            "it with docker load",
            spec->image);
    return docker_refused(reply, "create a container", err);
}

int
docker_create(struct docker *docker, const struct docker_create *spec,
    char id[DOCKER_ID_SIZE], struct err *err)
{
    AUTO(buf_free) struct buf body = {0};
    AUTO(buf_free) struct buf target = {0};
    AUTO(docker_reply_release) struct docker_reply reply = {0};
    struct docker_request request = {.method = "POST"};
    const char *made = NULL;

    buf_init(&body, BODY_MAX);
    if (docker_create_body(spec, &body, err) != 0)
        return err_wrap(err, "create a container");
    buf_init(&target, TARGET_MAX);
    buf_printf(&target, "/containers/create?name=%s", spec->name);
    if (buf_check(&target, err) != 0)
        return -1;
    request.target = buf_str(&target);
    request.body = buf_str(&body);
    request.deadline_ms = clock_mono_ms() + SLOW_MS;
    if (docker_call(docker, &request, &reply, err) != 0)
        return err_wrap(err, "create a container");
    if (reply.status != 201)
        return create_refused(spec, &reply, err);
    made = json_str(json_get(reply.json, "Id"), "");
    if (!is_id(made))
        return err_set(
            err, ERR_PROTOCOL, "the Docker Engine gave no container id");
    memcpy(id, made, DOCKER_ID_SIZE);
    return 0;
}

/* One call about a container; its answer is of no interest. */
static int
act(struct docker *docker, const char *method, const char *id, const char *rest,
    int64_t timeout_ms, const char *what, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    struct docker_request request = {.method = method};

    if (docker_container_target(&target, id, rest, err) != 0)
        return -1;
    request.target = buf_str(&target);
    request.deadline_ms = clock_mono_ms() + timeout_ms;
    return docker_call_ok(docker, &request, what, NULL, err);
}

int
docker_start(struct docker *docker, const char *id, struct err *err)
{
    return act(docker, "POST", id, "/start", SLOW_MS, "start a container", err);
}

static int
gone_is_fine(int result, struct err *err)
{
    if (result == 0 || err->code != ERR_NOT_FOUND)
        return result;
    err_clear(err);
    return 0;
}

int
docker_stop(
    struct docker *docker, const char *id, int64_t grace_ms, struct err *err)
{
    char rest[40];

    if (grace_ms < 0)
        grace_ms = 0;
    (void)snprintf(
        rest, sizeof(rest), "/stop?t=%lld", (long long)(grace_ms + 999) / 1000);
    return gone_is_fine(act(docker, "POST", id, rest, grace_ms + SLOW_MS,
                            "stop a container", err),
        err);
}

int
docker_remove(struct docker *docker, const char *id, struct err *err)
{
    return gone_is_fine(act(docker, "DELETE", id, "?force=1&v=1", SLOW_MS,
                            "remove a container", err),
        err);
}

int
docker_inspect(struct docker *docker, const char *id, struct docker_state *out,
    struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    AUTO(docker_reply_release) struct docker_reply reply = {0};
    struct docker_request request = {.method = "GET"};
    const struct json *state = NULL;

    if (docker_container_target(&target, id, "/json", err) != 0)
        return -1;
    request.target = buf_str(&target);
    request.deadline_ms = clock_mono_ms() + DOCKER_CALL_MS;
    if (docker_call_ok(docker, &request, "inspect a container", &reply, err) !=
        0)
        return -1;
    state = json_get(reply.json, "State");
    if (state == NULL)
        return err_set(
            err, ERR_PROTOCOL, "the Docker Engine gave no container state");
    *out = (struct docker_state){
        .running = json_bool(json_get(state, "Running"), false),
        .oom_killed = json_bool(json_get(state, "OOMKilled"), false),
        .exit_code = json_int(json_get(state, "ExitCode"), -1),
    };
    (void)snprintf(out->status, sizeof(out->status), "%s",
        json_str(json_get(state, "Status"), ""));
    docker_plain_text(
        out->error, sizeof(out->error), json_str(json_get(state, "Error"), ""));
    return 0;
}

/* {"label":["NAME"]}, escaped for a query. */
static int
list_target(struct buf *out, const char *label, struct err *err)
{
    AUTO(buf_free) struct buf filter = {0};
    struct jw w;

    buf_init(&filter, TARGET_MAX);
    jw_init(&w, &filter);
    jw_obj(&w, NULL);
    jw_arr(&w, "label");
    jw_str(&w, NULL, label);
    jw_end_arr(&w);
    jw_end_obj(&w);
    if (buf_check(&filter, err) != 0)
        return -1;
    buf_init(out, TARGET_MAX);
    buf_puts(out, "/containers/json?all=1&filters=");
    docker_http_escape(out, buf_str(&filter));
    return buf_check(out, err);
}

static void
read_listed(const struct json *node, struct docker_container *out)
{
    const char *name = json_str(json_first(json_get(node, "Names")), "");
    const struct json *labels = json_get(node, "Labels");

    memcpy(out->id, json_str(json_get(node, "Id"), ""), DOCKER_ID_SIZE);
    (void)snprintf(
        out->name, sizeof(out->name), "%s", name[0] == '/' ? name + 1 : name);
    (void)snprintf(out->attempt_id, sizeof(out->attempt_id), "%s",
        json_str(json_get(labels, "risoluto.attempt"), ""));
    (void)snprintf(out->state, sizeof(out->state), "%s",
        json_str(json_get(node, "State"), ""));
}

int
docker_list(struct docker *docker, const char *label,
    struct docker_container **list, size_t *count, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    AUTO(docker_reply_release) struct docker_reply reply = {0};
    struct docker_request request = {.method = "GET"};
    struct docker_container *found = NULL;
    size_t n = 0;

    if (list_target(&target, label, err) != 0)
        return -1;
    request.target = buf_str(&target);
    request.deadline_ms = clock_mono_ms() + DOCKER_CALL_MS;
    if (docker_call_ok(docker, &request, "list containers", &reply, err) != 0)
        return -1;
    if (json_len(reply.json) > LIST_MAX)
        return err_set(err, ERR_TOO_LARGE, "too many containers");
    found = calloc(json_len(reply.json) + 1, sizeof(*found));
    if (found == NULL)
        return err_no_memory(err);
    json_each (node, reply.json) {
        if (is_id(json_str(json_get(node, "Id"), "")))
            read_listed(node, &found[n++]);
    }
    *list = found;
    *count = n;
    return 0;
}

int
docker_wait(struct docker *docker, const char *id, int wake_fd,
    int64_t deadline_ms, int64_t *exit_code, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    AUTO(buf_free) struct buf body = {0};
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;
    AUTO(json_free_ptr) struct json *json = NULL;
    struct docker_request request = {
        .method = "POST", .deadline_ms = clock_mono_ms() + DOCKER_CALL_MS};
    struct docker_piece piece = {0};
    int got = 0;

    if (docker_container_target(&target, id, "/wait", err) != 0)
        return -1;
    request.target = buf_str(&target);
    if (docker_stream(
            docker, &request, 200, "wait for a container", &conn, err) != 0)
        return -1;
    buf_init(&body, TARGET_MAX);
    while (
        (got = docker_conn_read(conn, wake_fd, deadline_ms, &piece, err)) == 1)
        buf_append(&body, piece.data, piece.len);
    if (got < 0)
        return -1;
    if (got == DOCKER_CONN_IDLE)
        return clock_mono_ms() >= deadline_ms
                   ? err_set(err, ERR_TIMEOUT, "the container runs too long")
                   : err_set(err, ERR_CANCELLED, "stopped on request");
    if (buf_check(&body, err) != 0)
        return -1;
    json = json_parse(buf_str(&body), body.len, TARGET_MAX, err);
    if (json == NULL)
        return -1;
    *exit_code = json_int(json_get(json, "StatusCode"), -1);
    return 0;
}
