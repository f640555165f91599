/* SPDX-License-Identifier: Apache-2.0
 * The session against the real Codex, and that against the rehearsal model. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "tests/fakes/lib/model_server.h"
#include "tests/support/codex_process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 60000, SOON_MS = 15000 };

static struct codex_process p;
static struct model_server *model;
static struct secret *key;

static void
setup(void)
{
    const char *missing = codex_process_missing();
    if (missing != NULL)
        cr_skip("%s", missing);
    codex_process_init(&p);
}

static void
teardown(void)
{
    if (p.dir[0] != '\0')
        codex_process_free(&p);
    model_server_stop(model);
    secret_free(key);
}

TestSuite(codex, .init = setup, .fini = teardown, .timeout = 120);

/* Starts both; the prompt is a whole issue. The model takes only our key. */
static void
start(char *prompt)
{
    struct err err = ERR_INIT;
    key = secret_new(HARNESS_KEY, strlen(HARNESS_KEY));
    struct model_options options = {.bind = "127.0.0.1", .key = key};
    cr_assert_eq(
        model_server_start(&model, &options, &err), 0, "%s", err.message);
    p.h.request.prompt = prompt;
    codex_process_start(&p, model_server_port(model));
}

static void
expect_end(enum outcome outcome, const char *message)
{
    (void)codex_process_run(&p, NULL, LONG_MS);
    cr_expect_eq(codex_session_phase(p.h.session), CODEX_DONE);
    cr_expect_str_eq(outcome_name(codex_harness_outcome(&p.h)),
        outcome_name(outcome), "%s", codex_harness_message(&p.h));
    cr_expect_not_null(strstr(codex_harness_message(&p.h), message),
        "\"%s\" lacks \"%s\"", codex_harness_message(&p.h), message);
}

static void
expect_file(const char *name, const char *content)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = file_join(p.workspace, name);
    AUTO(buf_free) struct buf text = {.max = 65536};
    cr_assert_eq(file_read(path, &text, &err), 0, "%s", err.message);
    cr_expect_str_eq(buf_str(&text), content);
}

static bool
has_event(const char *text)
{
    return codex_harness_events(&p.h, text) > 0;
}

Test(codex, turns_an_issue_into_a_change)
{
    char prompt[] = "Title: Greet\n\nDescription:\nWrite a greeting.\n\n"
                    "file: docs/HELLO.md\n```\nHello, \"reader\".\n\n+ 1\n```\n"
                    "file: b.txt\n```\n$HOME\n```\n";
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "docs/HELLO.md");
    expect_file("docs/HELLO.md", "Hello, \"reader\".\n\n+ 1\n");
    expect_file("b.txt", "$HOME\n");
    cr_expect(has_event("codex.ready {\"user_agent\":\"risoluto/"));
    cr_expect(has_event("thread.started"));
    cr_expect(has_event("turn.started"));
    cr_expect(has_event("\"type\":\"commandExecution\""));
    cr_expect(has_event("\"type\":\"fileChange\""));
    cr_expect(has_event("\"kind\":\"agent_message\""));
    cr_expect(has_event("usage.updated {\"input_tokens\":"));
    cr_expect(has_event("\"status\":\"completed\",\"turn\":1"));
    cr_expect_not(has_event(HARNESS_KEY));
    cr_expect_not(has_event("codex.warning"), "%s", buf_str(&p.h.events));
}

Test(codex, does_not_obey_the_repositorys_own_configuration)
{
    static const char own[] = "approval_policy = \"on-request\"\n"
                              "model = \"another\"\n";
    struct err err = ERR_INIT;
    AUTO_FREE char *folder = file_join(p.workspace, ".codex");
    AUTO_FREE char *path = file_join(folder, "config.toml");
    char prompt[] = "Title: Greet\n";
    cr_assert_eq(file_make_dirs(folder, 0755, &err), 0);
    cr_assert_eq(file_write_atomic(path, own, strlen(own), 0644, &err), 0);
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "REHEARSAL.md");
}

Test(codex, leaves_no_credential_in_its_home)
{
    AUTO_FREE char *path = file_join(p.dir, "home/auth.json");
    char prompt[] = "Title: Greet\n";
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "REHEARSAL.md");
    cr_expect_neq(access(path, F_OK), 0, "the key is on disk");
}

Test(codex, the_preflight_proves_the_sandbox)
{
    static const char *const args[] = {
        "sandbox", "-P", ":workspace", "--", "true", NULL};
    char prompt[] = "Title: Greet\n";
    AUTO(buf_free) struct buf out = {.max = 65536};
    start(prompt);
    cr_expect_eq(codex_process_command(&p, args, &out), 0, "%s", buf_str(&out));
    expect_end(OUTCOME_SUCCEEDED, "");
}

struct failure {
    const char *wish;
    enum outcome outcome;
    const char *message;
};

static void
expect_failure(const struct failure *failure)
{
    char prompt[256];
    (void)snprintf(prompt, sizeof(prompt), "Title: Fail\n\nrehearsal: %s\n",
        failure->wish);
    start(prompt);
    expect_end(failure->outcome, failure->message);
    cr_expect(has_event("codex.error"));
}

Test(codex, a_401_is_the_credentials_fault)
{
    expect_failure(
        &(struct failure){"status=401", OUTCOME_UNAUTHORIZED, "401"});
}

Test(codex, a_429_is_a_rate_limit)
{
    expect_failure(
        &(struct failure){"status=429", OUTCOME_RATE_LIMITED, "429"});
}

Test(codex, a_500_is_the_models_fault)
{
    expect_failure(&(struct failure){"status=500", OUTCOME_MODEL, ""});
}

Test(codex, a_cut_stream_is_the_models_fault)
{
    expect_failure(&(struct failure){"hangup", OUTCOME_MODEL, "stream"});
}

Test(codex, a_used_up_account_is_a_usage_limit)
{
    expect_failure(
        &(struct failure){"usage-limit", OUTCOME_USAGE_LIMIT, "usage limit"});
}

Test(codex, a_long_conversation_is_the_context_window)
{
    expect_failure(&(struct failure){"context", OUTCOME_CONTEXT, "context"});
}

Test(codex, a_wrong_key_is_refused)
{
    static const char wrong[] = "sk-another-key-altogether";
    char prompt[] = "Title: Greet\n";
    secret_free(p.h.request.codex.api_key);
    p.h.request.codex.api_key = secret_new(wrong, strlen(wrong));
    start(prompt);
    expect_end(OUTCOME_UNAUTHORIZED, "401");
}

Test(codex, nobody_at_the_models_address_is_the_models_fault)
{
    char prompt[] = "Title: Greet\n";
    p.h.request.prompt = prompt;
    codex_process_start(&p, 9);
    expect_end(OUTCOME_MODEL, "");
}

Test(codex, blocked_is_an_end_of_its_own)
{
    char prompt[] = "Title: Greet\nrehearsal: blocked\n";
    start(prompt);
    expect_end(OUTCOME_BLOCKED, "need a person");
}

Test(codex, turns_go_on_until_they_are_used_up)
{
    char prompt[] = "Title: Greet\nrehearsal: never-done\n";
    p.h.request.max_turns = 2;
    start(prompt);
    expect_end(OUTCOME_TURNS_EXHAUSTED, "2 turns");
    cr_expect_eq(codex_harness_events(&p.h, "turn.completed"), 2);
}

Test(codex, abort_stops_a_running_command)
{
    struct err err = ERR_INIT;
    char prompt[] = "Title: Wait\nrehearsal: sleep=61\n";
    start(prompt);
    cr_assert(codex_process_run(&p, "sleep 61", SOON_MS));
    cr_assert_eq(codex_session_abort(p.h.session, OUTCOME_ABORTED, "stop it",
                     clock_mono_ms(), &err),
        0);
    int64_t before = clock_mono_ms();
    expect_end(OUTCOME_ABORTED, "stop it");
    cr_expect_lt(clock_mono_ms() - before, 2500);
    cr_expect(has_event("\"status\":\"interrupted\""));
    cr_expect_eq(codex_harness_sent(&p.h, "backgroundTerminals/clean"), 1);
}

Test(codex, silence_of_the_model_is_a_stall)
{
    char prompt[] = "Title: Wait\nrehearsal: silent\n";
    p.h.request.codex.stall_timeout_ms = 1500;
    start(prompt);
    expect_end(OUTCOME_STALLED, "silent");
}

Test(codex, a_turn_has_a_limit)
{
    char prompt[] = "Title: Wait\nrehearsal: hang\n";
    p.h.request.codex.turn_timeout_ms = 2000;
    start(prompt);
    expect_end(OUTCOME_TURN_TIMEOUT, "2000 ms");
}

Test(codex, a_slow_stream_of_single_bytes_is_no_stall)
{
    char prompt[] = "Title: Slow\nrehearsal: slow=5\n";
    p.h.request.codex.stall_timeout_ms = 1500;
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "rehearsal");
    /* Some hundred bytes, but not as many events. */
    cr_expect_lt(codex_harness_events(&p.h, "item.delta"), 60);
}

Test(codex, a_big_message_is_cut_and_kept)
{
    char prompt[] = "Title: Big\nrehearsal: big=600\n";
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "");
    cr_expect(has_event("\"truncated\":true"));
}

Test(codex, the_sandbox_holds)
{
    AUTO_FREE char *prompt = NULL;
    AUTO_FREE char *outside = file_join(p.dir, "outside.txt");
    cr_assert_gt(asprintf(&prompt,
                     "Title: Break out\nrehearsal: outside=%s\n"
                     "rehearsal: network=127.0.0.1:9\n",
                     outside),
        0);
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "");
    cr_expect_neq(access(outside, F_OK), 0);
    cr_expect(has_event("OUTSIDE REFUSED"));
    cr_expect(has_event("NETWORK CLOSED"));
}

static void
answer(const char *response)
{
    struct err err = ERR_INIT;
    cr_assert(codex_process_run(&p, "approval.requested", SOON_MS), "%s",
        buf_str(&p.h.events));
    cr_assert_eq(
        codex_session_respond(p.h.session, codex_harness_request_id(&p.h),
            response, clock_mono_ms(), &err),
        0, "%s", err.message);
}

static char on_request[] = "\"on-request\"";

Test(codex, an_approved_command_runs)
{
    char prompt[] = "Title: Ask\nrehearsal: escalate\n";
    p.h.request.codex.approval_policy = on_request;
    start(prompt);
    answer("{\"decision\":\"accept\"}");
    expect_end(OUTCOME_SUCCEEDED, "");
    cr_expect(has_event("\"decision\":\"accept\",\"by\":\"operator\""));
    cr_expect(has_event("uid="));
}

Test(codex, a_declined_command_does_not_run)
{
    char prompt[] = "Title: Ask\nrehearsal: escalate\n";
    p.h.request.codex.approval_policy = on_request;
    start(prompt);
    answer("{\"decision\":\"decline\"}");
    expect_end(OUTCOME_SUCCEEDED, "");
    cr_expect(has_event("\"status\":\"declined\""));
    cr_expect_not(has_event("uid="));
}

Test(codex, an_unanswered_question_is_declined)
{
    char prompt[] = "Title: Ask\nrehearsal: escalate\n";
    p.h.request.codex.approval_policy = on_request;
    p.h.request.codex.approval_timeout_ms = 500;
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "");
    cr_expect(has_event("\"decision\":\"decline\",\"by\":\"timeout\""));
}

Test(codex, a_cancelled_question_ends_the_attempt)
{
    char prompt[] = "Title: Ask\nrehearsal: escalate\n";
    p.h.request.codex.approval_policy = on_request;
    start(prompt);
    answer("{\"decision\":\"cancel\"}");
    expect_end(OUTCOME_ABORTED, "cancelled");
}

Test(codex, two_commands_at_a_time_are_two_questions)
{
    static char untrusted[] = "\"unless-allow-listed\"";
    char prompt[] = "Title: Ask\nrehearsal: parallel\n";
    p.h.request.codex.approval_policy = untrusted;
    p.h.request.codex.approval_timeout_ms = 500;
    start(prompt);
    (void)codex_process_run(&p, NULL, LONG_MS);
    cr_expect_geq(codex_harness_events(&p.h, "approval.requested"), 3);
    cr_expect_eq(codex_session_phase(p.h.session), CODEX_DONE);
}

Test(codex, a_turn_can_be_steered)
{
    struct err err = ERR_INIT;
    char prompt[] = "Title: Wait\nrehearsal: sleep=2\n";
    start(prompt);
    cr_assert(codex_process_run(&p, "sleep 2", SOON_MS));
    cr_assert_eq(codex_session_steer(
                     p.h.session, "Mind the margins.", clock_mono_ms(), &err),
        0);
    expect_end(OUTCOME_SUCCEEDED, "");
    cr_expect(has_event("Mind the margins."));
}

Test(codex, a_turns_own_sandbox_is_in_effect)
{
    static char turn[] = "{\"type\":\"readOnly\"}";
    char prompt[] = "Title: Look only\n";
    p.h.request.codex.turn_sandbox_policy = turn;
    start(prompt);
    expect_end(OUTCOME_BLOCKED, "could not write");
}

Test(codex, without_the_inner_sandbox_it_runs_too)
{
    static char full[] = "danger-full-access";
    char prompt[] = "Title: Greet\n";
    p.h.request.codex.thread_sandbox = full;
    start(prompt);
    expect_end(OUTCOME_SUCCEEDED, "");
}

Test(codex, a_configuration_that_codex_does_not_know_is_refused)
{
    char prompt[] = "Title: Greet\n";
    p.config_extra = "no_such_key = true\n";
    start(prompt);
    expect_end(OUTCOME_CONFIG, "no_such_key");
}

Test(codex, a_killed_codex_is_noticed)
{
    char prompt[] = "Title: Wait\nrehearsal: hang\n";
    start(prompt);
    cr_assert(codex_process_run(&p, "turn.started", SOON_MS));
    cr_assert_eq(kill(p.pid, SIGKILL), 0);
    expect_end(OUTCOME_CONTAINER_LOST, "running a turn");
}
