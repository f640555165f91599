/* SPDX-License-Identifier: Apache-2.0
 * A Codex session: the way to a finished turn, every time-out, every way to
 * end, and lines that no honest server would send. */
#include "tests/support/codex_harness.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct codex_harness h;

static void
setup(void)
{
    codex_harness_init(&h);
}

static void
teardown(void)
{
    codex_harness_free(&h);
}

TestSuite(codex_session, .init = setup, .fini = teardown);

static void
running(void)
{
    codex_harness_start(&h);
    codex_harness_to_turn(&h);
    cr_assert_eq(codex_session_phase(h.session), CODEX_TURN, "%s: %s",
        outcome_name(codex_harness_outcome(&h)), codex_harness_message(&h));
}

static void
expect_end(enum outcome outcome, const char *message)
{
    cr_expect_eq(codex_session_phase(h.session), CODEX_DONE);
    cr_expect_str_eq(
        outcome_name(codex_harness_outcome(&h)), outcome_name(outcome));
    cr_expect(strstr(codex_harness_message(&h), message) != NULL,
        "\"%s\" lacks \"%s\"", codex_harness_message(&h), message);
    cr_expect_eq(codex_session_deadline(h.session), INT64_MAX);
}

static int
line(const char *text)
{
    return codex_harness_line(&h, text);
}

/* ---- the way through ---- */

Test(codex_session, waits_for_the_proof_before_it_speaks)
{
    codex_harness_start(&h);
    line("{\"risoluto_init\":\"ready\"}");
    cr_expect_eq(h.sent.len, 0);
    codex_harness_init_lines(&h);
    cr_expect_eq(codex_harness_events(&h, "sandbox.proved {\"ms\":12}"), 1);
    cr_expect_eq(codex_harness_sent(&h, "\"method\":\"initialize\""), 1);
}

Test(codex_session, shakes_hands_in_order)
{
    static const char *const order[] = {"\"method\":\"initialize\"",
        "{\"method\":\"initialized\"}\n", "\"method\":\"account/login/start\"",
        "\"method\":\"thread/start\"", "\"method\":\"turn/start\""};
    const char *at = NULL;
    running();
    at = buf_str(&h.sent);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        at = strstr(at, order[i]);
        cr_assert_not_null(at, "%s is missing or out of order", order[i]);
    }
    cr_expect_str_eq(codex_session_thread_id(h.session), "th-1");
    cr_expect_eq(strncmp(codex_session_id(h.session), "th-1-", 5), 0, "%s",
        codex_session_id(h.session));
    cr_expect_eq(codex_harness_sent(&h, "\"apiKey\":\"" HARNESS_KEY "\""), 1);
    cr_expect_eq(codex_harness_events(&h, "codex.ready"), 1);
    cr_expect_eq(codex_harness_events(&h,
                     "thread.started {\"thread_id\":\"th-1\",\"model\":"
                     "\"gpt-5.5\",\"approval_policy\":\"never\",\"sandbox\":"
                     "{\"type\":\"workspaceWrite\""),
        1);
    cr_expect_eq(
        codex_harness_events(&h, "turn.started {\"turn_id\":\"tu-1\","), 1);
}

Test(codex_session, does_not_log_in_without_a_key)
{
    secret_free(h.request.codex.api_key);
    h.request.codex.api_key = NULL;
    running();
    cr_expect_eq(codex_harness_sent(&h, "account/login/start"), 0);
}

Test(codex_session, asks_for_its_policy_at_thread_and_turn)
{
    running();
    cr_expect_eq(codex_harness_sent(&h, "\"approvalPolicy\":\"never\""), 2);
    cr_expect_eq(codex_harness_sent(&h, "\"approvalsReviewer\":\"user\""), 2);
    cr_expect_eq(codex_harness_sent(&h, "\"sandbox\":\"workspace-write\""), 1);
    cr_expect_eq(
        codex_harness_sent(&h, "\"sandboxPolicy\":{\"type\":\"workspaceWrite\","
                               "\"writableRoots\":[],\"networkAccess\":false"),
        1);
    cr_expect_eq(codex_harness_sent(&h, "\"cwd\":\"" HARNESS_WORKSPACE), 2);
    cr_expect_eq(codex_harness_sent(&h, "RISOLUTO_STATUS: BLOCKED"), 1);
}

Test(codex_session, request_ids_differ_between_incarnations)
{
    running();
    char *first = strndup(buf_str(&h.sent), 30);
    codex_session_free(h.session);
    buf_clear(&h.sent);
    running();
    cr_expect_neq(strncmp(first, buf_str(&h.sent), 30), 0);
    free(first);
}

Test(codex_session, done_ends_it_with_the_agents_words)
{
    running();
    codex_harness_turn_end(&h, "tu-1", "I did it.\\n\\nRISOLUTO_STATUS: DONE");
    expect_end(OUTCOME_SUCCEEDED, "I did it.");
    cr_expect_str_eq(codex_harness_message(&h), "I did it.");
    cr_expect_eq(codex_harness_events(&h, "turn.completed"), 1);
}

Test(codex_session, blocked_ends_it_with_the_agents_words)
{
    running();
    codex_harness_turn_end(
        &h, "tu-1", "Which database?\\nRISOLUTO_STATUS: BLOCKED");
    expect_end(OUTCOME_BLOCKED, "Which database?");
}

struct verdict_case {
    const char *text;
    enum outcome outcome; /* OUTCOME_INTERNAL: another turn */
};

Test(codex_session, only_a_last_line_is_a_verdict)
{
    static const struct verdict_case cases[] = {
        {"RISOLUTO_STATUS: DONE", OUTCOME_SUCCEEDED},
        {"x\\n**RISOLUTO_STATUS: DONE**\\n", OUTCOME_SUCCEEDED},
        {"x\\n```\\nRISOLUTO_STATUS: DONE\\n```", OUTCOME_SUCCEEDED},
        {"x\\r\\nRISOLUTO_STATUS: **BLOCKED**.\\r\\n", OUTCOME_BLOCKED},
        {"RISOLUTO_STATUS: DONE\\nbut not quite", OUTCOME_INTERNAL},
        {"I will end with RISOLUTO_STATUS: DONE", OUTCOME_INTERNAL},
        {"RISOLUTO_STATUS: done", OUTCOME_INTERNAL},
        {"RISOLUTO_STATUS: DONE BLOCKED", OUTCOME_INTERNAL},
        {"RISOLUTO_STATUS:", OUTCOME_INTERNAL},
        {"", OUTCOME_INTERNAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        running();
        codex_harness_turn_end(&h, "tu-1", cases[i].text);
        bool more = cases[i].outcome == OUTCOME_INTERNAL;
        cr_expect_eq(codex_session_phase(h.session),
            more ? CODEX_TURN : CODEX_DONE, "%s", cases[i].text);
        if (!more)
            cr_expect_eq(codex_harness_outcome(&h), cases[i].outcome);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, goes_on_until_the_turns_are_used_up)
{
    running();
    codex_harness_turn_end(&h, "tu-1", "part one");
    cr_expect_eq(codex_harness_sent(&h, "\"text\":\"go on\""), 1);
    codex_harness_turn(&h, "tu-2");
    codex_harness_turn_end(&h, "tu-2", "part two");
    codex_harness_turn(&h, "tu-3");
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
    codex_harness_turn_end(&h, "tu-3", "part three");
    expect_end(OUTCOME_TURNS_EXHAUSTED, "3 turns");
    cr_expect_eq(codex_harness_sent(&h, "\"text\":\"the prompt\""), 1);
}

Test(codex_session, commentary_is_not_the_last_word)
{
    running();
    line("{\"method\":\"item/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turnId\":\"tu-1\",\"item\":{\"type\":\"agentMessage\",\"id\":\"a\","
         "\"phase\":\"commentary\",\"text\":\"RISOLUTO_STATUS: DONE\"}}}");
    line("{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turn\":{\"id\":\"tu-1\",\"status\":\"completed\",\"items\":[]}}}");
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
}

/* ---- recordings of the real thing ---- */

Test(codex_session, follows_a_recorded_turn)
{
    codex_harness_start(&h);
    codex_harness_init_lines(&h);
    codex_harness_replay(&h, "turn_with_command.jsonl");
    /* Its last message has no verdict: a second turn was asked for. */
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN, "%s",
        codex_harness_message(&h));
    cr_expect_eq(codex_harness_sent(&h, "\"method\":\"turn/start\""), 2);
    cr_expect_eq(codex_harness_events(&h, "item.started"), 3);
    cr_expect_eq(codex_harness_events(&h, "item.completed"), 3);
    cr_expect_eq(codex_harness_events(&h, "rate_limits.updated"), 1);
    cr_expect_eq(codex_harness_events(&h,
                     "usage.updated {\"input_tokens\":2001,"
                     "\"cached_input_tokens\":800,\"output_tokens\":100,"
                     "\"reasoning_tokens\":20,\"total_tokens\":2101}"),
        1);
    cr_expect_eq(
        codex_harness_events(&h, "\"kind\":\"agent_message\","
                                 "\"text\":\"All done, wrote hello.txt.\""),
        1);
    cr_expect_eq(codex_harness_events(&h, "codex.warning"), 1);
}

struct recorded_end {
    const char *file;
    enum outcome outcome;
    const char *message;
};

Test(codex_session, understands_recorded_failures)
{
    static const struct recorded_end cases[] = {
        {"http_429.jsonl", OUTCOME_RATE_LIMITED, "429"},
        {"usage_limit.jsonl", OUTCOME_USAGE_LIMIT, "usage limit"},
        {"config_warning.jsonl", OUTCOME_CONFIG, "disallowed by requirements"},
        {"interrupted.jsonl", OUTCOME_CODEX_PROTOCOL, "not by us"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        codex_harness_start(&h);
        codex_harness_init_lines(&h);
        codex_harness_replay(&h, cases[i].file);
        expect_end(cases[i].outcome, cases[i].message);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, follows_a_recorded_approval)
{
    static char policy[] = "\"on-failure\"";
    h.request.codex.approval_policy = policy;
    codex_harness_start(&h);
    codex_harness_init_lines(&h);
    codex_harness_replay(&h, "approval.jsonl");
    cr_expect_eq(codex_harness_events(&h, "approval.requested"), 1);
    cr_expect_eq(
        codex_harness_events(&h, "\"decision\":\"withdrawn\",\"by\":\"codex\""),
        1);
}

/* ---- the policy in effect ---- */

struct effective_case {
    const char *model;
    const char *provider;
    const char *policy;
    const char *reviewer;
    const char *sandbox;
    const char *why;
};

#define WW_(roots, network)                                                    \
    "{\"type\":\"workspaceWrite\",\"writableRoots\":" roots                    \
    ",\"networkAccess\":" network "}"

static void
thread_answer(const struct effective_case *c)
{
    char text[1024];
    (void)snprintf(text, sizeof(text),
        "{\"id\":\"@thread/start\",\"result\":{\"thread\":{\"id\":\"th-1\"},"
        "\"model\":%s,\"modelProvider\":%s,\"approvalPolicy\":%s,"
        "\"approvalsReviewer\":%s,\"sandbox\":%s}}",
        c->model, c->provider, c->policy, c->reviewer, c->sandbox);
    line(text);
}

static void
to_thread(void)
{
    codex_harness_start(&h);
    codex_harness_init_lines(&h);
    line("{\"id\":\"@initialize\",\"result\":{\"userAgent\":\"codex\"}}");
    line("{\"id\":\"@account/login/start\",\"result\":{\"type\":\"apiKey\"}}");
    cr_assert_eq(codex_session_phase(h.session), CODEX_THREAD);
}

Test(codex_session, refuses_another_policy_than_it_asked_for)
{
    static const char model[] = "\"gpt-5.5\"";
    static const char ours[] = "\"risoluto\"";
    static const char never[] = "\"never\"";
    static const char user[] = "\"user\"";
    static const struct effective_case cases[] = {
        {"\"gpt-5\"", ours, never, user, WW_("[]", "false"), "model is"},
        {"null", ours, never, user, WW_("[]", "false"), "model is"},
        {model, "\"openai\"", never, user, WW_("[]", "false"), "modelProvider"},
        {model, ours, "\"on-request\"", user, WW_("[]", "false"),
            "approval policy"},
        {model, ours, "{\"granular\":{}}", user, WW_("[]", "false"),
            "approval policy"},
        {model, ours, "null", user, WW_("[]", "false"), "approval policy"},
        {model, ours, never, "\"auto_review\"", WW_("[]", "false"),
            "reviewed by"},
        {model, ours, never, "7", WW_("[]", "false"), "reviewed by"},
        {model, ours, never, user, WW_("[\"/\"]", "false"), "writable roots"},
        {model, ours, never, user, WW_("[]", "true"), "network"},
        {model, ours, never, user, "{\"type\":\"dangerFullAccess\"}",
            "dangerFullAccess"},
        {model, ours, never, user, "{\"type\":\"readOnly\"}", "readOnly"},
        {model, ours, never, user, "null", "unknown"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        to_thread();
        thread_answer(&cases[i]);
        expect_end(OUTCOME_POLICY, cases[i].why);
        cr_expect_eq(codex_harness_sent(&h, "turn/start"), 0);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, accepts_a_granular_policy_whatever_its_order)
{
    static char policy[] = "{\"granular\":{\"rules\":true}}";
    h.request.codex.approval_policy = policy;
    to_thread();
    thread_answer(&(struct effective_case){"\"gpt-5.5\"", "\"risoluto\"",
        "{\"granular\":{\"mcp_elicitations\":false,\"rules\":true,"
        "\"request_permissions\":false,\"skill_approval\":false,"
        "\"sandbox_approval\":false}}",
        "\"user\"", WW_("[]", "false"), ""});
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
}

Test(codex_session, a_turn_may_have_a_sandbox_of_its_own)
{
    static char turn[] = "{\"type\":\"workspace-write\","
                         "\"writable_roots\":[\"/srv/cache\"],"
                         "\"network_access\":true}";
    h.request.codex.turn_sandbox_policy = turn;
    running();
    cr_expect_eq(
        codex_harness_sent(&h, "\"sandboxPolicy\":{\"type\":\"workspaceWrite\","
                               "\"writableRoots\":[\"/srv/cache\"],"
                               "\"networkAccess\":true"),
        1);
}

Test(codex_session, checks_the_settings_that_codex_reports_for_a_turn)
{
    running();
    line("{\"method\":\"thread/settings/updated\",\"params\":{\"threadId\":"
         "\"th-1\",\"threadSettings\":{\"model\":\"gpt-5.5\","
         "\"modelProvider\":\"risoluto\",\"approvalPolicy\":\"never\","
         "\"approvalsReviewer\":\"user\",\"sandboxPolicy\":" WW_(
             "[]", "true") "}}}");
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    codex_harness_tick(&h, 2000);
    expect_end(OUTCOME_POLICY, "network");
}

struct alias_case {
    const char *policy;
    const char *sent; /* NULL: refused */
};

Test(codex_session, resolves_aliases_and_refuses_what_is_no_policy)
{
    static const struct alias_case cases[] = {
        {"\"unless-allow-listed\"", "\"approvalPolicy\":\"untrusted\""},
        {"\"on-failure\"", "\"approvalPolicy\":\"on-request\""},
        {"\"always\"", NULL},
        {"7", NULL},
        {"{\"granular\":{\"rules\":1}}", NULL},
        {"{\"granular\":{\"other\":true}}", NULL},
        {"{\"granular\":{},\"rules\":true}", NULL},
        {"nonsense", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *policy = strdup(cases[i].policy);
        struct err err = ERR_INIT;
        struct codex_sink sink = {.send = NULL};
        h.request.codex.approval_policy = policy;
        if (cases[i].sent == NULL) {
            cr_expect_eq(
                codex_session_new(&h.session, &h.request, "/w", &sink, 0, &err),
                -1);
            cr_expect_eq(err.code, ERR_CONFIG, "%s", cases[i].policy);
            continue;
        }
        to_thread();
        cr_expect_eq(codex_harness_sent(&h, cases[i].sent), 1);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, refuses_turn_sandboxes_that_codex_does_not_have)
{
    static const char *const cases[] = {"{}", "[]", "7", "\"open\"",
        "{\"type\":\"readOnly\",\"writableRoots\":[\"/x\"]}",
        "{\"type\":\"workspaceWrite\",\"writableRoots\":[\"x\"]}",
        "{\"type\":\"workspaceWrite\",\"writableRoots\":\"/x\"}",
        "{\"type\":\"workspaceWrite\",\"networkAccess\":\"yes\"}",
        "{\"type\":\"workspaceWrite\",\"excludeSlashTmp\":1}",
        "{\"type\":\"workspaceWrite\",\"extra\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *turn = strdup(cases[i]);
        struct err err = ERR_INIT;
        struct codex_sink sink = {.send = NULL};
        h.request.codex.turn_sandbox_policy = turn;
        cr_expect_eq(
            codex_session_new(&h.session, &h.request, "/w", &sink, 0, &err), -1,
            "%s was accepted", cases[i]);
        cr_expect_eq(err.code, ERR_CONFIG);
    }
}

/* ---- time ---- */

Test(codex_session, startup_has_a_limit)
{
    codex_harness_start(&h);
    cr_expect_eq(codex_session_deadline(h.session), 31000);
    codex_harness_tick(&h, 29999);
    cr_expect_eq(codex_session_phase(h.session), CODEX_WAIT_INIT);
    codex_harness_tick(&h, 1);
    expect_end(OUTCOME_STARTUP_TIMEOUT, "waiting for risoluto-init");
}

Test(codex_session, an_answer_has_a_limit)
{
    codex_harness_start(&h);
    codex_harness_init_lines(&h);
    cr_expect_eq(codex_session_deadline(h.session), 6000);
    codex_harness_tick(&h, 5000);
    expect_end(OUTCOME_READ_TIMEOUT, "initialize");
}

Test(codex_session, an_unanswered_turn_start_is_interrupted)
{
    codex_harness_start(&h);
    codex_harness_to_turn(&h);
    codex_harness_turn_end(&h, "tu-1", "more");
    codex_harness_tick(&h, 5000);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    cr_expect_eq(codex_harness_sent(&h, "turn/interrupt"), 0);
    /* Only now does Codex name it. */
    codex_harness_turn(&h, "tu-2");
    cr_expect_eq(codex_harness_sent(&h, "turn/interrupt"), 1);
    codex_harness_tick(&h, 2000);
    expect_end(OUTCOME_READ_TIMEOUT, "turn/start");
}

Test(codex_session, a_turn_has_a_limit)
{
    h.request.codex.stall_timeout_ms = 0;
    running();
    cr_expect_eq(codex_session_deadline(h.session), 3601000);
    codex_harness_tick(&h, 3600000);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    codex_harness_tick(&h, 2000);
    expect_end(OUTCOME_TURN_TIMEOUT, "turn_timeout_ms");
}

Test(codex_session, silence_has_a_limit)
{
    running();
    codex_harness_tick(&h, 299000);
    line("{\"method\":\"thread/status/changed\",\"params\":{}}");
    codex_harness_tick(&h, 299999);
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
    codex_harness_tick(&h, 1);
    codex_harness_tick(&h, 2000);
    expect_end(OUTCOME_STALLED, "silent");
}

Test(codex_session, silence_while_somebody_decides_is_no_stall)
{
    running();
    h.request.codex.approval_timeout_ms = 600000;
    line("{\"method\":\"item/fileChange/requestApproval\",\"id\":0,"
         "\"params\":{}}");
    codex_harness_tick(&h, 400000);
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
    codex_harness_tick(&h, 200000);
    /* Declined; from here on the silence is Codex's. */
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
    codex_harness_tick(&h, 300000);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
}

/* ---- abort ---- */

static void
abort_now(enum outcome outcome)
{
    struct err err = ERR_INIT;
    cr_assert_eq(
        codex_session_abort(h.session, outcome, "the operator", h.now, &err),
        0);
}

Test(codex_session, abort_interrupts_then_clears_then_ends)
{
    running();
    abort_now(OUTCOME_ABORTED);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    cr_expect_eq(codex_harness_sent(&h, "\"method\":\"turn/interrupt\""), 1);
    line("{\"id\":\"@turn/interrupt\",\"result\":{}}");
    line("{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turn\":{\"id\":\"tu-1\",\"status\":\"interrupted\"}}}");
    cr_expect_eq(codex_harness_sent(&h, "backgroundTerminals/clean"), 1);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    line("{\"id\":\"@thread/backgroundTerminals/clean\",\"result\":{}}");
    expect_end(OUTCOME_ABORTED, "the operator");
}

Test(codex_session, abort_does_not_wait_longer_than_the_drain_time)
{
    running();
    abort_now(OUTCOME_SUPERSEDED);
    codex_harness_tick(&h, 1999);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    codex_harness_tick(&h, 1);
    expect_end(OUTCOME_SUPERSEDED, "the operator");
}

Test(codex_session, abort_without_drain_time_ends_at_once)
{
    h.request.codex.drain_timeout_ms = 0;
    running();
    abort_now(OUTCOME_ABORTED);
    expect_end(OUTCOME_ABORTED, "the operator");
    cr_expect_eq(codex_harness_sent(&h, "turn/interrupt"), 1);
}

Test(codex_session, abort_ends_at_once_where_no_turn_runs)
{
    codex_harness_start(&h);
    abort_now(OUTCOME_ABORTED);
    expect_end(OUTCOME_ABORTED, "the operator");
    abort_now(OUTCOME_SUPERSEDED);
    expect_end(OUTCOME_ABORTED, "the operator");
}

Test(codex_session, the_first_reason_to_end_is_kept)
{
    running();
    abort_now(OUTCOME_ABORTED);
    abort_now(OUTCOME_SUPERSEDED);
    line("{\"method\":\"configWarning\",\"params\":{\"summary\":\"late\"}}");
    codex_harness_turn_end(&h, "tu-1", "RISOLUTO_STATUS: DONE");
    line("{\"id\":\"@thread/backgroundTerminals/clean\",\"error\":{}}");
    expect_end(OUTCOME_ABORTED, "the operator");
}

/* ---- failures ---- */

struct error_case {
    const char *info;
    enum outcome outcome;
};

Test(codex_session, maps_the_models_errors)
{
    static const struct error_case cases[] = {
        {"{\"httpConnectionFailed\":{\"httpStatusCode\":401}}",
            OUTCOME_UNAUTHORIZED},
        {"{\"httpConnectionFailed\":{\"httpStatusCode\":403}}",
            OUTCOME_UNAUTHORIZED},
        {"\"unauthorized\"", OUTCOME_UNAUTHORIZED},
        {"{\"httpConnectionFailed\":{\"httpStatusCode\":429}}",
            OUTCOME_RATE_LIMITED},
        {"{\"responseTooManyFailedAttempts\":{\"httpStatusCode\":null}}",
            OUTCOME_RATE_LIMITED},
        {"{\"responseTooManyFailedAttempts\":{\"httpStatusCode\":503}}",
            OUTCOME_MODEL},
        {"\"usageLimitExceeded\"", OUTCOME_USAGE_LIMIT},
        {"\"contextWindowExceeded\"", OUTCOME_CONTEXT},
        {"\"internalServerError\"", OUTCOME_MODEL},
        {"\"other\"", OUTCOME_MODEL},
        {"null", OUTCOME_MODEL},
        {"{}", OUTCOME_MODEL},
        {"[]", OUTCOME_MODEL},
        {"{\"new\":7}", OUTCOME_MODEL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512];
        running();
        (void)snprintf(text, sizeof(text),
            "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
            "\"turn\":{\"id\":\"tu-1\",\"status\":\"failed\",\"error\":"
            "{\"message\":\"it broke\",\"codexErrorInfo\":%s}}}}",
            cases[i].info);
        line(text);
        expect_end(cases[i].outcome, "it broke");
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, takes_the_reason_from_the_error_before_it)
{
    running();
    line("{\"method\":\"error\",\"params\":{\"threadId\":\"th-1\",\"turnId\":"
         "\"tu-1\",\"willRetry\":true,\"error\":{\"message\":\"again\","
         "\"codexErrorInfo\":\"other\"}}}");
    line("{\"method\":\"error\",\"params\":{\"threadId\":\"th-1\",\"turnId\":"
         "\"tu-1\",\"willRetry\":false,\"error\":{\"message\":\"too long\","
         "\"codexErrorInfo\":\"contextWindowExceeded\"}}}");
    line("{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turn\":{\"id\":\"tu-1\",\"status\":\"failed\"}}}");
    expect_end(OUTCOME_CONTEXT, "too long");
    cr_expect_eq(codex_harness_events(&h, "codex.error {\"message\":\"again\","
                                          "\"will_retry\":true}"),
        1);
}

Test(codex_session, every_config_warning_is_fatal)
{
    static const char warning[] = "{\"method\":\"configWarning\",\"params\":"
                                  "{\"summary\":\"unknown key\"}}";
    codex_harness_start(&h);
    codex_harness_init_lines(&h);
    line(warning);
    expect_end(OUTCOME_CONFIG, "unknown key");
    cr_expect_eq(codex_harness_sent(&h, "account/login"), 0);
    codex_session_free(h.session);
    running();
    line(warning);
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    codex_harness_tick(&h, 2000);
    expect_end(OUTCOME_CONFIG, "unknown key");
}

Test(codex_session, an_untrusted_repositorys_configuration_is_no_concern)
{
    running();
    line("{\"method\":\"configWarning\",\"params\":{\"summary\":"
         "\"Project-local config, hooks, and exec policies are disabled in the "
         "following folders until the project is trusted, but skills still "
         "load.\"}}");
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
    cr_expect_eq(codex_harness_events(&h, "codex.warning"), 1);
}

struct refused_case {
    const char *method;
    enum outcome outcome;
};

Test(codex_session, a_refused_call_ends_the_attempt_with_its_reason)
{
    static const struct refused_case cases[] = {
        {"initialize", OUTCOME_CODEX_PROTOCOL},
        {"account/login/start", OUTCOME_UNAUTHORIZED},
        {"thread/start", OUTCOME_CONFIG},
        {"turn/start", OUTCOME_CONFIG},
    };
    static const char *const answers[] = {
        "{\"id\":\"@initialize\",\"result\":{\"userAgent\":\"codex\"}}",
        "{\"id\":\"@account/login/start\",\"result\":{}}",
        "{\"id\":\"@thread/start\",\"result\":{\"thread\":{\"id\":\"th-1\"},"
        "\"model\":\"gpt-5.5\",\"modelProvider\":\"risoluto\","
        "\"approvalPolicy\":\"never\",\"approvalsReviewer\":\"user\","
        "\"sandbox\":" WW_("[]", "false") "}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256];
        codex_harness_start(&h);
        codex_harness_init_lines(&h);
        for (size_t k = 0; k < i; k++)
            line(answers[k]);
        (void)snprintf(text, sizeof(text),
            "{\"id\":\"@%s\",\"error\":{\"code\":-32600,"
            "\"message\":\"no way\"}}",
            cases[i].method);
        line(text);
        expect_end(cases[i].outcome, "no way");
        codex_session_free(h.session);
        h.session = NULL;
        buf_clear(&h.sent);
    }
}

struct exit_case {
    int64_t exit_code;
    const char *stderr_line;
    enum outcome outcome;
    bool early;
    bool oom;
};

Test(codex_session, tells_why_the_container_ended)
{
    static const struct exit_case cases[] = {
        {125, "", OUTCOME_INTERNAL, true, false},
        {126, "", OUTCOME_SANDBOX, true, false},
        {127, "", OUTCOME_IMAGE, true, false},
        {1, "Error: /c/config.toml:3:1: unknown field `x`", OUTCOME_CONFIG,
            true, false},
        {1, "panicked", OUTCOME_CODEX_EXITED, true, false},
        {137, "", OUTCOME_OOM, true, true},
        {137, "", OUTCOME_CONTAINER_LOST, true, false},
        {0, "", OUTCOME_CODEX_EXITED, false, false},
        {137, "", OUTCOME_OOM, false, true},
        {137, "", OUTCOME_CONTAINER_LOST, false, false},
        {143, "", OUTCOME_CONTAINER_LOST, false, false},
        {126, "", OUTCOME_CODEX_EXITED, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        const char *text = cases[i].stderr_line;
        codex_harness_start(&h);
        if (!cases[i].early)
            codex_harness_to_turn(&h);
        codex_session_stderr(h.session, text, strlen(text));
        cr_expect_eq(codex_session_eof(h.session, cases[i].exit_code,
                         cases[i].oom, h.now, &err),
            0);
        expect_end(cases[i].outcome, cases[i].oom ? "memory" : text);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, an_exit_during_an_abort_is_the_abort)
{
    struct err err = ERR_INIT;
    running();
    abort_now(OUTCOME_ABORTED);
    cr_expect_eq(codex_session_eof(h.session, 143, false, h.now, &err), 0);
    expect_end(OUTCOME_ABORTED, "the operator");
}

Test(codex_session, does_not_run_without_the_proof)
{
    codex_harness_start(&h);
    line("{\"risoluto_init\":\"ready\"}");
    line("{\"risoluto_init\":\"exec\"}");
    expect_end(OUTCOME_SANDBOX, "without a proof");
    cr_expect_eq(h.sent.len, 0);
}

Test(codex_session, a_failed_preflight_says_what_to_do)
{
    static const char bwrap[] = "\033[31mbwrap: no permission\033[0m\n";
    codex_harness_start(&h);
    codex_session_stderr(h.session, bwrap, strlen(bwrap));
    line("{\"risoluto_init\":\"preflight\",\"ok\":false,\"ms\":9,"
         "\"exit_code\":1}");
    expect_end(OUTCOME_SANDBOX, "seccomp");
    cr_expect_not_null(
        strstr(codex_harness_message(&h), " bwrap: no permission"));
}

/* ---- approvals ---- */

static int
respond(const char *request_id, const char *response, enum err_code *code)
{
    struct err err = ERR_INIT;
    int rc =
        codex_session_respond(h.session, request_id, response, h.now, &err);
    *code = err.code;
    return rc;
}

Test(codex_session, every_kind_of_question_is_declined_in_its_own_words)
{
    static const char *const kinds[][2] = {
        {"item/commandExecution/requestApproval", "{\"decision\":\"decline\"}"},
        {"item/fileChange/requestApproval", "{\"decision\":\"decline\"}"},
        {"item/permissions/requestApproval",
            "{\"permissions\":{},\"scope\":\"turn\"}"},
        {"item/tool/requestUserInput", "{\"answers\":{}}"},
        {"mcpServer/elicitation/request", "{\"action\":\"decline\"}"},
        {"execCommandApproval", "denied"},
        {"applyPatchApproval", "denied"},
    };
    h.request.codex.turn_timeout_ms = INT64_MAX;
    running();
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char text[256];
        buf_clear(&h.sent);
        (void)snprintf(text, sizeof(text),
            "{\"method\":\"%s\",\"id\":%zu,\"params\":{}}", kinds[i][0], i);
        line(text);
        cr_expect_eq(h.sent.len, 0, "%s was answered at once", kinds[i][0]);
        codex_harness_tick(&h, h.request.codex.approval_timeout_ms);
        (void)snprintf(text, sizeof(text), "{\"id\":%zu,\"result\":", i);
        cr_expect_eq(codex_harness_sent(&h, text), 1);
        cr_expect_eq(codex_harness_sent(&h, kinds[i][1]), 1, "%s: %s",
            kinds[i][0], buf_str(&h.sent));
    }
    cr_expect_eq(codex_harness_events(&h, "\"by\":\"timeout\""), 7);
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
}

Test(codex_session, passes_the_operators_answer_on_one_line)
{
    enum err_code code = ERR_NONE;
    running();
    line("{\"method\":\"item/commandExecution/requestApproval\",\"id\":\"x7\","
         "\"params\":{\"command\":\"rm -f a\"}}");
    char *id = strdup(codex_harness_request_id(&h));
    buf_clear(&h.sent);
    cr_expect_eq(respond(id, "{\n\"decision\":\n\"accept\"}", &code), 0);
    cr_expect_str_eq(buf_str(&h.sent),
        "{\"id\":\"x7\",\"result\":{\"decision\":\"accept\"}}\n");
    cr_expect_eq(
        codex_harness_events(&h, "\"decision\":\"accept\",\"by\":\"operator\""),
        1);
    cr_expect_eq(respond(id, "{\"decision\":\"accept\"}", &code), -1);
    cr_expect_eq(code, ERR_NOT_FOUND);
    free(id);
}

Test(codex_session, refuses_answers_that_answer_nothing)
{
    enum err_code code = ERR_NONE;
    codex_harness_start(&h);
    cr_expect_eq(respond("a-1", "{}", &code), -1);
    cr_expect_eq(code, ERR_STATE);
    codex_harness_to_turn(&h);
    cr_expect_eq(respond("a-1", "{}", &code), -1);
    cr_expect_eq(code, ERR_NOT_FOUND);
    line("{\"method\":\"item/fileChange/requestApproval\",\"id\":0,"
         "\"params\":{}}");
    cr_expect_eq(
        respond(codex_harness_request_id(&h), "[\"accept\"]", &code), -1);
    cr_expect_eq(code, ERR_INVALID);
    cr_expect_eq(respond(codex_harness_request_id(&h), "{", &code), -1);
    /* Still pending. */
    cr_expect_eq(respond(codex_harness_request_id(&h), "{}", &code), 0);
}

Test(codex_session, two_questions_are_two_approvals)
{
    enum err_code code = ERR_NONE;
    running();
    line("{\"method\":\"item/fileChange/requestApproval\",\"id\":0,"
         "\"params\":{}}");
    char *first = strdup(codex_harness_request_id(&h));
    line("{\"method\":\"item/fileChange/requestApproval\",\"id\":1,"
         "\"params\":{}}");
    cr_expect_str_neq(first, codex_harness_request_id(&h));
    buf_clear(&h.sent);
    cr_expect_eq(respond(first, "{\"decision\":\"accept\"}", &code), 0);
    cr_expect_eq(codex_harness_sent(&h, "{\"id\":0,"), 1);
    cr_expect_eq(codex_harness_sent(&h, "{\"id\":1,"), 0);
    free(first);
}

Test(codex_session, an_operators_cancel_is_an_abort)
{
    enum err_code code = ERR_NONE;
    running();
    line("{\"method\":\"item/fileChange/requestApproval\",\"id\":0,"
         "\"params\":{}}");
    cr_expect_eq(respond(codex_harness_request_id(&h),
                     "{\"decision\":\"cancel\"}", &code),
        0);
    line("{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turn\":{\"id\":\"tu-1\",\"status\":\"interrupted\"}}}");
    expect_end(OUTCOME_ABORTED, "cancelled");
}

Test(codex_session, an_unknown_question_gets_an_error)
{
    running();
    buf_clear(&h.sent);
    line("{\"method\":\"item/tool/call\",\"id\":5,\"params\":{}}");
    cr_expect_eq(
        codex_harness_sent(&h, "{\"id\":5,\"error\":{\"code\":-32601"), 1);
}

Test(codex_session, a_flood_of_questions_is_bounded)
{
    running();
    for (int i = 0; i < 100; i++) {
        char text[128];
        (void)snprintf(text, sizeof(text),
            "{\"method\":\"item/fileChange/requestApproval\",\"id\":%d,"
            "\"params\":{}}",
            i);
        line(text);
    }
    cr_expect_eq(codex_harness_events(&h, "\"by\":\"limit\""), 36);
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
}

/* ---- steering ---- */

Test(codex_session, steers_the_turn_that_runs)
{
    struct err err = ERR_INIT;
    codex_harness_start(&h);
    cr_expect_eq(codex_session_steer(h.session, "left", h.now, &err), -1);
    cr_expect_eq(err.code, ERR_STATE);
    codex_harness_to_turn(&h);
    cr_expect_eq(codex_session_steer(h.session, "left", h.now, &err), 0);
    cr_expect_eq(codex_harness_sent(&h, "\"expectedTurnId\":\"tu-1\""), 1);
    line("{\"id\":\"@turn/steer\",\"error\":{\"message\":\"too late\"}}");
    cr_expect_eq(codex_session_phase(h.session), CODEX_TURN);
    cr_expect_eq(codex_harness_events(&h, "too late"), 1);
}

Test(codex_session, steers_are_bounded_and_leave_room_for_the_interrupt)
{
    struct err err = ERR_INIT;
    int rc = 0;
    running();
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = codex_session_steer(h.session, "left", h.now, &err);
    cr_expect_eq(rc, -1);
    cr_expect_eq(err.code, ERR_BUSY);
    abort_now(OUTCOME_ABORTED);
    cr_expect_eq(codex_harness_sent(&h, "turn/interrupt"), 1);
}

/* ---- events ---- */

static void
delta(const char *item, const char *text)
{
    char buffer[512];
    (void)snprintf(buffer, sizeof(buffer),
        "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":"
        "\"th-1\",\"turnId\":\"tu-1\",\"itemId\":\"%s\",\"delta\":\"%s\"}}",
        item, text);
    line(buffer);
}

Test(codex_session, gathers_deltas_for_a_moment)
{
    running();
    for (int i = 0; i < 50; i++)
        delta("m1", "x");
    cr_expect_eq(codex_harness_events(&h, "item.delta"), 0);
    cr_expect_eq(codex_session_deadline(h.session), h.now + 100);
    codex_harness_tick(&h, 100);
    cr_expect_eq(codex_harness_events(&h, "item.delta"), 1);
    cr_expect_eq(codex_harness_events(
                     &h, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        1);
}

Test(codex_session, keeps_the_order_of_deltas_and_events)
{
    running();
    delta("m1", "a");
    delta("m2", "b");
    line("{\"method\":\"warning\",\"params\":{\"message\":\"w\"}}");
    const char *first = strstr(buf_str(&h.events), "\"text\":\"a\"");
    const char *second = strstr(buf_str(&h.events), "\"text\":\"b\"");
    const char *third = strstr(buf_str(&h.events), "codex.warning");
    cr_assert(first != NULL && second != NULL && third != NULL);
    cr_expect(first < second && second < third);
}

Test(codex_session, cuts_what_is_too_big_and_says_so)
{
    enum { BIG = 1024 * 1024 };

    running();
    static const char head[] =
        "{\"method\":\"item/completed\",\"params\":{\"threadId\":\"th-1\","
        "\"turnId\":\"tu-1\",\"item\":{\"type\":\"commandExecution\","
        "\"id\":\"c\",\"exitCode\":0,\"truncated\":7,"
        "\"aggregatedOutput\":\"";
    AUTO(buf_free) struct buf text = {.max = (size_t)2 * BIG};
    buf_puts(&text, head);
    for (int i = 0; i < BIG; i++)
        buf_putc(&text, 'y');
    buf_puts(&text, "\"}}}");
    struct err err = ERR_INIT;
    buf_clear(&h.events);
    cr_assert_eq(
        codex_session_line(h.session, text.data, text.len, false, h.now, &err),
        0);
    cr_expect_leq(h.events.len, CODEX_EVENT_MAX);
    cr_expect_eq(codex_harness_events(&h, "\"truncated\":true"), 1);
    cr_expect_eq(codex_harness_events(&h, "\"truncated\":7"), 0);
    cr_expect_eq(codex_harness_events(&h, "\"exitCode\":0"), 1);
}

Test(codex_session, keeps_the_key_out_of_events_and_messages)
{
    running();
    line("{\"method\":\"item/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turnId\":\"tu-1\",\"item\":{\"type\":\"agentMessage\",\"id\":\"m\","
         "\"text\":\"it is " HARNESS_KEY "\"}}}");
    codex_harness_turn_end(
        &h, "tu-1", "it is " HARNESS_KEY "\\nRISOLUTO_STATUS: DONE");
    expect_end(OUTCOME_SUCCEEDED, "it is ***");
    cr_expect_eq(codex_harness_events(&h, HARNESS_KEY), 0);
}

Test(codex_session, a_program_may_print_nul_bytes)
{
    running();
    line("{\"method\":\"item/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turnId\":\"tu-1\",\"item\":{\"type\":\"commandExecution\","
         "\"id\":\"c\",\"aggregatedOutput\":\"a\\u0000b\\\\u0000\"}}}");
    cr_expect_eq(codex_harness_events(&h, "a\xef\xbf\xbd"
                                          "b\\\\u0000"),
        1);
}

/* ---- strange lines ---- */

struct strange_case {
    const char *line;
    const char *event; /* what is told; NULL: nothing */
};

Test(codex_session, strange_lines_do_not_disturb_a_turn)
{
    static const struct strange_case cases[] = {
        {"not json", "codex.warning"},
        {"{", "codex.warning"},
        {"[]", "codex.warning"},
        {"7", "codex.warning"},
        {"{}", "codex.warning"},
        {"{\"id\":1}", "codex.warning"},
        {"{\"id\":null,\"method\":\"warning\"}", "codex.warning"},
        {"{\"id\":1.5,\"result\":{}}", "codex.warning"},
        {"{\"id\":1,\"result\":{},\"error\":{}}", "codex.warning"},
        {"{\"method\":7,\"params\":{}}", "codex.warning"},
        {"{\"a\":1,\"a\":2}", "codex.warning"},
        {"\xff\xfe", "codex.warning"},
        {"{\"id\":\"r-other-1\",\"result\":{}}", NULL},
        {"{\"id\":99,\"result\":{}}", NULL},
        {"{\"method\":\"no/such/thing\",\"params\":{}}", NULL},
        {"{\"method\":\"turn/completed\"}", NULL},
        {"{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\"}}",
            NULL},
        {"{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-2\","
         "\"turn\":{\"id\":\"tu-1\",\"status\":\"completed\"}}}",
            NULL},
        {"{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th-1\","
         "\"turn\":{\"id\":\"old\",\"status\":\"completed\"}}}",
            NULL},
        {"{\"method\":\"turn/started\",\"params\":{\"threadId\":\"th-1\","
         "\"turn\":{\"id\":\"other\"}}}",
            NULL},
        {"{\"method\":\"thread/tokenUsage/updated\",\"params\":7}", NULL},
        {"{\"method\":\"account/rateLimits/updated\",\"params\":{}}", NULL},
        {"{\"method\":\"serverRequest/resolved\",\"params\":{\"requestId\":"
         "{}}}",
            NULL},
        {"{\"method\":\"item/completed\"}", "item.completed {\"item\":null}"},
        {"{\"method\":\"error\"}", "codex.error"},
        {"{\"risoluto_init\":\"exec\"}", "codex.warning"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        running();
        buf_clear(&h.events);
        cr_expect_eq(line(cases[i].line), 0);
        cr_expect_eq(
            codex_session_phase(h.session), CODEX_TURN, "%s", cases[i].line);
        if (cases[i].event == NULL)
            cr_expect_eq(h.events.len, 0, "%s", cases[i].line);
        else
            cr_expect_eq(codex_harness_events(&h, cases[i].event), 1, "%s",
                cases[i].line);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, too_many_strange_lines_end_it)
{
    running();
    for (int i = 0; i < 17; i++)
        line("garbage");
    cr_expect_eq(codex_session_phase(h.session), CODEX_INTERRUPT);
    codex_harness_tick(&h, 2000);
    expect_end(OUTCOME_CODEX_PROTOCOL, "not its protocol");
}

Test(codex_session, answers_without_their_substance_are_violations)
{
    codex_harness_start(&h);
    codex_harness_init_lines(&h);
    line("{\"id\":\"@initialize\",\"result\":{}}");
    expect_end(OUTCOME_CODEX_PROTOCOL, "user agent");
    codex_session_free(h.session);
    to_thread();
    line("{\"id\":\"@thread/start\",\"result\":{\"thread\":{\"id\":7}}}");
    expect_end(OUTCOME_CODEX_PROTOCOL, "thread id");
}

struct long_case {
    const char *start;
    const char *sent; /* NULL: nothing */
    enum codex_phase phase;
};

Test(codex_session, a_line_that_is_too_long_is_judged_by_its_start)
{
    static const struct long_case cases[] = {
        {"{\"method\":\"item/completed\",\"params\":{\"item\":", NULL,
            CODEX_TURN},
        {"{\"method\":\"item/commandExecution/requestApproval\",\"id\":3,"
         "\"params\":",
            "{\"id\":3,\"error\":", CODEX_TURN},
        {"{\"method\":\"x\",\"id\":\"q\",\"params\":",
            "{\"id\":\"q\",\"error\":", CODEX_TURN},
        {"{\"method\":\"turn/completed\",\"params\":", "turn/interrupt",
            CODEX_INTERRUPT},
        {"{\"id\":\"r-1\",\"result\":{\"a\":", "turn/interrupt",
            CODEX_INTERRUPT},
        {"garbage", NULL, CODEX_TURN},
        {"{\"method\":\"", NULL, CODEX_TURN},
        {"{\"method\":7,\"id\":", NULL, CODEX_TURN},
        {"{\"id\":", NULL, CODEX_TURN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        running();
        buf_clear(&h.sent);
        cr_expect_eq(codex_session_line(h.session, cases[i].start,
                         strlen(cases[i].start), true, h.now, &err),
            0);
        cr_expect_eq(codex_session_phase(h.session), cases[i].phase, "%s",
            cases[i].start);
        if (cases[i].sent == NULL)
            cr_expect_eq(h.sent.len, 0, "%s", cases[i].start);
        else
            cr_expect_eq(
                codex_harness_sent(&h, cases[i].sent), 1, "%s", cases[i].start);
        codex_session_free(h.session);
        h.session = NULL;
    }
}

Test(codex_session, nothing_but_inits_lines_comes_first)
{
    codex_harness_start(&h);
    line("{\"id\":0,\"method\":\"warning\"}");
    expect_end(OUTCOME_CODEX_PROTOCOL, "entrypoint");
    codex_session_free(h.session);
    codex_harness_start(&h);
    line("{\"risoluto_init\":\"failed\",\"error\":\"no space\"}");
    expect_end(OUTCOME_CODEX_EXITED, "no space");
}

Test(codex_session, a_failed_sink_is_the_callers_to_know)
{
    running();
    h.fail_event = true;
    cr_expect_eq(
        line("{\"method\":\"warning\",\"params\":{\"message\":\"w\"}}"), -1);
    h.fail_event = false;
    h.fail_send = true;
    cr_expect_eq(
        line("{\"method\":\"item/tool/call\",\"id\":5,\"params\":{}}"), -1);
}

Test(codex_session, is_deaf_after_its_end)
{
    struct err err = ERR_INIT;
    running();
    codex_harness_turn_end(&h, "tu-1", "x\\nRISOLUTO_STATUS: DONE");
    size_t sent = h.sent.len;
    size_t events = h.events.len;
    cr_expect_eq(line("{\"method\":\"warning\",\"params\":{}}"), 0);
    cr_expect_eq(codex_harness_tick(&h, 99999999), 0);
    cr_expect_eq(codex_session_eof(h.session, 137, true, h.now, &err), 0);
    cr_expect_eq(h.sent.len, sent);
    cr_expect_eq(h.events.len, events);
    expect_end(OUTCOME_SUCCEEDED, "x");
}
