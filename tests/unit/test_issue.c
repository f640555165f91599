/* SPDX-License-Identifier: Apache-2.0
 * control/tracker/issue: JSON both ways, states, labels, dispatch order, and
 * the workspace key. */
#include "common/cleanup.h"
#include "control/tracker/issue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err.message)

static struct err err;

static const char full[] =
    "{\"id\":\"i1\",\"native_ref\":{\"team\":\"t\"},\"identifier\":\"MT-1\","
    "\"title\":\"A title\",\"description\":\"Text\",\"priority\":2,"
    "\"state\":\"In Progress\",\"branch_name\":\"b\",\"url\":\"u\","
    "\"assignee_id\":\"p\",\"labels\":[\"bug\",\"ui\"],\"blocked_by\":"
    "[{\"id\":\"i2\",\"identifier\":\"MT-2\",\"state\":\"Todo\"},"
    "{\"id\":null,\"identifier\":\"MT-3\",\"state\":null}],"
    "\"dispatchable\":true,\"created_at\":\"2026-01-02T03:04:05.006Z\","
    "\"updated_at\":null}";

static struct issue
parse(const char *text)
{
    struct issue issue;
    struct json *json = json_parse(text, strlen(text), 65536, &err);

    cr_assert_not_null(json, "%s", err.message);
    OK(issue_read(json, &issue, &err));
    json_free(json);
    return issue;
}

static void
expect_json(const struct issue *issue, const char *expected)
{
    AUTO(buf_free) struct buf out = {0};
    struct jw w;

    buf_init(&out, 65536);
    jw_init(&w, &out);
    issue_write(issue, &w, NULL);
    cr_assert_str_eq(buf_str(&out), expected);
}

Test(issue, is_written_as_it_was_read_and_copied_whole)
{
    struct issue issue = parse(full);
    struct issue copy;

    expect_json(&issue, full);
    OK(issue_copy(&copy, &issue, &err));
    issue_release(&issue);
    expect_json(&copy, full);
    issue_release(&copy);
}

Test(issue, needs_its_required_fields_and_nothing_else)
{
    static const char *const broken[] = {
        "{\"identifier\":\"M\",\"title\":\"t\",\"state\":\"s\"}",
        "{\"id\":\"i\",\"title\":\"t\",\"state\":\"s\"}",
        "{\"id\":\"i\",\"identifier\":\"M\",\"state\":\"s\"}",
        "{\"id\":\"i\",\"identifier\":\"M\",\"title\":\"t\"}",
        "{\"id\":\"\",\"identifier\":\"M\",\"title\":\"t\",\"state\":\"s\"}",
        "{\"id\":7,\"identifier\":\"M\",\"title\":\"t\",\"state\":\"s\"}",
        "[]",
    };

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct issue issue;
        struct json *json =
            json_parse(broken[i], strlen(broken[i]), 4096, &err);
        cr_assert_eq(issue_read(json, &issue, &err), -1, "%s", broken[i]);
        cr_assert_null(issue.id);
        json_free(json);
    }
    struct issue least = parse(
        "{\"id\":\"i\",\"identifier\":\"M\",\"title\":\"t\",\"state\":\"s\"}");
    cr_assert_eq(least.priority, ISSUE_PRIORITY_NONE);
    cr_assert_eq(least.created_at_ms, -1);
    cr_assert_not(least.dispatchable);
    issue_release(&least);
}

Test(issue, states_compare_trimmed_and_without_case)
{
    char *list[] = {(char[]){"Todo"}, (char[]){" In Progress "}};

    cr_assert(issue_state_equal("Todo", " todo\n"));
    cr_assert(issue_state_equal("", "  "));
    cr_assert_not(issue_state_equal("Todo", "To do"));
    cr_assert_not(issue_state_equal("Todo", "Todos"));
    cr_assert_not(issue_state_equal("Todo", NULL));
    cr_assert(issue_state_in("in progress", list, 2));
    cr_assert_not(issue_state_in("Done", list, 2));
}

Test(issue, labels_are_folded_blank_ones_and_doubles_dropped)
{
    struct issue issue = {0};
    char label[16];

    OK(issue_add_label(&issue, "  Bug ", &err));
    OK(issue_add_label(&issue, "bug", &err));
    OK(issue_add_label(&issue, " \t", &err));
    cr_assert_eq(issue.label_count, 1);
    cr_assert_str_eq(issue.labels[0], "bug");
    for (int i = 1; i < ISSUE_LABELS_MAX; i++) {
        (void)snprintf(label, sizeof(label), "l%d", i);
        OK(issue_add_label(&issue, label, &err));
    }
    cr_assert_eq(issue_add_label(&issue, "one more", &err), -1);
    cr_assert_eq(err.code, ERR_TOO_LARGE);
    issue_release(&issue);
}

static struct issue
ranked(const char *identifier, int64_t priority, int64_t created_at)
{
    struct issue issue = {.priority = priority, .created_at_ms = created_at};

    issue.identifier = strdup(identifier);
    return issue;
}

Test(issue, order_is_priority_then_age_then_identifier)
{
    struct issue issues[] = {
        ranked("G", 0, 1), ranked("F", 4, 1), ranked("E", 2, -1),
        ranked("D", 2, 9), ranked("C", 2, 5), ranked("B", 2, 5),
        ranked("A", 1, 99), ranked("H", 7, 2), /* no priority that we know */
    };
    char order[ARRAY_LEN(issues) + 1] = "";

    qsort(issues, ARRAY_LEN(issues), sizeof(issues[0]), issue_compare);
    for (size_t i = 0; i < ARRAY_LEN(issues); i++) {
        order[i] = issues[i].identifier[0];
        issue_release(&issues[i]);
    }
    cr_assert_str_eq(order, "ABCDEFGH");
}

Test(issue, workspace_keys_are_safe_and_never_collide)
{
    static const struct {
        const char *identifier;
        const char *start; /* of the key */
        bool same;         /* the key is the identifier */
    } cases[] = {
        {"MT-42", "MT-42", true},
        {"a.b_c-d", "a.b_c-d", true},
        {"a/b", "a_b-", false},
        {"a_b", "a_b", true},
        {"..", "_.-", false},
        {".hidden", "_hidden-", false},
        {"-rf", "_rf-", false},
        {"", "-", false},
        {"\xc3\xa9t\xc3\xa9", "__t__-", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *key = issue_workspace_key(cases[i].identifier, &err);
        cr_assert_not_null(key);
        cr_assert_eq(strncmp(key, cases[i].start, strlen(cases[i].start)), 0,
            "%s gives %s", cases[i].identifier, key);
        cr_assert_eq(strcmp(key, cases[i].identifier) == 0, cases[i].same);
        cr_assert_eq(key[strspn(key, "abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789._-")],
            '\0');
    }
    AUTO_FREE char *slash = issue_workspace_key("a/b", &err);
    AUTO_FREE char *colon = issue_workspace_key("a:b", &err);
    AUTO_FREE char *again = issue_workspace_key("a/b", &err);
    cr_assert_str_neq(slash, colon);
    cr_assert_str_eq(slash, again);
}

Test(issue, a_long_identifier_has_a_bounded_key)
{
    char identifier[5000];

    memset(identifier, 'x', sizeof(identifier) - 1);
    identifier[sizeof(identifier) - 1] = '\0';
    AUTO_FREE char *key = issue_workspace_key(identifier, &err);
    cr_assert_not_null(key);
    cr_assert_leq(strlen(key), 133);
}
