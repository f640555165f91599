/* SPDX-License-Identifier: Apache-2.0
 * common/json: what the reader refuses, what the writer writes. */
#include "common/cleanup.h"
#include "common/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct json *
parse(const char *text, struct err *err)
{
    return json_parse(text, strlen(text), 1 << 20, err);
}

Test(json, refuses_what_rfc_8259_forbids)
{
    static const char *const bad[] = {"", " ", "{", "[", "]", "{]", "[1,]",
        "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}", "[,1]", "01",
        "-", "-01", "+1", ".5", "1.", "1e", "1e+", "0x10", "NaN", "Infinity",
        "-Infinity", "1e999", "tru", "nulll", "True", "\"", "\"a", "\"\\",
        "\"\\x41\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u0000\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\n\"", "\"\t\"",
        "\"\x01\"", "1 2", "{} {}", "[] x", "// c\n1", "/* c */1",
        "\xEF\xBB\xBF{}", "\"\x80\"", "\"\xC0\xAF\"", "\"\xED\xA0\x80\"",
        "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"", "\f1", "\v1", "[1 2]",
        "{\"a\" 1}",
        "0.1234567890123456789012345678901234567890123456789012345678901"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_INIT;
        cr_expect_null(parse(bad[i], &err), "accepted: %s", bad[i]);
        cr_expect_eq(err.code, ERR_INVALID, "%s: %s", bad[i], err.message);
    }
}

Test(json, accepts_what_rfc_8259_allows)
{
    static const char *const good[] = {"0", "-0", "1.5e-3", "1E5", "\"\"",
        "\"\\u00e9\\ud83d\\ude00\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        " \t\r\n[ ] ", "{}", "{\"\":1}", "[[],{}]", "null", "true", "false",
        "\"\xF0\x9F\x98\x80\x7F\"", "{\"a\":{\"a\":1},\"A\":2}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct err err = ERR_INIT;
        AUTO(json_free_ptr) struct json *root = parse(good[i], &err);
        cr_expect_not_null(root, "%s: %s", good[i], err.message);
    }
}

Test(json, names_the_byte_offset)
{
    struct err err = ERR_INIT;
    cr_assert_null(parse("{\"a\": 01}", &err));
    cr_assert_not_null(strstr(err.message, "byte 8"), "%s", err.message);
}

Test(json, refuses_a_nul_byte_anywhere)
{
    struct err err = ERR_INIT;
    cr_assert_null(json_parse("1\0", 2, 100, &err));
    cr_assert_null(json_parse("\0"
                              "1",
        2, 100, &err));
    cr_assert_null(json_parse("\"a\0b\"", 5, 100, &err));
}

Test(json, refuses_more_bytes_than_allowed)
{
    struct err err = ERR_INIT;
    cr_assert_null(json_parse("[1,2]", 5, 4, &err));
    cr_assert_eq(err.code, ERR_TOO_LARGE);
    AUTO(json_free_ptr) struct json *root = json_parse("[1,2]", 5, 5, &err);
    cr_assert_not_null(root);
}

static void
nested(char *out, size_t depth)
{
    memset(out, '[', depth);
    memset(out + depth, ']', depth);
    out[2 * depth] = '\0';
}

Test(json, bounds_the_depth)
{
    char text[4 * JSON_DEPTH_MAX];
    struct err err = ERR_INIT;
    nested(text, JSON_DEPTH_MAX);
    AUTO(json_free_ptr) struct json *root = parse(text, &err);
    cr_assert_not_null(root);
    nested(text, JSON_DEPTH_MAX + 1);
    cr_assert_null(parse(text, &err));
    cr_assert_not_null(strstr(err.message, "deep"));
}

Test(json, refuses_duplicate_keys_even_when_escaped)
{
    struct err err = ERR_INIT;
    cr_assert_null(parse("{\"a\":1,\"b\":2,\"\\u0061\":3}", &err));
    cr_assert_not_null(strstr(err.message, "\"a\""), "%s", err.message);
    cr_assert_null(parse("[{\"x\":{\"y\":1,\"y\":1}}]", &err));
}

/* {"k0":0, ... } with `twice` added at the end. */
static char *
big_object(int count, const char *twice)
{
    struct buf buf;
    buf_init(&buf, 1 << 24);
    buf_puts(&buf, "{");
    for (int i = 0; i < count; i++)
        buf_printf(&buf, "\"k%d\":%d,", i, i);
    buf_printf(&buf, "\"%s\":1}", twice);
    return buf_steal(&buf);
}

Test(json, finds_duplicates_in_big_objects_fast, .timeout = 5)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *unique = big_object(60000, "other");
    AUTO(json_free_ptr) struct json *root = parse(unique, &err);
    cr_assert_not_null(root, "%s", err.message);
    cr_assert_eq(json_len(root), 60001);
    AUTO_FREE char *twice = big_object(60000, "k30000");
    cr_assert_null(parse(twice, &err));
    cr_assert_not_null(strstr(err.message, "k30000"));
}

Test(json, bounds_the_number_of_values)
{
    size_t count = JSON_NODES_MAX + 1;
    AUTO_FREE char *text = malloc(2 * count + 2);
    cr_assert_not_null(text);
    size_t at = 0;
    text[at++] = '[';
    for (size_t i = 0; i < count; i++) {
        text[at++] = '1';
        text[at++] = i + 1 < count ? ',' : ']';
    }
    struct err err = ERR_INIT;
    cr_assert_null(json_parse(text, at, at, &err));
    cr_assert_eq(err.code, ERR_TOO_LARGE);
}

Test(json, integers_are_whole_and_within_2_53)
{
    static const struct {
        const char *text;
        bool is_int;
        int64_t value;
    } cases[] = {{"9007199254740991", true, 9007199254740991},
        {"-9007199254740991", true, -9007199254740991},
        {"9007199254740992", false, 0}, {"1e3", true, 1000}, {"1.0", true, 1},
        {"1.5", false, 0}, {"1e300", false, 0}, {"\"1\"", false, 0},
        {"-0", true, 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        AUTO(json_free_ptr) struct json *root = parse(cases[i].text, &err);
        int64_t value = 0;
        cr_expect_eq(
            json_is_int(root, &value), cases[i].is_int, "%s", cases[i].text);
        cr_expect_eq(value, cases[i].value);
    }
}

Test(json, getters_fall_back_on_absence_and_on_another_type)
{
    struct err err = ERR_INIT;
    AUTO(json_free_ptr)
    struct json *root = parse(
        "{\"s\":\"x\",\"n\":5,\"b\":true,\"o\":{\"i\":{\"d\":1.5}}}", &err);
    cr_assert_str_eq(json_str(json_get(root, "s"), "f"), "x");
    cr_assert_str_eq(json_str(json_get(root, "n"), "f"), "f");
    cr_assert_str_eq(json_str(json_get(root, "S"), "f"), "f");
    cr_assert_eq(json_int(json_get(root, "n"), 9), 5);
    cr_assert_eq(json_int(json_get(root, "s"), 9), 9);
    cr_assert_eq(json_bool(json_get(root, "b"), false), true);
    cr_assert_eq(json_bool(json_get(root, "n"), true), true);
    cr_assert_float_eq(json_num(json_path(root, "o.i.d"), 0), 1.5, 1e-9);
    cr_assert_null(json_path(root, "o.x.d"));
    cr_assert_null(json_path(root, "s.x"));
    cr_assert_null(json_get(NULL, "x"));
    cr_assert_eq(json_len(NULL), 0);
}

Test(json, the_writer_escapes_and_repairs)
{
    struct buf buf;
    struct jw w;
    buf_init(&buf, 1024);
    jw_init(&w, &buf);
    jw_obj(&w, NULL);
    jw_str(&w, "a\"", "\"\\\n\x01\xC3\xA9\xFFz\xE2\x82");
    jw_str(&w, "n", NULL);
    jw_arr(&w, "l");
    jw_int(&w, NULL, -9007199254740991);
    jw_num(&w, NULL, 0.1);
    jw_num(&w, NULL, 1.0 / 0.0);
    jw_bool(&w, NULL, true);
    jw_obj(&w, NULL);
    jw_end_obj(&w);
    jw_raw(&w, NULL, "[1]");
    jw_end_arr(&w);
    jw_end_obj(&w);
    cr_assert_str_eq(buf_str(&buf),
        "{\"a\\\"\":\"\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBDz\xEF\xBF\xBD"
        "\xEF\xBF\xBD\",\"n\":null,\"l\":[-9007199254740991,0.1,null,true,{},"
        "[1]]}");
    struct err err = ERR_INIT;
    AUTO(json_free_ptr) struct json *back = parse(buf_str(&buf), &err);
    cr_assert_not_null(back, "%s", err.message);
    buf_free(&buf);
}

Test(json, a_node_is_written_as_it_was_read)
{
    static const char *const text =
        "{\"a\":[1,2.5,\"x\\n\",null,true,{\"b\":{}}],\"c\":-1e+300}";
    struct err err = ERR_INIT;
    AUTO(json_free_ptr) struct json *root = parse(text, &err);
    struct buf buf;
    struct jw w;
    buf_init(&buf, 1024);
    jw_init(&w, &buf);
    jw_node(&w, NULL, root);
    cr_assert_str_eq(buf_str(&buf), text);
    buf_free(&buf);
}
