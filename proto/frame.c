/* SPDX-License-Identifier: Apache-2.0
 * Strict encoding and decoding of frames. */
#include "proto/frame.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "proto/limits.h"
#include "proto/messages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const struct schema *request;
    const struct schema *reply;
} ops[PROTO_OP_COUNT] = {

#define X(id, name, request, reply, changes)                                   \
    [id] = {&request##_schema, &reply##_schema},
    PROTO_OPS(X)
#undef X
};

const struct schema *
proto_request_schema(enum proto_op op)
{
    return ops[op].request;
}

const struct schema *
proto_reply_schema(enum proto_op op)
{
    return ops[op].reply;
}

/* ---- encoding ---- */

static int
finish(struct buf *out, const char *what, enum proto_op op, struct err *err)
{
    int rc = buf_check(out, err);
    if (rc == 0 && out->len > PROTO_PAYLOAD_MAX)
        rc = err_set(err, ERR_TOO_LARGE, "larger than the limit of %d bytes",
            PROTO_PAYLOAD_MAX);
    if (rc == 0)
        return 0;
    buf_clear(out);
    return err_wrap(err, "%s %s", proto_op_name(op), what);
}

int
proto_encode_request(
    enum proto_op op, const void *body, struct buf *out, struct err *err)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_int(&w, "v", PROTO_VERSION);
    jw_str(&w, "op", proto_op_name(op));
    schema_encode(ops[op].request, body, &w, "body");
    jw_end_obj(&w);
    return finish(out, "request", op, err);
}

int
proto_encode_reply(
    enum proto_op op, const void *body, struct buf *out, struct err *err)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_int(&w, "v", PROTO_VERSION);
    jw_bool(&w, "ok", true);
    schema_encode(ops[op].reply, body, &w, "body");
    jw_end_obj(&w);
    return finish(out, "reply", op, err);
}

void
proto_encode_error(const struct err *error, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_int(&w, "v", PROTO_VERSION);
    jw_bool(&w, "ok", false);
    jw_obj(&w, "error");
    jw_str(&w, "code", err_name(error->code));
    jw_str(&w, "message", error->message);
    jw_end_obj(&w);
    jw_end_obj(&w);
}

/* ---- decoding ---- */

/* Whatever was wrong with the bytes, it is the peer's fault; only our own
 * lack of memory is not. */
static int
blame_peer(struct err *err, const char *what)
{
    if (err->code != ERR_NO_MEMORY)
        err->code = ERR_PROTOCOL;
    return err_wrap(err, "%s", what);
}

static int
check_version(const struct json *root, struct err *err)
{
    int64_t version;
    if (!json_is_int(json_get(root, "v"), &version))
        return err_set(err, ERR_PROTOCOL, "no protocol version in the frame");
    if (version < PROTO_VERSION_MIN || version > PROTO_VERSION)
        return err_set(err, ERR_PROTOCOL,
            "the peer speaks protocol version %" PRId64
            ", this program %d to %d: upgrade the older one",
            version, PROTO_VERSION_MIN, PROTO_VERSION);
    return 0;
}

/* An object with our version and no members but the names. */
static struct json *
parse_envelope(const char *frame, size_t len, const char *const *names,
    size_t count, struct err *err)
{
    AUTO(json_free_ptr)
    struct json *root = json_parse(frame, len, PROTO_FRAME_MAX, err);
    if (root == NULL) {
        (void)blame_peer(err, "frame");
        return NULL;
    }
    if (json_type(root) != JSON_OBJECT) {
        (void)err_set(err, ERR_PROTOCOL, "frame: not an object");
        return NULL;
    }
    if (check_version(root, err) != 0)
        return NULL;
    json_each (child, root) {
        size_t i = 0;
        while (i < count && strcmp(names[i], json_key(child)) != 0)
            i++;
        if (i == count) {
            (void)err_set(err, ERR_PROTOCOL, "frame: unknown field \"%.64s\"",
                json_key(child));
            return NULL;
        }
    }
    return STEAL(root);
}

static int
find_op(const char *name, enum proto_op *op, struct err *err)
{
    for (int i = 0; name != NULL && i < PROTO_OP_COUNT; i++) {
        if (strcmp(name, proto_op_name((enum proto_op)i)) == 0) {
            *op = (enum proto_op)i;
            return 0;
        }
    }
    return err_set(err, ERR_PROTOCOL, "unknown operation \"%.64s\"",
        name != NULL ? name : "");
}

int
proto_decode_request(const char *frame, size_t len, enum proto_op *op,
    void **body, struct err *err)
{
    static const char *const names[] = {"v", "op", "body"};
    *body = NULL;
    AUTO(json_free_ptr)
    struct json *root =
        parse_envelope(frame, len, names, ARRAY_LEN(names), err);
    if (root == NULL)
        return -1;
    if (find_op(json_str(json_get(root, "op"), NULL), op, err) != 0)
        return -1;
    const struct schema *schema = ops[*op].request;
    AUTO_FREE void *message = calloc(1, schema->size);
    if (message == NULL)
        return err_no_memory(err);
    if (schema_decode(schema, json_get(root, "body"), message, err) != 0)
        return err_wrap(err, "%s", proto_op_name(*op));
    *body = STEAL(message);
    return 0;
}

void
proto_free_request(enum proto_op op, void *body)
{
    if (body == NULL)
        return;
    schema_release(ops[op].request, body);
    free(body);
}

/* The peer's error becomes ours. */
static int
decode_error(const struct json *root, struct err *err)
{
    const struct json *error = json_get(root, "error");
    const char *code = json_str(json_get(error, "code"), NULL);
    const char *message = json_str(json_get(error, "message"), NULL);
    if (json_get(root, "body") != NULL || code == NULL || message == NULL ||
        json_len(error) != 2)
        return err_set(err, ERR_PROTOCOL, "reply: malformed error");
    enum err_code known = err_from_name(code);
    if (known == ERR_NONE)
        return err_set(err, ERR_PROTOCOL, "reply: an error without a code");
    return err_set(err, known, "%s", message);
}

int
proto_decode_reply(enum proto_op op, const char *frame, size_t len, void *body,
    struct err *err)
{
    static const char *const names[] = {"v", "ok", "body", "error"};
    AUTO(json_free_ptr)
    struct json *root =
        parse_envelope(frame, len, names, ARRAY_LEN(names), err);
    if (root == NULL)
        return -1;
    const struct json *ok = json_get(root, "ok");
    if (ok == NULL || json_type(ok) != JSON_BOOL)
        return err_set(err, ERR_PROTOCOL, "reply: no \"ok\" in the frame");
    if (!json_bool(ok, false))
        return decode_error(root, err);
    if (json_get(root, "error") != NULL)
        return err_set(err, ERR_PROTOCOL, "reply: both ok and an error");
    if (schema_decode(ops[op].reply, json_get(root, "body"), body, err) != 0)
        return blame_peer(err, proto_op_name(op));
    return 0;
}
