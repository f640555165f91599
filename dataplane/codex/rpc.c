/* SPDX-License-Identifier: Apache-2.0
 * JSON-RPC lines: parse, build, and the look at one that is too long. */
#include "dataplane/codex/rpc.h"

#include "dataplane/codex/codex.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- parsing ---- */

/* Programs print NUL bytes, so Codex sends \u0000; our JSON reader knows no
 * such character. A copy with U+FFFD instead, or NULL when there is none (then
 * the line is good as it is) or no memory (*failed). */
static char *
without_nul(const char *line, size_t len, bool *failed)
{
    static const char escape[] = "\\u0000";
    *failed = false;
    if (memmem(line, len, escape, 6) == NULL)
        return NULL;
    char *copy = malloc(len);
    if (copy == NULL) {
        *failed = true;
        return NULL;
    }
    memcpy(copy, line, len);
    for (size_t i = 0; i + 1 < len; i++) {
        if (copy[i] != '\\')
            continue;
        if (len - i >= 6 && memcmp(copy + i, escape, 6) == 0)
            memcpy(copy + i, "\\ufffd", 6);
        i++; /* over what is escaped, which may be a backslash */
    }
    return copy;
}

static bool
valid_id(const struct json *id)
{
    int64_t number = 0;
    const char *text = json_str(id, NULL);
    if (text != NULL)
        return strlen(text) < RPC_ID_MAX / 2;
    return json_is_int(id, &number);
}

static void
classify(struct rpc_message *out, struct err *err)
{
    const struct json *method = json_get(out->root, "method");
    out->id = json_get(out->root, "id");
    out->params = json_get(out->root, "params");
    out->result = json_get(out->root, "result");
    out->error = json_get(out->root, "error");
    out->method = json_str(method, NULL);
    bool has_id = out->id != NULL && valid_id(out->id);
    if (out->method != NULL && out->id == NULL)
        out->kind = RPC_NOTIFICATION;
    else if (out->method != NULL && has_id)
        out->kind = RPC_REQUEST;
    else if (method == NULL && has_id &&
             (out->result != NULL) != (out->error != NULL))
        out->kind = RPC_ANSWER;
    else
        (void)err_set(err, ERR_PROTOCOL, "no request, answer or notification");
}

int
rpc_parse(
    const char *line, size_t len, struct rpc_message *out, struct err *err)
{
    *out = (struct rpc_message){.kind = RPC_MALFORMED};
    bool failed = false;
    char *copy = without_nul(line, len, &failed);
    if (failed)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    out->root =
        json_parse(copy != NULL ? copy : line, len, CODEX_LINE_MAX, err);
    free(copy);
    if (out->root == NULL)
        return err->code == ERR_NO_MEMORY ? -1 : 0;
    if (json_type(out->root) == JSON_OBJECT)
        classify(out, err);
    else
        (void)err_set(err, ERR_PROTOCOL, "not a JSON object");
    return 0;
}

void
rpc_release(struct rpc_message *message)
{
    json_free(message->root);
    message->root = NULL;
}

/* ---- a line that is too long ---- */

static const char *
skip(const char *p, const char *end, const char *text)
{
    size_t len = strlen(text);
    if (p == NULL || (size_t)(end - p) < len || memcmp(p, text, len) != 0)
        return NULL;
    return p + len;
}

/* Copies a plain string's or an integer's JSON; NULL when it is none. */
static const char *
copy_scalar(const char *p, const char *end, char *out, size_t size)
{
    const char *start = p;
    if (p < end && *p == '"') {
        p++;
        while (p < end && *p != '"' && *p != '\\' && *p >= ' ')
            p++;
        if (p == end || *p != '"')
            return NULL;
        p++;
    } else {
        while (p < end && ((*p >= '0' && *p <= '9') || *p == '-'))
            p++;
    }
    size_t len = (size_t)(p - start);
    if (len == 0 || len >= size)
        return NULL;
    memcpy(out, start, len);
    out[len] = '\0';
    return p;
}

enum rpc_kind
rpc_sniff(const char *start, size_t len, char method[RPC_METHOD_MAX],
    char id_json[RPC_ID_MAX])
{
    const char *end = start + len;
    method[0] = '\0';
    id_json[0] = '\0';
    const char *p = skip(start, end, "{\"id\":");
    if (p != NULL) {
        p = copy_scalar(p, end, id_json, RPC_ID_MAX);
        return skip(p, end, ",\"result\":") != NULL ||
                       skip(p, end, ",\"error\":") != NULL
                   ? RPC_ANSWER
                   : RPC_MALFORMED;
    }
    char quoted[RPC_METHOD_MAX];
    p = skip(start, end, "{\"method\":");
    p = p == NULL ? NULL : copy_scalar(p, end, quoted, sizeof(quoted));
    if (p == NULL || quoted[0] != '"')
        return RPC_MALFORMED;
    size_t name = strlen(quoted) - 2;
    memcpy(method, quoted + 1, name);
    method[name] = '\0';
    const char *id = skip(p, end, ",\"id\":");
    if (id == NULL)
        return RPC_NOTIFICATION;
    return copy_scalar(id, end, id_json, RPC_ID_MAX) != NULL ? RPC_REQUEST
                                                             : RPC_MALFORMED;
}

/* ---- building ---- */

void
rpc_begin(struct jw *w, struct buf *out, const char *id, const char *method)
{
    jw_init(w, out);
    jw_obj(w, NULL);
    if (id != NULL)
        jw_str(w, "id", id);
    jw_str(w, "method", method);
    jw_obj(w, "params");
}

void
rpc_end(struct jw *w)
{
    jw_end_obj(w);
    jw_end_obj(w);
    buf_putc(w->out, '\n');
}

void
rpc_result(struct buf *out, const char *id_json, const char *result_json)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_raw(&w, "id", id_json);
    jw_raw(&w, "result", result_json);
    jw_end_obj(&w);
    buf_putc(out, '\n');
}

void
rpc_error(struct buf *out, const char *id_json, int code, const char *message)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w, NULL);
    jw_raw(&w, "id", id_json);
    jw_obj(&w, "error");
    jw_int(&w, "code", code);
    jw_str(&w, "message", message);
    jw_end_obj(&w);
    jw_end_obj(&w);
    buf_putc(out, '\n');
}
