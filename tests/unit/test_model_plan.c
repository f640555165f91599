/* SPDX-License-Identifier: Apache-2.0
 * The rehearsal model's plan: what it makes of a conversation. */
#include "tests/fakes/lib/model_plan.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SHELL "{\"type\":\"function\",\"name\":\"exec_command\"}"
#define PATCH "{\"type\":\"custom\",\"name\":\"apply_patch\"}"

static struct model_plan plan;

static void
teardown(void)
{
    model_plan_release(&plan);
}

TestSuite(model_plan, .fini = teardown);

/* The plan for a prompt, after outputs (JSON items, each with a comma). */
static void
make(const char *prompt, const char *outputs, const char *tools)
{
    struct err err = ERR_INIT;
    struct model_wishes none = {.status = 0};
    AUTO(buf_free) struct buf text = {.max = 65536};
    struct jw w;
    buf_puts(&text, "{\"input\":[{\"type\":\"message\",\"role\":\"user\","
                    "\"content\":[{\"type\":\"input_text\",\"text\":"
                    "\"<environment_context>\"}]},{\"type\":\"message\","
                    "\"role\":\"user\",\"content\":[{\"text\":");
    jw_init(&w, &text);
    jw_str(&w, NULL, prompt);
    buf_printf(&text, "}]}%s],\"tools\":[%s]}", outputs, tools);
    AUTO(json_free_ptr)
    struct json *request = json_parse(buf_str(&text), text.len, text.len, &err);
    cr_assert_not_null(request, "%s: %s", err.message, buf_str(&text));
    model_plan_release(&plan);
    cr_assert_eq(model_plan(&plan, request, &none, &err), 0, "%s", err.message);
}

static void
expect_call(const char *tool, const char *text)
{
    cr_assert_eq(plan.call_count, 1, "%s", buf_str(&plan.say));
    cr_expect_str_eq(plan.calls[0].name, tool);
    cr_expect_not_null(strstr(buf_str(&plan.calls[0].input), text),
        "%s lacks %s", buf_str(&plan.calls[0].input), text);
}

#define DONE_(id)                                                              \
    ",{\"type\":\"function_call_output\",\"call_id\":\"" id                    \
    "\",\"output\":\"Process exited with code 0\"}"

Test(model_plan, goes_step_by_step)
{
    static const char prompt[] = "Title: T\nfile: a/b.md\n```\nhello\n```\n";
    make(prompt, "", SHELL "," PATCH);
    expect_call("exec_command", "ls -la");
    make(prompt, DONE_("step-0-0"), SHELL "," PATCH);
    expect_call("apply_patch", "*** Add File: a/b.md\n+hello\n*** End");
    make(prompt, DONE_("step-0-0") DONE_("write-1-0"), SHELL "," PATCH);
    expect_call("exec_command", "git status");
    make(prompt, DONE_("step-0-0") DONE_("write-1-0") DONE_("step-2-0"),
        SHELL "," PATCH);
    cr_expect(plan.last);
    cr_expect_not_null(strstr(buf_str(&plan.say), "\n\nRISOLUTO_STATUS: DONE"));
}

Test(model_plan, writes_by_the_shell_where_there_is_no_patch_tool)
{
    make("Title: T\nfile: it.txt\n```\nREHEARSAL_END\n```\n", DONE_("step-0-0"),
        SHELL);
    expect_call("exec_command", "<<'REHEARSAL_END_0'");
}

Test(model_plan, without_a_file_it_writes_what_was_asked)
{
    make("Title: Fix the door\n\nDescription:\nIt squeaks.\n\nHow to work:\n",
        DONE_("step-0-0"), SHELL "," PATCH);
    expect_call("apply_patch",
        "REHEARSAL.md\n+# Fix the door\n+\n+It squeaks.\n*** End Patch");
}

Test(model_plan, stays_in_the_folder)
{
    static const char *const names[] = {
        "/etc/passwd", "../x", "a/../../x", ".git/config", "it's", ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char prompt[128];
        (void)snprintf(prompt, sizeof(prompt), "T\nfile: %s\n", names[i]);
        make(prompt, DONE_("step-0-0"), SHELL "," PATCH);
        expect_call("apply_patch", "Add File: REHEARSAL.md");
    }
}

Test(model_plan, a_failed_write_ends_blocked)
{
    make("T\n",
        DONE_("step-0-0") ",{\"type\":\"custom_tool_call_output\","
                          "\"call_id\":\"write-1-0\","
                          "\"output\":\"patch rejected\"}",
        SHELL "," PATCH);
    cr_expect(plan.last);
    cr_expect_not_null(
        strstr(buf_str(&plan.say), "patch rejected\n\nRISOLUTO_STATUS: BLO"));
}

Test(model_plan, waits_for_a_command_that_still_runs)
{
    make("T\nrehearsal: sleep=60\n",
        DONE_("step-0-0") ",{\"type\":\"function_call_output\","
                          "\"call_id\":\"step-1-0\",\"output\":"
                          "\"Process running with session ID 77\\n\"}",
        SHELL "," PATCH);
    expect_call("write_stdin", "\"session_id\":77");
    cr_expect_str_eq(plan.calls[0].id, "poll-1-0");
}

Test(model_plan, wishes_are_lines_of_the_issue)
{
    make("T\n - Rehearsal: status=429 \nrehearsal: nonsense=1\n"
         "rehearsal: delay=x\nrehearsal: blocked\n",
        "", SHELL);
    cr_expect_eq(plan.wishes.status, 429);
    cr_expect_eq(plan.wishes.delay_ms, 0);
    cr_expect(plan.wishes.blocked);
}

Test(model_plan, says_so_when_it_has_no_tool_it_knows)
{
    make("T\n", "", "{\"type\":\"custom\",\"name\":\"exec\"}");
    cr_expect(plan.last);
    cr_expect_not_null(strstr(buf_str(&plan.say), "gpt-5.5"));
}

Test(model_plan, refuses_what_is_no_request)
{
    static const char *const texts[] = {"{}", "[]", "{\"input\":7}",
        "{\"input\":[]}", "{\"input\":[{\"type\":\"message\"}]}"};
    struct model_wishes none = {.status = 0};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err err = ERR_INIT;
        AUTO(json_free_ptr)
        struct json *request =
            json_parse(texts[i], strlen(texts[i]), 1024, &err);
        cr_expect_eq(model_plan(&plan, request, &none, &err), -1);
        cr_expect_eq(err.code, ERR_INVALID);
    }
}
