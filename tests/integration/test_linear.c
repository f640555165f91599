/* SPDX-License-Identifier: Apache-2.0
 * control/tracker/linear against fake_linear, which checks queries as the
 * real one does: every operation, every fault, every error name. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "control/config/config.h"
#include "control/tracker/tracker.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err.message)

static const char api_key[] = "lin_api_fake";

static char dir[64];
static char base[64];
static struct process fake;
static struct tracker tracker;
static struct err err;

/* ---- the fake ---- */

static void
start_fake(void)
{
    const char *argv[] = {harness_binary("fake_linear"), "--port", "0", NULL};
    const char *env[] = {NULL};
    AUTO(buf_free) struct buf log = {0};
    int port = 0;

    (void)unlink(fake.log); /* of an earlier one: it says another port */
    process_start(&fake, dir, "fake_linear", argv, env);
    cr_assert(process_said(&fake, "serves on 127.0.0.1:", 10000));
    buf_init(&log, 65536);
    process_log(&fake, &log);
    const char *at = strstr(buf_str(&log), "127.0.0.1:");
    port = (int)strtol(at + strlen("127.0.0.1:"), NULL, 10);
    cr_assert_gt(port, 0);
    (void)snprintf(base, sizeof(base), "http://127.0.0.1:%d", port);
}

/* One of the fake's control endpoints; the answer is the caller's. */
static struct answer
control(const char *path, const char *body)
{
    char url[128];
    struct answer answer;

    (void)snprintf(url, sizeof(url), "%s/fake/%s", base, path);
    http_call(&answer, "POST", url, body);
    cr_assert_eq(
        answer.status, 200, "%s %s: %s", path, body, buf_str(&answer.body));
    return answer;
}

static void
tell(const char *path, const char *body)
{
    struct answer answer = control(path, body);
    answer_free(&answer);
}

static void
fault(const char *kind)
{
    char body[128];

    (void)snprintf(body, sizeof(body), "{\"kind\":\"%s\"}", kind);
    tell("faults", body);
}

static int64_t
shown(const char *what)
{
    struct answer answer = control("show", "{}");
    const struct json *node = json_get(answer.json, what);
    int64_t n = json_type(node) == JSON_ARRAY ? (int64_t)json_len(node)
                                              : json_int(node, -1);

    answer_free(&answer);
    return n;
}

/* ---- the tracker ---- */

static int
open_tracker(const char *endpoint, const char *key, const char *slug)
{
    char kind[] = "linear";
    char url[128];
    char project[64];
    char done[] = "Done";
    char *terminal[] = {done};
    struct config config = {
        .tracker_kind = kind,
        .tracker_endpoint = url,
        .tracker_project_slug = project,
        .tracker_api_key = key == NULL ? NULL : secret_new(key, strlen(key)),
        .tracker_terminal_states = {terminal, 1},
    };

    (void)snprintf(url, sizeof(url), "%s", endpoint);
    (void)snprintf(project, sizeof(project), "%s", slug);
    int result = tracker_open(&tracker, &config, NULL, &err);
    secret_free(config.tracker_api_key);
    return result;
}

static void
open_default(void)
{
    char endpoint[128];

    (void)snprintf(endpoint, sizeof(endpoint), "%s/graphql", base);
    OK(open_tracker(endpoint, api_key, "demo"));
}

static void
setup(void)
{
    err_clear(&err);
    (void)snprintf(dir, sizeof(dir), "/tmp/risoluto-linear-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    start_fake();
    open_default();
}

static void
teardown(void)
{
    tracker_close(&tracker);
    cr_assert_eq(process_stop(&fake, SIGTERM), 0);
    cr_assert_eq(file_remove_tree(dir, &err), 0);
}

TestSuite(linear, .init = setup, .fini = teardown, .timeout = 60);

static int
fetch_states(struct issue_list *out)
{
    char *states[] = {(char[]){"todo"}, (char[]){" In Progress"}};

    *out = (struct issue_list){0};
    return tracker.ops->fetch_by_states(tracker.impl, states, 2, out, &err);
}

/* What a poll must answer now. */
static void
expect_failure(enum err_code code)
{
    struct issue_list list;

    err_clear(&err);
    cr_assert_eq(fetch_states(&list), -1, "expected %s", err_name(code));
    cr_assert_eq(err.code, code, "%s: %s", err_name(err.code), err.message);
    cr_assert_eq(list.len, 0, "a failed fetch left issues behind");
    cr_assert_null(strstr(err.message, api_key), "%s", err.message);
}

static void
expect_issues(size_t count)
{
    struct issue_list list;

    OK(fetch_states(&list));
    cr_assert_eq(list.len, count, "%zu issues", list.len);
    issue_list_release(&list);
}

static char *
issue_id(const char *identifier)
{
    static char id[64];
    int number = (int)strtol(identifier + 4, NULL, 10);

    (void)snprintf(
        id, sizeof(id), "15500000-0000-4000-8000-%012x", (unsigned)number);
    return id;
}

/* ---- reading ---- */

Test(linear, issues_are_normalised)
{
    struct issue_list list;

    tell("issues",
        "{\"title\":\"Fix it\",\"description\":\"Text\",\"state\":\"Todo\","
        "\"priority\":2,\"labels\":[\"Bug\",\" bug\",\"UI\"],"
        "\"assignee\":\"u1\"}");
    tell("issues", "{\"title\":\"Other project\",\"project\":\"other\"}");
    tell("issues", "{\"title\":\"Over\",\"state\":\"Done\"}");
    int64_t before = clock_wall_ms();
    OK(fetch_states(&list));
    cr_assert_eq(list.len, 1);
    const struct issue *issue = &list.items[0];
    cr_assert_str_eq(issue->id, issue_id("ENG-1"));
    cr_assert_str_eq(issue->identifier, "ENG-1");
    cr_assert_str_eq(issue->title, "Fix it");
    cr_assert_str_eq(issue->description, "Text");
    cr_assert_str_eq(issue->state, "Todo");
    cr_assert_eq(issue->priority, 2);
    cr_assert_str_eq(issue->branch_name, "somebody/ENG-1");
    cr_assert_str_eq(issue->assignee_id, "u1");
    cr_assert_not_null(strstr(issue->url, "ENG-1"));
    cr_assert_eq(issue->label_count, 2);
    cr_assert_str_eq(issue->labels[0], "bug");
    cr_assert_str_eq(issue->labels[1], "ui");
    cr_assert(issue->dispatchable);
    cr_assert(issue->own_writes_show);
    cr_assert_geq(issue->fetched_at_ms, before);
    cr_assert_gt(issue->created_at_ms, 0);
    cr_assert_geq(issue->updated_at_ms, issue->created_at_ms);
    issue_list_release(&list);
}

Test(linear, all_pages_are_read_and_no_issue_twice)
{
    struct issue_list list;

    tell("issues", "{\"count\":120}");
    int64_t before = shown("requests");
    OK(fetch_states(&list));
    cr_assert_eq(list.len, 120);
    cr_assert_eq(shown("requests") - before, 3, "pages of 50");
    issue_list_release(&list);
}

Test(linear, nothing_is_asked_for_an_empty_list)
{
    struct issue_list list = {0};

    OK(tracker.ops->fetch_by_states(tracker.impl, NULL, 0, &list, &err));
    OK(tracker.ops->fetch_by_ids(tracker.impl, NULL, 0, &list, &err));
    cr_assert_eq(list.len, 0);
    cr_assert_eq(shown("requests"), 0);
}

Test(linear, ids_give_what_is_visible_in_the_project)
{
    struct issue_list list = {0};
    char visible[64];
    char foreign[64];
    char unknown[] = "99999999-0000-4000-8000-000000000000";
    char no_uuid[] = "0123456789abcdef0123456789abcdef";

    tell("issues", "{\"state\":\"Done\"}");
    tell("issues", "{\"project\":\"other\"}");
    (void)snprintf(visible, sizeof(visible), "%s", issue_id("ENG-1"));
    (void)snprintf(foreign, sizeof(foreign), "%s", issue_id("ENG-2"));
    char *ids[] = {visible, foreign, unknown, no_uuid, visible};
    OK(tracker.ops->fetch_by_ids(tracker.impl, ids, 5, &list, &err));
    cr_assert_eq(list.len, 1);
    cr_assert_str_eq(list.items[0].state, "Done");
    issue_list_release(&list);
    int64_t before = shown("requests");
    char *useless[] = {no_uuid};
    OK(tracker.ops->fetch_by_ids(tracker.impl, useless, 1, &list, &err));
    cr_assert_eq(list.len, 0);
    cr_assert_eq(shown("requests"), before);
}

Test(linear, many_ids_are_asked_for_in_portions)
{
    enum { COUNT = 130 };
    struct issue_list list = {0};
    static char ids[COUNT][64];
    char *pointers[COUNT];

    tell("issues", "{\"count\":130}");
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(
            ids[i], 64, "15500000-0000-4000-8000-%012x", (unsigned)i + 1);
        pointers[i] = ids[i];
    }
    OK(tracker.ops->fetch_by_ids(tracker.impl, pointers, COUNT, &list, &err));
    cr_assert_eq(list.len, COUNT);
    issue_list_release(&list);
}

Test(linear, a_waiting_issue_with_an_open_blocker_is_not_dispatchable)
{
    static const struct {
        const char *spec;
        bool dispatchable;
    } cases[] = {
        {"{\"state\":\"Todo\",\"blocked_by\":[\"ENG-1\"]}", false},
        {"{\"state\":\"Todo\",\"blocked_by\":[\"ENG-2\",\"ENG-3\"]}", true},
        {"{\"state\":\"In Progress\",\"blocked_by\":[\"ENG-1\"]}", true},
        {"{\"state\":\"Todo\"}", true},
    };
    struct issue_list list;

    tell("issues", "{\"state\":\"In Review\"}");
    tell("issues", "{\"state\":\"Done\"}");
    tell("issues", "{\"state\":\"Canceled\"}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        tell("issues", cases[i].spec);
    OK(fetch_states(&list));
    cr_assert_eq(list.len, ARRAY_LEN(cases));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_assert_eq(list.items[i].dispatchable, cases[i].dispatchable, "%s",
            cases[i].spec);
    cr_assert_eq(list.items[1].blocked_by_count, 2);
    cr_assert_str_eq(list.items[1].blocked_by[0].identifier, "ENG-2");
    cr_assert_str_eq(list.items[1].blocked_by[0].state, "Done");
    issue_list_release(&list);
}

/* The page asks for few of them, because they make a query expensive. */
Test(linear, many_labels_and_relations_are_read_by_a_second_look)
{
    struct issue_list list;
    AUTO(buf_free) struct buf spec = {0};

    for (int i = 0; i < 14; i++)
        tell("issues",
            i == 13 ? "{\"state\":\"In Review\"}" : "{\"state\":\"Done\"}");
    buf_init(&spec, 4096);
    buf_puts(&spec, "{\"blocked_by\":[\"ENG-1\"");
    for (int i = 2; i <= 14; i++)
        buf_printf(&spec, ",\"ENG-%d\"", i);
    buf_puts(&spec, "],\"labels\":[\"l0\"");
    for (int i = 1; i < 30; i++)
        buf_printf(&spec, ",\"l%d\"", i);
    buf_puts(&spec, "]}");
    tell("issues", buf_str(&spec));
    OK(fetch_states(&list));
    cr_assert_eq(list.len, 1);
    cr_assert_eq(list.items[0].label_count, 30);
    cr_assert_eq(list.items[0].blocked_by_count, 14);
    cr_assert_not(list.items[0].dispatchable, "the 14th blocks it");
    issue_list_release(&list);
}

Test(linear, a_malformed_issue_is_left_out_of_a_poll_and_fails_a_refresh)
{
    struct issue_list list = {0};
    char *ids[] = {issue_id("ENG-1")};

    tell("issues", "{\"malformed\":true}");
    tell("issues", "{}");
    expect_issues(1);
    cr_assert_eq(
        tracker.ops->fetch_by_ids(tracker.impl, ids, 1, &list, &err), -1);
    cr_assert_eq(err.code, ERR_TRACKER_PAYLOAD);
    cr_assert_eq(list.len, 0);
}

/* ---- faults ---- */

Test(linear, every_fault_has_its_name_and_passes)
{
    static const struct {
        const char *kind;
        enum err_code code;
    } cases[] = {
        {"unauthorized", ERR_TRACKER_AUTH},
        {"server_error", ERR_TRACKER_STATUS},
        {"redirect", ERR_TRACKER_STATUS},
        {"malformed", ERR_TRACKER_PAYLOAD},
        {"no_data", ERR_TRACKER_PAYLOAD},
        {"no_nodes", ERR_TRACKER_PAYLOAD},
        {"echo", ERR_TRACKER_PAYLOAD},
        {"huge", ERR_TRACKER_PAYLOAD},
        {"hang_up", ERR_TRACKER_REQUEST},
        {"hang_up_after", ERR_TRACKER_REQUEST},
        {"no_end_cursor", ERR_TRACKER_PAGINATION},
    };

    tell("issues", "{\"count\":60}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fault(cases[i].kind);
        expect_failure(cases[i].code);
        expect_issues(60);
    }
    cr_assert_eq(shown("followed"), 0, "a redirect was followed");
}

Test(linear, a_cursor_that_does_not_move_is_an_error_not_a_loop)
{
    tell("issues", "{\"count\":160}");
    fault("same_end_cursor");
    expect_failure(ERR_TRACKER_PAGINATION);
}

Test(linear, a_server_that_is_down_is_a_failed_request)
{
    cr_assert_eq(process_stop(&fake, SIGTERM), 0);
    expect_failure(ERR_TRACKER_REQUEST);
    start_fake(); /* for the teardown */
}

static void
expect_limit(const char *spec)
{
    tell("faults", spec);
    expect_failure(ERR_TRACKER_RATE);
    cr_assert_not_null(strstr(err.message, "in 120 s"), "%s", err.message);
    int64_t asked = shown("requests");
    expect_failure(ERR_TRACKER_RATE);
    expect_failure(ERR_TRACKER_RATE);
    cr_assert_eq(
        shown("requests"), asked, "asked although the limit was known");
    tracker_close(&tracker);
    open_default(); /* forgets the limit */
}

Test(linear, a_rate_limit_is_remembered_in_each_of_its_forms)
{
    expect_limit("{\"kind\":\"rate_limit\",\"reset_ms\":120000}");
    expect_limit("{\"kind\":\"rate_limit\",\"reset_ms\":120000,"
                 "\"header\":\"complexity\"}");
    expect_limit("{\"kind\":\"rate_limit\",\"reset_ms\":120000,"
                 "\"header\":\"retry_after\"}");
    expect_limit("{\"kind\":\"status_429\",\"reset_ms\":120000}");
}

static bool
can_fetch(void *arg)
{
    struct issue_list list;

    (void)arg;
    if (fetch_states(&list) < 0) {
        cr_assert_eq(err.code, ERR_TRACKER_RATE);
        return false;
    }
    issue_list_release(&list);
    return true;
}

Test(linear, a_rate_limit_ends_at_the_time_that_was_given)
{
    tell("faults", "{\"kind\":\"rate_limit\",\"reset_ms\":1500}");
    expect_failure(ERR_TRACKER_RATE);
    int64_t start = clock_mono_ms();
    cr_assert(harness_until(can_fetch, NULL, 10000));
    cr_assert_gt(clock_mono_ms() - start, 500);
    cr_assert_lt(clock_mono_ms() - start, 5000);
}

Test(linear, a_wrong_key_is_refused_and_not_shown)
{
    char endpoint[128];
    struct issue_list list;

    tracker_close(&tracker);
    (void)snprintf(endpoint, sizeof(endpoint), "%s/graphql", base);
    OK(open_tracker(endpoint, "lin_api_wrong", "demo"));
    cr_assert_eq(fetch_states(&list), -1);
    cr_assert_eq(err.code, ERR_TRACKER_AUTH);
    cr_assert_null(strstr(err.message, "lin_api_wrong"));
    tracker_close(&tracker);
    OK(open_tracker(endpoint, "Bearer lin_api_fake", "demo"));
    cr_assert_eq(fetch_states(&list), -1);
    cr_assert_eq(err.code, ERR_TRACKER_AUTH);
    tracker_close(&tracker);
    OK(open_tracker(endpoint, "two\r\nX-Lines: yes", "demo"));
    cr_assert_eq(fetch_states(&list), -1);
    cr_assert_eq(err.code, ERR_TRACKER_CONFIG);
    cr_assert_eq(shown("requests"), 2, "the third was not sent");
}

Test(linear, a_configuration_that_cannot_work_is_refused_at_once)
{
    static const struct {
        const char *endpoint;
        const char *key;
        const char *slug;
    } cases[] = {
        {"https://api.linear.app/graphql", NULL, "demo"},
        {"https://api.linear.app/graphql", "k", ""},
        {"http://api.linear.app/graphql", "k", "demo"},
        {"http://127.evil.example/graphql", "k", "demo"},
        {"https://user:pass@api.linear.app/graphql", "k", "demo"},
        {"ftp://api.linear.app/graphql", "k", "demo"},
        {"nonsense", "k", "demo"},
    };

    tracker_close(&tracker);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err_clear(&err);
        cr_assert_eq(
            open_tracker(cases[i].endpoint, cases[i].key, cases[i].slug), -1,
            "%s", cases[i].endpoint);
        cr_assert_eq(err.code, ERR_TRACKER_CONFIG, "%s", err.message);
        cr_assert_null(strstr(err.message, "pass@"));
    }
}

/* ---- writing ---- */

static int
comment(const char *identifier, const char *key)
{
    err_clear(&err);
    return tracker.ops->comment(
        tracker.impl, issue_id(identifier), key, "All done.", &err);
}

Test(linear, a_comment_is_posted_once_per_key_whatever_happens)
{
    tell("issues", "{}");
    OK(comment("ENG-1", "attempt-1:comment"));
    OK(comment("ENG-1", "attempt-1:comment"));
    cr_assert_eq(shown("comments"), 1);
    fault("hang_up_after"); /* posted, but nobody hears of it */
    cr_assert_eq(comment("ENG-1", "attempt-2:comment"), -1);
    cr_assert_eq(err.code, ERR_TRACKER_REQUEST);
    cr_assert_eq(shown("comments"), 2);
    OK(comment("ENG-1", "attempt-2:comment"));
    cr_assert_eq(shown("comments"), 2);
}

Test(linear, a_comment_on_an_issue_that_is_gone_is_hopeless)
{
    cr_assert_eq(comment("ENG-9", "k"), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_not(err_is_retryable(err.code));
}

static int
transition(const char *identifier, const char *state)
{
    err_clear(&err);
    return tracker.ops->transition(
        tracker.impl, issue_id(identifier), state, &err);
}

Test(linear, a_move_finds_the_state_by_name_and_is_harmless_twice)
{
    struct issue_list list = {0};
    char *ids[] = {issue_id("ENG-1")};

    tell("issues", "{}");
    OK(transition("ENG-1", "in review"));
    cr_assert_eq(shown("mutations"), 1);
    OK(transition("ENG-1", "In Review"));
    cr_assert_eq(shown("mutations"), 1, "it was there already");
    OK(tracker.ops->fetch_by_ids(tracker.impl, ids, 1, &list, &err));
    cr_assert_str_eq(list.items[0].state, "In Review");
    issue_list_release(&list);
    cr_assert_eq(transition("ENG-1", "Nowhere"), -1);
    cr_assert_eq(err.code, ERR_TRACKER_CONFIG);
    cr_assert_not_null(strstr(err.message, "Nowhere"));
    cr_assert_eq(transition("ENG-9", "Done"), -1);
    cr_assert_eq(err.code, ERR_NOT_FOUND);
}

/* ---- the fake itself ---- */

static void
expect_refusal(const char *query, const char *message)
{
    char url[128];
    AUTO(buf_free) struct buf body = {0};
    struct jw w;
    struct answer answer;

    buf_init(&body, 65536);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "query", query);
    jw_end_obj(&w);
    (void)snprintf(url, sizeof(url), "%s/graphql", base);
    http_call(&answer, "POST", url, buf_str(&body));
    cr_assert_neq(answer.status, 200, "%s", query);
    cr_assert_not_null(strstr(buf_str(&answer.body), message), "%s: %s", query,
        buf_str(&answer.body));
    answer_free(&answer);
}

Test(linear, the_fake_refuses_who_does_not_say_who_he_is)
{
    expect_refusal("{ viewer { id } }", "AUTHENTICATION_ERROR");
}
