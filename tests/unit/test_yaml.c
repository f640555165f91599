/* SPDX-License-Identifier: Apache-2.0
 * The YAML reader: what it accepts, what it refuses, and where it says that
 * the trouble is. */
#include "control/config/ytree.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ytree *
must_read(const char *text)
{
    struct err err = ERR_INIT;
    struct ytree *root = NULL;
    int rc = ytree_read(text, strlen(text), "f.yaml", 1, &root, &err);
    cr_assert_eq(rc, 0, "%s", err.message);
    return root;
}

static void
expect_refusal(const char *text, const char *message)
{
    struct err err = ERR_INIT;
    struct ytree *root = NULL;
    int rc = ytree_read(text, strlen(text), "f.yaml", 1, &root, &err);
    cr_assert_eq(rc, -1, "accepted: %s", text);
    cr_expect_eq(err.code, ERR_CONFIG);
    cr_expect_null(root);
    cr_expect_not_null(strstr(err.message, message), "\"%s\" is not in \"%s\"",
        message, err.message);
}

Test(yaml, keeps_lines_keys_and_kinds)
{
    struct ytree *root = must_read("a:\n  b: 4000\nlist:\n  - x\n  - 'y'\n");
    cr_assert_eq(root->kind, YTREE_MAP);
    const struct ytree *a = root->child;
    cr_expect_str_eq(a->key, "a");
    cr_expect_str_eq(a->child->key, "b");
    cr_expect_eq(a->child->line, 2);
    cr_expect_str_eq(a->child->text, "4000");
    cr_expect(a->child->plain);
    const struct ytree *list = a->next;
    cr_expect_eq(list->kind, YTREE_LIST);
    cr_expect_eq(list->child->next->line, 5);
    cr_expect_not(list->child->next->plain);
    ytree_free(root);
}

Test(yaml, counts_lines_from_the_given_one)
{
    struct err err = ERR_INIT;
    struct ytree *root = NULL;
    cr_assert_eq(ytree_read("a: 1\nb: [\n", 10, "W.md", 2, &root, &err), -1);
    cr_expect_not_null(
        strstr(err.message, "W.md:4: not valid YAML"), "%s", err.message);
}

Test(yaml, reads_block_scalars)
{
    struct ytree *root = must_read("hook: |\n  set -e\n  make\nnext: 1\n");
    cr_expect_str_eq(root->child->text, "set -e\nmake\n");
    cr_expect_not(root->child->plain);
    ytree_free(root);
}

Test(yaml, an_empty_document_is_no_tree)
{
    static const char *const texts[] = {"", "\n", "# only a comment\n", "~"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        cr_expect_null(must_read(texts[i]), "%s", texts[i]);
}

Test(yaml, refuses_what_could_surprise)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"a: &x 1\n", "f.yaml:1: anchors and tags"},
        {"a: 1\nb: *x\n", "f.yaml:2:"},
        {"a: !!python/object:os.system x\n", "anchors and tags"},
        {"a: !!str 1\n", "anchors and tags"},
        {"a: 1\n<<: {b: 2}\n", "f.yaml:2: merge keys"},
        {"a: 1\nb: 2\na: 3\n",
            "f.yaml:3: duplicate key \"a\"; it is on line 1"},
        {"[1, 2]: x\n", "a key must be a plain string"},
        {"a: 1\n---\nb: 2\n", "more than one document"},
        {"a: \"x\\0y\"\n", "a NUL byte"},
        {"a: [1\n", "not valid YAML"},
        {"a: 1\n b: 2\n", "f.yaml:2: not valid YAML"},
        {"a: \xff\xfe\n", "not valid YAML"},
        {"a: b: c\n", "not valid YAML"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_refusal(cases[i].text, cases[i].message);
}

Test(yaml, refuses_a_bomb_of_aliases)
{
    expect_refusal("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "f.yaml:1:");
}

Test(yaml, bounds_depth_nodes_keys_and_size)
{
    struct buf text;
    buf_init(&text, (size_t)4 * YTREE_BYTES_MAX);
    for (int i = 0; i < YTREE_DEPTH_MAX + 1; i++)
        buf_putc(&text, '[');
    for (int i = 0; i < YTREE_DEPTH_MAX + 1; i++)
        buf_putc(&text, ']');
    expect_refusal(buf_str(&text), "nested too deeply");

    buf_clear(&text);
    buf_puts(&text, "a: [");
    for (int i = 0; i <= YTREE_NODES_MAX; i++)
        buf_puts(&text, "1,");
    buf_puts(&text, "]");
    expect_refusal(buf_str(&text), "too many values");

    buf_clear(&text);
    for (int i = 0; i <= YTREE_KEYS_MAX; i++)
        buf_printf(&text, "k%d: 1\n", i);
    expect_refusal(buf_str(&text), "too many keys");

    buf_clear(&text);
    for (int i = 0; i <= YTREE_BYTES_MAX; i++)
        buf_putc(&text, '#');
    expect_refusal(buf_str(&text), "larger than");
    buf_free(&text);
}

Test(yaml, types_plain_scalars_in_json_only)
{
    struct ytree *root = must_read("{a: true, b: 'true', c: 12, d: 0123, e: "
                                   "1.5e3, f: ~, g: never, h: .inf, i: -0}");
    struct buf out;
    buf_init(&out, 4096);
    ytree_to_json(root, &out);
    cr_expect_str_eq(buf_str(&out),
        "{\"a\":true,\"b\":\"true\",\"c\":12,\"d\":\"0123\",\"e\":1.5e3,"
        "\"f\":null,\"g\":\"never\",\"h\":\".inf\",\"i\":-0}");
    buf_free(&out);
    ytree_free(root);
}

Test(yaml, equality_ignores_the_order_of_keys)
{
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } cases[] = {
        {"{x: 1, y: [a, b]}", "{y: [a, b], x: 1}", true},
        {"{x: 1, y: [a, b]}", "{y: [b, a], x: 1}", false},
        {"{x: 1}", "{x: 1, y: 2}", false},
        {"{x: 1, y: 2}", "{x: 1}", false},
        {"[a]", "[a, b]", false},
        {"x: 1", "x: '1'", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ytree *a = must_read(cases[i].a);
        struct ytree *b = must_read(cases[i].b);
        cr_expect_eq(ytree_equal(a, b), cases[i].equal, "case %zu", i);
        ytree_free(a);
        ytree_free(b);
    }
}
