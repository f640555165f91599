/* SPDX-License-Identifier: Apache-2.0
 * Events as lines for people. */
#include "control/cli/render.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json *
must_parse(const char *text)
{
    struct err err = ERR_INIT;
    struct json *root = json_parse(text, strlen(text), 65536, &err);
    cr_assert_not_null(root, "%s: %s", err.message, text);
    return root;
}

Test(render, events_say_what_happened)
{
    static const struct {
        const char *type;
        const char *data;
        const char *wanted;
    } cases[] = {
        {"issue.claimed", "{\"number\":2,\"model\":\"m\",\"host\":\"h\"}",
            "issue.claimed        attempt 2, m, for h"},
        {"container.started", "{}", "container.started"},
        {"sandbox.proved", "{\"ms\":42}", "sandbox.proved       in 42 ms"},
        {"hook.completed", "{\"hook\":\"after_create\",\"ms\":2500}",
            "hook.completed       after_create in 2.5s"},
        {"hook.failed", "{\"hook\":\"before_run\",\"message\":\"exit 3\"}",
            "hook.failed          before_run, exit 3"},
        {"thread.started",
            "{\"model\":\"m\",\"sandbox\":{\"type\":\"workspaceWrite\"},"
            "\"approval_policy\":\"never\"}",
            "thread.started       m, sandbox workspaceWrite, approvals never"},
        {"turn.completed", "{\"turn\":1,\"status\":\"completed\"}",
            "turn.completed       turn 1, completed"},
        {"item.completed",
            "{\"item\":{\"type\":\"commandExecution\",\"command\":\"ls\","
            "\"exitCode\":1}}",
            "item.completed       $ ls  -> exit 1"},
        {"item.completed",
            "{\"item\":{\"type\":\"fileChange\",\"changes\":[{\"path\":\"a\","
            "\"kind\":{\"type\":\"add\"}},{\"path\":\"b\"}]}}",
            "item.completed       add a, change b"},
        {"item.completed",
            "{\"item\":{\"type\":\"agentMessage\",\"text\":\"a\\nb\\u001b\"}}",
            "item.completed       says: a b\\x1b"},
        {"change.committed",
            "{\"commit\":\"0123456789abcdef\",\"branch\":\"r/X\",\"files\":2,"
            "\"insertions\":3,\"deletions\":1}",
            "change.committed     2 files, +3 -1, 0123456789ab on r/X"},
        {"change.committed", "{\"commit\":\"\\u001b[2J\"}",
            "change.committed     0 files, +0 -0, -"},
        {"container.stopped", "{\"exit_code\":137,\"oom_killed\":true}",
            "container.stopped    exit 137, out of memory"},
        {"attempt.ended", "{\"outcome\":\"stalled\",\"message\":\"silence\"}",
            "attempt.ended        stalled: silence"},
        {"retry.scheduled", "{\"number\":3,\"continuation\":true}",
            "retry.scheduled      goes on as attempt 3"},
        {"made.up", "{\"message\":\"x\",\"reason\":\"y\"}",
            "made.up              x, y"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&got, &len);
        struct json *data = must_parse(cases[i].data);
        render_event(out, cases[i].type, data);
        (void)fclose(out);
        cr_expect_str_eq(got, cases[i].wanted, "\"%s\"", got);
        json_free(data);
        free(got);
    }
}

Test(render, events_without_their_fields_do_no_harm)
{
    static const char *const types[] = {"issue.claimed", "workspace.ready",
        "hook.completed", "thread.started", "turn.started", "item.completed",
        "change.committed", "container.stopped", "attempt.ended",
        "retry.scheduled", "", "x"};
    static const char *const texts[] = {
        "{}", "[]", "null", "{\"item\":1,\"commit\":2,\"ms\":\"x\"}"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            char *got = NULL;
            size_t len = 0;
            FILE *out = open_memstream(&got, &len);
            struct json *data = must_parse(texts[j]);
            (void)render_is_shown(types[i], data);
            render_event(out, types[i], data);
            (void)fclose(out);
            cr_expect_eq(strncmp(got, types[i], strlen(types[i])), 0);
            json_free(data);
            free(got);
        }
    }
}

Test(render, noise_is_not_shown)
{
    static const struct {
        const char *type;
        const char *data;
        bool shown;
    } cases[] = {
        {"item.delta", "{}", false},
        {"usage.updated", "{}", false},
        {"item.started", "{\"item\":{\"type\":\"agentMessage\"}}", false},
        {"item.started", "{\"item\":{\"type\":\"commandExecution\"}}", true},
        {"item.completed", "{\"item\":{\"type\":\"reasoning\"}}", false},
        {"item.completed", "{\"item\":{\"type\":\"agentMessage\"}}", true},
        {"made.up", "{}", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *data = must_parse(cases[i].data);
        cr_expect_eq(render_is_shown(cases[i].type, data), cases[i].shown,
            "%s %s", cases[i].type, cases[i].data);
        json_free(data);
    }
}
