/* SPDX-License-Identifier: Apache-2.0
 * proto/frame and proto/messages: every message makes the round trip, and
 * hostile frames are refused. */
#include "common/cleanup.h"
#include "common/json.h"
#include "common/secret.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/messages.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(const struct schema *schema, void *out, bool required_only);

static char *
text_for(const struct schema_field *field)
{
    size_t len = field->min > 3 ? (size_t)field->min : 3;
    char *text = malloc(len + 1);
    cr_assert_not_null(text);
    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

static void
fill_field(const struct schema_field *field, void *at, bool required_only)
{
    char *text;
    struct slice *slice = at;
    switch (field->kind) {
    case SCHEMA_STR:
    case SCHEMA_NAME:
        *(char **)at = text_for(field);
        break;
    case SCHEMA_RAW:
        *(char **)at = strdup("{\"a\":[1,\"\\n\"]}");
        break;
    case SCHEMA_SECRET:
        text = text_for(field);
        *(struct secret **)at = secret_new(text, strlen(text));
        free(text);
        break;
    case SCHEMA_INT:
        *(int64_t *)at = field->max;
        break;
    case SCHEMA_BOOL:
        *(bool *)at = true;
        break;
    case SCHEMA_OBJ:
        fill(field->sub, at, required_only);
        break;
    case SCHEMA_ARR:
        slice->len = 2;
        slice->items = calloc(2, field->sub->size);
        cr_assert_not_null(slice->items);
        fill(field->sub, slice->items, required_only);
        fill(
            field->sub, (char *)slice->items + field->sub->size, required_only);
        break;
    case SCHEMA_STRS:
    default:
        cr_assert_fail("no message has this kind");
    }
}

/* Gives each member a legal value. */
static void
fill(const struct schema *schema, void *out, bool required_only)
{
    memset(out, 0, schema->size);
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        if (field->required || !required_only)
            fill_field(field, (char *)out + field->offset, required_only);
    }
}

static void
round_trip_request(enum proto_op op, bool required_only)
{
    const struct schema *schema = proto_request_schema(op);
    struct err err = ERR_INIT;
    AUTO_FREE void *body = calloc(1, schema->size);
    fill(schema, body, required_only);
    AUTO(buf_free) struct buf first;
    AUTO(buf_free) struct buf second;
    buf_init_secret(&first, PROTO_FRAME_MAX);
    buf_init_secret(&second, PROTO_FRAME_MAX);
    cr_assert_eq(proto_encode_request(op, body, &first, &err), 0);
    enum proto_op got = PROTO_OP_COUNT;
    void *back = NULL;
    cr_assert_eq(proto_decode_request(first.data, first.len, &got, &back, &err),
        0, "%s: %s", proto_op_name(op), err.message);
    cr_assert_eq(got, op);
    cr_assert_eq(proto_encode_request(op, back, &second, &err), 0);
    cr_assert_str_eq(buf_str(&first), buf_str(&second));
    proto_free_request(op, back);
    schema_release(schema, body);
}

static void
round_trip_reply(enum proto_op op, bool required_only)
{
    const struct schema *schema = proto_reply_schema(op);
    struct err err = ERR_INIT;
    AUTO_FREE void *body = calloc(1, schema->size);
    AUTO_FREE void *back = calloc(1, schema->size);
    fill(schema, body, required_only);
    AUTO(buf_free) struct buf first;
    AUTO(buf_free) struct buf second;
    buf_init(&first, PROTO_FRAME_MAX);
    buf_init(&second, PROTO_FRAME_MAX);
    cr_assert_eq(proto_encode_reply(op, body, &first, &err), 0);
    cr_assert_eq(proto_decode_reply(op, first.data, first.len, back, &err), 0,
        "%s: %s", proto_op_name(op), err.message);
    cr_assert_eq(proto_encode_reply(op, back, &second, &err), 0);
    cr_assert_str_eq(buf_str(&first), buf_str(&second));
    schema_release(schema, body);
    schema_release(schema, back);
}

Test(frame, every_message_survives_the_round_trip)
{
    for (int op = 0; op < PROTO_OP_COUNT; op++) {
        round_trip_request((enum proto_op)op, false);
        round_trip_request((enum proto_op)op, true);
        round_trip_reply((enum proto_op)op, false);
        round_trip_reply((enum proto_op)op, true);
    }
}

Test(frame, a_dispatch_carries_its_values)
{
    struct err err = ERR_INIT;
    struct dispatch_request in;
    fill(&dispatch_request_schema, &in, true);
    free(in.prompt);
    in.prompt = strdup("Fix \"it\"\nnow \xC3\xA9");
    in.fence = 7;
    in.codex.api_key = secret_new("sk-1", 4);
    AUTO(buf_free) struct buf frame;
    buf_init_secret(&frame, PROTO_FRAME_MAX);
    cr_assert_eq(proto_encode_request(OP_DISPATCH, &in, &frame, &err), 0);
    enum proto_op op;
    void *body = NULL;
    cr_assert_eq(
        proto_decode_request(frame.data, frame.len, &op, &body, &err), 0);
    const struct dispatch_request *out = body;
    cr_assert_str_eq(out->prompt, in.prompt);
    cr_assert_eq(out->fence, 7);
    cr_assert(secret_equal(out->codex.api_key, "sk-1", 4));
    cr_assert_null(out->workspace.repo_url);
    cr_assert_null(out->workspace.hooks.before_run);
    proto_free_request(op, body);
    schema_release(&dispatch_request_schema, &in);
}

Test(frame, an_error_reply_becomes_the_error)
{
    struct err sent = ERR_INIT;
    (void)err_set(&sent, ERR_STALE_FENCE, "fence 3 is \"old\"");
    AUTO(buf_free) struct buf frame;
    buf_init(&frame, PROTO_FRAME_MAX);
    proto_encode_error(&sent, &frame);
    struct err err = ERR_INIT;
    struct ack_reply reply;
    cr_assert_eq(
        proto_decode_reply(OP_ABORT, frame.data, frame.len, &reply, &err), -1);
    cr_assert_eq(err.code, ERR_STALE_FENCE);
    cr_assert_str_eq(err.message, "fence 3 is \"old\"");
}

struct hostile {
    const char *frame;
    enum err_code code;
    const char *says; /* part of the message */
};

Test(frame, hostile_requests_are_refused)
{
    static const struct hostile cases[] = {{"", ERR_PROTOCOL, "frame"},
        {"GET / HTTP/1.1", ERR_PROTOCOL, "byte 0"},
        {"[]", ERR_PROTOCOL, "not an object"}, {"{}", ERR_PROTOCOL, "version"},
        {"{\"v\":2,\"op\":\"hello\",\"body\":{}}", ERR_PROTOCOL, "upgrade"},
        {"{\"v\":\"1\",\"op\":\"hello\",\"body\":{}}", ERR_PROTOCOL, "version"},
        {"{\"v\":1,\"body\":{}}", ERR_PROTOCOL, "operation"},
        {"{\"v\":1,\"op\":\"rm\",\"body\":{}}", ERR_PROTOCOL, "\"rm\""},
        {"{\"v\":1,\"op\":7,\"body\":{}}", ERR_PROTOCOL, "operation"},
        {"{\"v\":1,\"op\":\"status\",\"body\":{},\"x\":1}", ERR_PROTOCOL,
            "\"x\""},
        {"{\"v\":1,\"v\":1,\"op\":\"status\",\"body\":{}}", ERR_PROTOCOL,
            "twice"},
        {"{\"v\":1,\"op\":\"status\"}", ERR_INVALID, "object"},
        {"{\"v\":1,\"op\":\"status\",\"body\":[]}", ERR_INVALID, "object"},
        {"{\"v\":1,\"op\":\"status\",\"body\":{\"x\":1}}", ERR_INVALID,
            "x: unknown field"},
        {"{\"v\":1,\"op\":\"status\",\"body\":{\"attempt_id\":\"../x\"}}",
            ERR_INVALID, "attempt_id"},
        {"{\"v\":1,\"op\":\"drain\",\"body\":{}}", ERR_INVALID, "required"},
        {"{\"v\":1,\"op\":\"drain\",\"body\":{\"draining\":1}}", ERR_INVALID,
            "true or false"},
        {"{\"v\":1,\"op\":\"events\",\"body\":{\"journal_id\":\"j\","
         "\"cursor\":-1,\"max_events\":1,\"wait_ms\":0}}",
            ERR_INVALID, "cursor"},
        {"{\"v\":1,\"op\":\"events\",\"body\":{\"journal_id\":\"j\","
         "\"cursor\":1.5,\"max_events\":1,\"wait_ms\":0}}",
            ERR_INVALID, "whole number"},
        {"{\"v\":1,\"op\":\"events\",\"body\":{\"journal_id\":\"j\","
         "\"cursor\":1,\"max_events\":100000,\"wait_ms\":0}}",
            ERR_INVALID, "max_events"},
        {"{\"v\":1,\"op\":\"abort\",\"body\":{\"attempt_id\":\"a\","
         "\"fence\":0,\"outcome\":\"aborted\",\"reason\":\"\"}}",
            ERR_INVALID, "fence"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        enum proto_op op;
        void *body = &err;
        const char *frame = cases[i].frame;
        cr_expect_eq(
            proto_decode_request(frame, strlen(frame), &op, &body, &err), -1,
            "accepted: %s", frame);
        cr_expect_null(body);
        cr_expect_eq(err.code, cases[i].code, "%s: %s", frame, err.message);
        cr_expect_not_null(
            strstr(err.message, cases[i].says), "%s: %s", frame, err.message);
    }
}

Test(frame, hostile_replies_are_refused)
{
    static const char extra[] = "{\"v\":1,\"ok\":false,\"error\":{"
                                "\"code\":\"busy\",\"message\":\"m\","
                                "\"x\":1}}";
    static const char *const cases[] = {"", "null", "{\"v\":1}",
        "{\"v\":1,\"ok\":1,\"body\":{\"done\":true}}", "{\"v\":1,\"ok\":true}",
        "{\"v\":1,\"ok\":true,\"body\":{}}",
        "{\"v\":1,\"ok\":true,\"body\":{\"done\":\"yes\"}}",
        "{\"v\":1,\"ok\":true,\"body\":{\"done\":true,\"x\":0}}",
        "{\"v\":1,\"ok\":true,\"body\":{\"done\":true},\"op\":\"abort\"}",
        "{\"v\":1,\"ok\":true,\"body\":{\"done\":true},\"error\":{}}",
        "{\"v\":9,\"ok\":true,\"body\":{\"done\":true}}",
        "{\"v\":1,\"ok\":false}", "{\"v\":1,\"ok\":false,\"error\":7}",
        "{\"v\":1,\"ok\":false,\"error\":{\"code\":\"busy\"}}",
        "{\"v\":1,\"ok\":false,\"error\":{\"code\":\"none\",\"message\":\"\"}}",
        extra};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct ack_reply reply;
        cr_expect_eq(proto_decode_reply(
                         OP_ABORT, cases[i], strlen(cases[i]), &reply, &err),
            -1, "accepted: %s", cases[i]);
        cr_expect_eq(err.code, ERR_PROTOCOL, "%s: %s", cases[i], err.message);
    }
}

Test(frame, an_unknown_error_code_counts_as_internal)
{
    static const char *const frame = "{\"v\":1,\"ok\":false,\"error\":{"
                                     "\"code\":\"brand_new\",\"message\":"
                                     "\"m\"}}";
    struct err err = ERR_INIT;
    struct ack_reply reply;
    cr_assert_eq(
        proto_decode_reply(OP_ABORT, frame, strlen(frame), &reply, &err), -1);
    cr_assert_eq(err.code, ERR_INTERNAL);
    cr_assert_str_eq(err.message, "m");
}

Test(frame, one_that_is_too_large_is_neither_sent_nor_taken)
{
    struct err err = ERR_INIT;
    struct steer_request in;
    fill(&steer_request_schema, &in, true);
    free(in.text);
    in.text = malloc(PROTO_FRAME_MAX);
    cr_assert_not_null(in.text);
    memset(in.text, 'x', PROTO_FRAME_MAX - 1);
    in.text[PROTO_FRAME_MAX - 1] = '\0';
    AUTO(buf_free) struct buf frame;
    buf_init(&frame, PROTO_FRAME_MAX);
    cr_assert_eq(proto_encode_request(OP_STEER, &in, &frame, &err), -1);
    cr_assert_eq(err.code, ERR_TOO_LARGE);
    cr_assert_eq(frame.len, 0);
    enum proto_op op;
    void *body;
    char *spaces = malloc(PROTO_FRAME_MAX + 1);
    cr_assert_not_null(spaces);
    memset(spaces, ' ', PROTO_FRAME_MAX + 1);
    cr_assert_eq(
        proto_decode_request(spaces, PROTO_FRAME_MAX + 1, &op, &body, &err),
        -1);
    cr_assert_eq(err.code, ERR_PROTOCOL);
    free(spaces);
    schema_release(&steer_request_schema, &in);
}

/* `[{},{},...` as event data: the worst that one value can cost. */
Test(frame, a_full_batch_of_events_always_fits)
{
    enum { DATA = PROTO_EVENT_DATA_MAX };
    struct event_message events[2];
    memset(events, 0, sizeof(events));
    for (int i = 0; i < 2; i++) {
        char *data = malloc(DATA + 1);
        cr_assert_not_null(data);
        (void)snprintf(data, DATA, "{\"a\":[1");
        size_t at = 7;
        for (; at < DATA - 3; at += 2)
            (void)snprintf(data + at, 3, ",1");
        (void)snprintf(data + at, 3, "]}");
        events[i] = (struct event_message){.pos = i + 1,
            .attempt_id = strdup("a"),
            .seq = i + 1,
            .type = strdup("item.completed"),
            .data = data};
    }
    struct events_reply in = {.events = {events, 2}};
    struct events_reply out;
    struct err err = ERR_INIT;
    AUTO(buf_free) struct buf frame;
    buf_init(&frame, PROTO_FRAME_MAX);
    cr_assert_eq(proto_encode_reply(OP_EVENTS, &in, &frame, &err), 0);
    cr_assert_eq(
        proto_decode_reply(OP_EVENTS, frame.data, frame.len, &out, &err), 0,
        "%s", err.message);
    schema_release(&events_reply_schema, &out);
    for (int i = 0; i < 2; i++)
        schema_release(&event_message_schema, &events[i]);
}
