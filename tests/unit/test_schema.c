/* SPDX-License-Identifier: Apache-2.0
 * common/schema: every kind decoded, refused, encoded, released. */
#include "common/cleanup.h"
#include "common/schema.h"
#include "common/secret.h"

#include <criterion/criterion.h>
#include <string.h>

struct point {
    int64_t x;
    char *label;
};

struct sample {
    char *text;
    char *name;
    int64_t number;
    bool flag;
    struct secret *key;
    char *any;
    char *object;
    struct point at;
    struct slice points;
    struct slice words;
};

static const struct schema_field point_fields[] = {
    {"x", SCHEMA_INT, true, offsetof(struct point, x), -5, 5, NULL},
    {"label", SCHEMA_STR, false, offsetof(struct point, label), 0, 8, NULL}};

static const struct schema point_schema = {
    "point", sizeof(struct point), point_fields, ARRAY_LEN(point_fields)};

static const struct schema_field sample_fields[] = {
    {"text", SCHEMA_STR, true, offsetof(struct sample, text), 1, 8, NULL},
    {"name", SCHEMA_NAME, false, offsetof(struct sample, name), 1, 8, NULL},
    {"number", SCHEMA_INT, false, offsetof(struct sample, number), 0, 9, NULL},
    {"flag", SCHEMA_BOOL, false, offsetof(struct sample, flag), 0, 1, NULL},
    {"key", SCHEMA_SECRET, false, offsetof(struct sample, key), 1, 8, NULL},
    {"any", SCHEMA_RAW, false, offsetof(struct sample, any), 0, 12, NULL},
    {"object", SCHEMA_RAW, false, offsetof(struct sample, object), 1, 12, NULL},
    {"at", SCHEMA_OBJ, false, offsetof(struct sample, at), 0, 1, &point_schema},
    {"points", SCHEMA_ARR, false, offsetof(struct sample, points), 0, 3,
        &point_schema},
    {"words", SCHEMA_STRS, false, offsetof(struct sample, words), 0, 2, NULL}};

static const struct schema sample_schema = {
    "sample", sizeof(struct sample), sample_fields, ARRAY_LEN(sample_fields)};

static int
decode(const char *text, struct sample *out, struct err *err)
{
    AUTO(json_free_ptr)
    struct json *root = json_parse(text, strlen(text), 10000, err);
    cr_assert_not_null(root, "%s", err->message);
    return schema_decode(&sample_schema, root, out, err);
}

static const char *const full =
    "{\"text\":\"t\",\"name\":\"a.b-C_9\",\"number\":9,\"flag\":true,"
    "\"key\":\"k\",\"any\":[1,\"\\n\"],\"object\":{\"a\":null},"
    "\"at\":{\"x\":-5},\"points\":[{\"x\":1,\"label\":\"l\"},{\"x\":2}],"
    "\"words\":[\"\",\"w\"]}";

Test(schema, every_kind_is_decoded)
{
    struct err err = ERR_INIT;
    struct sample s;
    cr_assert_eq(decode(full, &s, &err), 0, "%s", err.message);
    cr_assert_str_eq(s.text, "t");
    cr_assert_str_eq(s.name, "a.b-C_9");
    cr_assert_eq(s.number, 9);
    cr_assert(s.flag);
    cr_assert_str_eq(secret_bytes(s.key), "k");
    cr_assert_str_eq(s.any, "[1,\"\\n\"]");
    cr_assert_str_eq(s.object, "{\"a\":null}");
    cr_assert_eq(s.at.x, -5);
    const struct point *points = s.points.items;
    cr_assert_eq(s.points.len, 2);
    cr_assert_str_eq(points[0].label, "l");
    cr_assert_eq(points[1].x, 2);
    cr_assert_null(points[1].label);
    cr_assert_eq(s.words.len, 2);
    cr_assert_str_eq(((char **)s.words.items)[1], "w");
    schema_release(&sample_schema, &s);
    cr_assert_null(s.text);
    cr_assert_eq(s.points.len, 0);
    schema_release(&sample_schema, &s);
}

Test(schema, what_is_absent_or_null_is_zero)
{
    struct err err = ERR_INIT;
    struct sample s;
    memset(&s, 0xAA, sizeof(s));
    cr_assert_eq(
        decode("{\"text\":\"t\",\"name\":null,\"points\":null}", &s, &err), 0,
        "%s", err.message);
    cr_assert_null(s.name);
    cr_assert_null(s.key);
    cr_assert_null(s.any);
    cr_assert_eq(s.number, 0);
    cr_assert_not(s.flag);
    cr_assert_null(s.points.items);
    cr_assert_eq(s.at.x, 0);
    schema_release(&sample_schema, &s);
}

Test(schema, encoding_gives_back_what_was_decoded)
{
    static const char *const texts[] = {full, "{\"text\":\"t\"}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err err = ERR_INIT;
        struct sample s;
        cr_assert_eq(decode(texts[i], &s, &err), 0);
        AUTO(buf_free) struct buf out;
        struct jw w;
        buf_init_secret(&out, 10000);
        jw_init(&w, &out);
        schema_encode(&sample_schema, &s, &w, NULL);
        cr_expect_str_eq(buf_str(&out), texts[i]);
        schema_release(&sample_schema, &s);
    }
}

Test(schema, what_does_not_fit_is_refused_with_its_path)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {{"[]", "must be an object"}, {"{}", "text: is required"},
        {"{\"text\":null}", "text: is required"},
        {"{\"text\":1}", "text: must be a string"},
        {"{\"text\":\"\"}", "text: must be 1 to 8 bytes"},
        {"{\"text\":\"123456789\"}", "text: must be 1 to 8 bytes"},
        {"{\"text\":\"t\",\"txet\":1}", "txet: unknown field"},
        {"{\"text\":\"t\",\"name\":\"a/b\"}", "name: may have"},
        {"{\"text\":\"t\",\"name\":\"..\"}", "name: may have"},
        {"{\"text\":\"t\",\"name\":\"\xC3\xA9\"}", "name: may have"},
        {"{\"text\":\"t\",\"number\":10}",
            "number: must be a whole number from 0 to 9"},
        {"{\"text\":\"t\",\"number\":-1}", "number: must be a whole"},
        {"{\"text\":\"t\",\"number\":0.5}", "number: must be a whole"},
        {"{\"text\":\"t\",\"number\":\"1\"}", "number: must be a whole"},
        {"{\"text\":\"t\",\"flag\":0}", "flag: must be true or false"},
        {"{\"text\":\"t\",\"key\":\"\"}", "key: must be 1 to 8 bytes"},
        {"{\"text\":\"t\",\"any\":\"1234567890123\"}", "any: must be"},
        {"{\"text\":\"t\",\"object\":[]}", "object: must be an object"},
        {"{\"text\":\"t\",\"at\":7}", "at: must be an object"},
        {"{\"text\":\"t\",\"at\":{}}", "at.x: is required"},
        {"{\"text\":\"t\",\"at\":{\"x\":0,\"z\":0}}", "at.z: unknown field"},
        {"{\"text\":\"t\",\"points\":{}}", "points: must be an array"},
        {"{\"text\":\"t\",\"points\":[{\"x\":0,\"label\":\"l\"},{\"x\":6}]}",
            "points[1].x: must be"},
        {"{\"text\":\"t\",\"points\":[{\"x\":0},1]}", "points[1]: must be"},
        {"{\"text\":\"t\",\"points\":[{\"x\":0},{\"x\":0},{\"x\":0},"
         "{\"x\":0}]}",
            "points: must be 0 to 3 elements"},
        {"{\"text\":\"t\",\"words\":[\"a\",1]}", "words[1]: must be a string"},
        {"{\"text\":\"t\",\"words\":[\"a\",\"b\",\"c\"]}", "words: must be"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        struct sample s;
        cr_expect_eq(
            decode(cases[i].text, &s, &err), -1, "accepted: %s", cases[i].text);
        cr_expect_eq(err.code, ERR_INVALID);
        cr_expect_not_null(strstr(err.message, cases[i].says), "%s: %s",
            cases[i].text, err.message);
        cr_expect_null(s.text, "nothing to release is left");
    }
}
