/* SPDX-License-Identifier: Apache-2.0
 * PROTOCOL.md and the tables of proto/ say the same: every operation, every
 * field with its type, bounds and need, every outcome, every error named. */
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/messages.h"
#include "proto/outcomes.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct buf page;

static void
load(void)
{
    struct err err = ERR_INIT;
    buf_init(&page, 1 << 20);
    cr_assert_eq(file_read("proto/PROTOCOL.md", &page, &err), 0,
        "run this in the project's folder: %s", err.message);
}

static void
unload(void)
{
    buf_free(&page);
}

TestSuite(protocol, .init = load, .fini = unload);

/* The part of the page from a heading to the next one; to free. */
static char *
section(const char *heading)
{
    const char *start = strstr(buf_str(&page), heading);
    if (start == NULL)
        return NULL;
    start += strlen(heading);
    const char *end = strstr(start, "\n#");
    return strndup(start, end != NULL ? (size_t)(end - start) : strlen(start));
}

static void
type_text(const struct schema_field *field, char out[128])
{
    char max[32];
    const int64_t big = INT64_C(9007199254740991);
    (void)snprintf(max, sizeof(max), "%" PRId64, field->max);
    if (field->max == big)
        (void)snprintf(max, sizeof(max), "2^53-1");
    const char *kind = NULL;
    switch (field->kind) {
    case SCHEMA_STR:
        kind = "string";
        break;
    case SCHEMA_NAME:
        kind = "name";
        break;
    case SCHEMA_SECRET:
        kind = "secret";
        break;
    case SCHEMA_INT:
        (void)snprintf(out, 128, "integer, %" PRId64 "..%s", field->min, max);
        return;
    case SCHEMA_BOOL:
        (void)snprintf(out, 128, "boolean");
        return;
    case SCHEMA_RAW:
        (void)snprintf(out, 128, "%s, up to %s bytes",
            field->min == 1 ? "object" : "JSON", max);
        return;
    case SCHEMA_OBJ:
        (void)snprintf(out, 128, "`%s`", field->sub->name);
        return;
    case SCHEMA_ARR:
        (void)snprintf(
            out, 128, "array of up to %s `%s`", max, field->sub->name);
        return;
    case SCHEMA_STRS:
    default:
        cr_assert_fail("no message has this kind yet");
    }
    (void)snprintf(
        out, 128, "%s, %" PRId64 "..%s bytes", kind, field->min, max);
}

static size_t
count_rows(const char *text)
{
    size_t count = 0;
    while ((text = strstr(text, "\n| `")) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void
check_schema(const struct schema *schema)
{
    char heading[128];
    (void)snprintf(heading, sizeof(heading), "\n#### `%s`\n", schema->name);
    char *text = section(heading);
    cr_assert_not_null(text, "PROTOCOL.md has no table of %s", schema->name);
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        char type[128];
        char row[320];
        type_text(field, type);
        (void)snprintf(row, sizeof(row), "\n| `%s` | %s | %s | ", field->name,
            type, field->required ? "yes" : "no");
        cr_expect_not_null(strstr(text, row), "%s: PROTOCOL.md lacks: %s",
            schema->name, row + 1);
        if (field->sub != NULL)
            check_schema(field->sub);
    }
    cr_expect_eq(count_rows(text), schema->count,
        "%s: PROTOCOL.md has fields that are no more", schema->name);
    free(text);
}

Test(protocol, every_field_is_described_as_it_is)
{
    for (int op = 0; op < PROTO_OP_COUNT; op++) {
        check_schema(proto_request_schema((enum proto_op)op));
        check_schema(proto_reply_schema((enum proto_op)op));
    }
}

Test(protocol, every_operation_has_its_section)
{
    for (int op = 0; op < PROTO_OP_COUNT; op++) {
        char heading[128];
        (void)snprintf(heading, sizeof(heading), "\n### `%s`\n",
            proto_op_name((enum proto_op)op));
        cr_expect_not_null(strstr(buf_str(&page), heading), "%s", heading);
    }
    cr_assert_str_eq(proto_op_name(PROTO_OP_COUNT), "unknown");
}

Test(protocol, every_outcome_is_described_as_it_is)
{
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        enum outcome outcome = (enum outcome)i;
        char row[256];
        (void)snprintf(row, sizeof(row), "\n| `%s` | %s | %s |\n",
            outcome_name(outcome), outcome_is_retryable(outcome) ? "yes" : "no",
            outcome_text(outcome));
        cr_expect_not_null(strstr(buf_str(&page), row), "%s", row + 1);
        cr_expect_eq(outcome_from_name(outcome_name(outcome)), outcome);
    }
    cr_assert_eq(outcome_from_name("nonsense"), OUTCOME_INTERNAL);
    cr_assert_eq(outcome_from_name(NULL), OUTCOME_INTERNAL);
    cr_assert_str_eq(outcome_name((enum outcome)999), "internal");
}

Test(protocol, the_limits_of_frames_are_stated)
{
    static const long limits[] = {
        PROTO_FRAME_MAX, PROTO_PAYLOAD_MAX, PROTO_EVENTS_BYTES, JSON_NODES_MAX};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        char number[32];
        (void)snprintf(number, sizeof(number), "%ld", limits[i]);
        cr_expect_not_null(strstr(buf_str(&page), number), "%s", number);
    }
}

Test(protocol, events_of_the_largest_batch_fit_into_a_frame)
{
    /* The largest batch, and the rest of each event around its data. */
    cr_assert_leq(PROTO_EVENTS_BYTES + PROTO_EVENT_DATA_MAX +
                      PROTO_EVENTS_MAX_COUNT * 512,
        PROTO_PAYLOAD_MAX);
    cr_assert_leq((PROTO_EVENTS_BYTES + PROTO_EVENT_DATA_MAX) / 2 +
                      PROTO_EVENTS_MAX_COUNT * 8,
        JSON_NODES_MAX);
}
