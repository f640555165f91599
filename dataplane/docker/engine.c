/* SPDX-License-Identifier: Apache-2.0
 * Calls of the Docker Engine's API over its unix socket, and what it says
 * about itself, images, networks and volumes. */
#include "dataplane/docker/engine.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "dataplane/docker/create.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* We ask for 1.41 (Engine 20.10), or for the oldest that a newer engine
     * still speaks: what we use has not changed since. */
    API_MINOR = 41,
    ANSWER_MAX = 4 * 1024 * 1024,
    REQUEST_MAX = 1024 * 1024,
    REASON_MAX = 300
};

struct docker {
    char *socket_path;
    atomic_int api_minor; /* 0 until asked for */
};

int
docker_open(struct docker **out, const char *socket_path, struct err *err)
{
    struct docker *docker = calloc(1, sizeof(*docker));

    if (docker == NULL)
        return err_no_memory(err);
    docker->socket_path = strdup(socket_path);
    if (docker->socket_path == NULL) {
        free(docker);
        return err_no_memory(err);
    }
    *out = docker;
    return 0;
}

void
docker_close(struct docker *docker)
{
    if (docker == NULL)
        return;
    free(docker->socket_path);
    free(docker);
}

void
docker_reply_release(struct docker_reply *reply)
{
    json_free(reply->json);
    reply->json = NULL;
}

/* Sends a request to a path that is complete, and reads the answer's head. */
static int
ask(struct docker *docker, const struct docker_request *request,
    const char *path, struct docker_conn **out, int *status, struct err *err)
{
    AUTO(buf_free) struct buf text = {0};
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;

    buf_init(&text, REQUEST_MAX);
    if (docker_http_request(&text, request->method, path, request->body,
            request->upgrade, err) != 0 ||
        docker_conn_open(
            &conn, docker->socket_path, request->deadline_ms, err) != 0 ||
        docker_conn_send(
            conn, text.data, text.len, request->deadline_ms, err) != 0 ||
        docker_conn_head(conn, request->deadline_ms, status, err) != 0)
        return -1;
    *out = STEAL(conn);
    return 0;
}

static int
read_json(struct docker_conn *conn, int64_t deadline_ms, struct json **out,
    struct err *err)
{
    AUTO(buf_free) struct buf body = {0};
    struct docker_piece piece = {0};
    int got = 0;

    buf_init(&body, ANSWER_MAX);
    while ((got = docker_conn_read(conn, -1, deadline_ms, &piece, err)) == 1)
        buf_append(&body, piece.data, piece.len);
    if (got < 0)
        return -1;
    if (got == DOCKER_CONN_IDLE)
        return err_set(
            err, ERR_TIMEOUT, "the Docker Engine did not answer in time");
    if (buf_check(&body, err) != 0)
        return err_wrap(err, "the Docker Engine's answer");
    if (body.len == 0)
        return 0;
    *out = json_parse(body.data, body.len, ANSWER_MAX, err);
    if (*out == NULL)
        return err_wrap(err, "the Docker Engine's answer");
    return 0;
}

static int
minor_version(const struct json *node)
{
    const char *text = json_str(node, "");

    return strncmp(text, "1.", 2) == 0 ? (int)strtol(text + 2, NULL, 10) : 0;
}

/* GET /version needs no version itself. version may be NULL. */
static int
read_version(struct docker *docker, int64_t deadline_ms, char *version,
    size_t size, struct err *err)
{
    const struct docker_request request = {
        .method = "GET", .deadline_ms = deadline_ms};
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;
    AUTO(docker_reply_release) struct docker_reply reply = {0};
    int newest = 0;
    int oldest = 0;

    if (ask(docker, &request, "/version", &conn, &reply.status, err) != 0)
        return -1;
    if (read_json(conn, deadline_ms, &reply.json, err) != 0)
        return -1;
    if (reply.status != 200)
        return docker_refused(&reply, "ask for the engine's version", err);
    newest = minor_version(json_get(reply.json, "ApiVersion"));
    oldest = minor_version(json_get(reply.json, "MinAPIVersion"));
    if (newest < API_MINOR)
        return err_set(err, ERR_UNAVAILABLE,
            "the Docker Engine is too old: its API is 1.%d, and 1.%d (Engine "
            "20.10) or newer is needed",
            newest, API_MINOR);
    atomic_store(&docker->api_minor, oldest > API_MINOR ? oldest : API_MINOR);
    if (version != NULL)
        (void)snprintf(version, size, "%s",
            json_str(json_get(reply.json, "Version"), "unknown"));
    return 0;
}

int
docker_ping(struct docker *docker, char version[64], struct err *err)
{
    return read_version(docker, clock_mono_ms() + DOCKER_PING_MS, version,
        version != NULL ? 64 : 0, err);
}

/* ask, with the API's version before the target. */
static int
ask_version(struct docker *docker, const struct docker_request *request,
    struct docker_conn **conn, int *status, struct err *err)
{
    AUTO(buf_free) struct buf path = {0};

    if (atomic_load(&docker->api_minor) == 0 &&
        read_version(docker, request->deadline_ms, NULL, 0, err) != 0)
        return -1;
    buf_init(&path, REQUEST_MAX);
    buf_printf(
        &path, "/v1.%d%s", atomic_load(&docker->api_minor), request->target);
    if (buf_check(&path, err) != 0)
        return -1;
    return ask(docker, request, buf_str(&path), conn, status, err);
}

int
docker_call(struct docker *docker, const struct docker_request *request,
    struct docker_reply *reply, struct err *err)
{
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;

    reply->json = NULL;
    if (ask_version(docker, request, &conn, &reply->status, err) != 0)
        return -1;
    return read_json(conn, request->deadline_ms, &reply->json, err);
}

int
docker_call_ok(struct docker *docker, const struct docker_request *request,
    const char *what, struct docker_reply *reply, struct err *err)
{
    AUTO(docker_reply_release) struct docker_reply own = {0};

    if (docker_call(docker, request, &own, err) != 0)
        return err_wrap(err, "%s", what);
    if (own.status != 304 && (own.status < 200 || own.status > 299))
        return docker_refused(&own, what, err);
    if (reply != NULL) {
        *reply = own;
        own.json = NULL;
    }
    return 0;
}

int
docker_stream(struct docker *docker, const struct docker_request *request,
    int expected, const char *what, struct docker_conn **out, struct err *err)
{
    AUTO(docker_conn_close_ptr) struct docker_conn *conn = NULL;
    AUTO(docker_reply_release) struct docker_reply reply = {0};

    if (ask_version(docker, request, &conn, &reply.status, err) != 0)
        return err_wrap(err, "%s", what);
    if (reply.status != expected) {
        if (read_json(conn, request->deadline_ms, &reply.json, err) != 0)
            return err_wrap(err, "%s", what);
        return docker_refused(&reply, what, err);
    }
    *out = STEAL(conn);
    return 0;
}

static enum err_code
code_of_status(int status)
{
    switch (status) {
    case 400:
        return ERR_INVALID;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    default:
        return ERR_UPSTREAM;
    }
}

void
docker_plain_text(char *out, size_t size, const char *text)
{
    size_t len = 0;

    for (; *text != '\0' && len < size - 1; text++) {
        char c = *text;

        if (c < ' ' || c >= 0x7f)
            c = '?';
        out[len++] = c;
    }
    out[len] = '\0';
}

int
docker_refused(
    const struct docker_reply *reply, const char *what, struct err *err)
{
    const char *from = json_str(json_get(reply->json, "message"), NULL);
    char reason[REASON_MAX];

    if (from == NULL)
        return err_set(err, code_of_status(reply->status),
            "%s: the Docker Engine answered %d", what, reply->status);
    docker_plain_text(reason, sizeof(reason), from);
    return err_set(err, code_of_status(reply->status), "%s: %s", what, reason);
}

/* GET prefix + name + suffix: 200 yes, 404 no. */
static int
exists(struct docker *docker, const char *target, const char *what, bool *out,
    struct err *err)
{
    const struct docker_request request = {.method = "GET",
        .target = target,
        .deadline_ms = clock_mono_ms() + DOCKER_CALL_MS};
    AUTO(docker_reply_release) struct docker_reply reply = {0};

    if (docker_call(docker, &request, &reply, err) != 0)
        return err_wrap(err, "%s", what);
    if (reply.status != 200 && reply.status != 404)
        return docker_refused(&reply, what, err);
    *out = reply.status == 200;
    return 0;
}

int
docker_image_exists(
    struct docker *docker, const char *image, bool *out, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};

    if (!docker_image_is_valid(image))
        return err_set(
            err, ERR_INVALID, "\"%.200s\" is no image reference", image);
    buf_init(&target, REQUEST_MAX);
    buf_puts(&target, "/images/");
    docker_http_escape(&target, image);
    buf_puts(&target, "/json");
    if (buf_check(&target, err) != 0)
        return -1;
    return exists(docker, buf_str(&target), "look for an image", out, err);
}

int
docker_network_exists(
    struct docker *docker, const char *name, bool *out, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};

    if (!docker_name_is_valid(name))
        return err_set(
            err, ERR_INVALID, "\"%.200s\" is no name of a network", name);
    buf_init(&target, REQUEST_MAX);
    buf_printf(&target, "/networks/%s", name);
    if (buf_check(&target, err) != 0)
        return -1;
    return exists(docker, buf_str(&target), "look for a network", out, err);
}

int
docker_volume_ensure(struct docker *docker, const char *name,
    const struct docker_label *labels, size_t count, struct err *err)
{
    AUTO(buf_free) struct buf body = {0};
    struct docker_request request = {
        .method = "POST", .target = "/volumes/create"};
    struct jw w;

    if (!docker_name_is_valid(name))
        return err_set(
            err, ERR_INVALID, "\"%.200s\" is no name of a volume", name);
    buf_init(&body, REQUEST_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "Name", name);
    jw_obj(&w, "Labels");
    for (size_t i = 0; i < count; i++)
        jw_str(&w, labels[i].name, labels[i].value);
    jw_end_obj(&w);
    jw_end_obj(&w);
    if (buf_check(&body, err) != 0)
        return -1;
    request.body = buf_str(&body);
    request.deadline_ms = clock_mono_ms() + DOCKER_CALL_MS;
    return docker_call_ok(docker, &request, "make a volume", NULL, err);
}

int
docker_volume_remove(struct docker *docker, const char *name, struct err *err)
{
    AUTO(buf_free) struct buf target = {0};
    struct docker_request request = {.method = "DELETE"};

    if (!docker_name_is_valid(name))
        return err_set(
            err, ERR_INVALID, "\"%.200s\" is no name of a volume", name);
    buf_init(&target, REQUEST_MAX);
    buf_printf(&target, "/volumes/%s", name);
    if (buf_check(&target, err) != 0)
        return -1;
    request.target = buf_str(&target);
    request.deadline_ms = clock_mono_ms() + DOCKER_CALL_MS;
    if (docker_call_ok(docker, &request, "remove a volume", NULL, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    err_clear(err);
    return 0;
}
