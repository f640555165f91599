/* SPDX-License-Identifier: Apache-2.0
 * From a request to the next step: what was asked, which steps have an output
 * already, what the next one is in terms of the tools on offer. */
#include "tests/fakes/lib/model_plan.h"

#include "common/cleanup.h"
#include "tests/fakes/lib/model_issue.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAY_MAX = 16 * 1024 * 1024, INPUT_MAX = 512 * 1024, STEPS_MAX = 32 };

/* ---- what the conversation says ---- */

struct talk {
    const char *prompt;      /* the first words of the user */
    unsigned next_step;      /* one past the last step that has an output */
    const char *last_output; /* of the latest call */
    bool write_failed;       /* a step of ours did not do its work */
    unsigned polls;
};

static const char *
first_text(const struct json *item)
{
    const struct json *content = json_get(item, "content");
    return json_str(
        content, json_str(json_path(json_first(content), "text"), ""));
}

/* What Codex itself puts into the user's mouth is in tags. */
static bool
is_prompt(const struct json *item)
{
    return strcmp(json_str(json_get(item, "type"), ""), "message") == 0 &&
           strcmp(json_str(json_get(item, "role"), ""), "user") == 0 &&
           first_text(item)[0] != '<';
}

static const char *
output_text(const struct json *item)
{
    const struct json *output = json_get(item, "output");
    const char *text = json_str(output, NULL);
    if (text == NULL)
        text = json_str(json_get(output, "content"), NULL);
    return text != NULL ? text
                        : json_str(json_path(json_first(output), "text"), "");
}

static bool
succeeded(const char *output)
{
    return strstr(output, "Process exited with code 0") != NULL ||
           strstr(output, "Exit code: 0") != NULL;
}

/* "-3-0" at the end of one of our call ids. */
static bool
read_id(const char *id, unsigned *step, unsigned *part)
{
    const char *dash = strchr(id, '-');
    char *end = NULL;
    if (dash == NULL)
        return false;
    unsigned long first = strtoul(dash + 1, &end, 10);
    if (*end != '-' || first >= STEPS_MAX)
        return false;
    unsigned long second = strtoul(end + 1, &end, 10);
    *step = (unsigned)first;
    *part = (unsigned)second;
    return *end == '\0' && second < UINT_MAX;
}

/* Our call ids say which step they are: "step-3-0", "poll-3-1", and "write"
 * in place of "step" where a failure matters. */
static void
read_output(struct talk *talk, const struct json *item)
{
    unsigned step = 0;
    unsigned part = 0;
    const char *id = json_str(json_get(item, "call_id"), "");
    if (!read_id(id, &step, &part))
        return;
    talk->last_output = output_text(item);
    talk->polls = strncmp(id, "poll", 4) == 0 ? part + 1 : 0;
    if (step + 1 > talk->next_step)
        talk->next_step = step + 1;
    if (strncmp(id, "write", 5) == 0 && !succeeded(talk->last_output))
        talk->write_failed = true;
}

static int
read_talk(struct talk *talk, const struct json *request, struct err *err)
{
    const struct json *input = json_get(request, "input");
    *talk = (struct talk){.last_output = ""};
    if (input == NULL || json_type(input) != JSON_ARRAY)
        return err_set(err, ERR_INVALID, "\"input\" must be an array");
    json_each (item, input) {
        if (talk->prompt == NULL && is_prompt(item))
            talk->prompt = first_text(item);
        else if (json_get(item, "output") != NULL)
            read_output(talk, item);
    }
    if (talk->prompt == NULL)
        return err_set(err, ERR_INVALID, "the user has said nothing");
    return 0;
}

/* ---- the tools on offer ---- */

static const struct json *
find_tool(const struct json *request, const char *name)
{
    json_each (tool, json_get(request, "tools")) {
        if (strcmp(json_str(json_get(tool, "name"), ""), name) == 0)
            return tool;
    }
    return NULL;
}

static bool
is_custom(const struct json *tool)
{
    return strcmp(json_str(json_get(tool, "type"), ""), "custom") == 0;
}

static struct model_call *
add_call(struct model_plan *plan, const char *kind, const char *tool)
{
    struct model_call *call = &plan->calls[plan->call_count];
    (void)snprintf(call->id, sizeof(call->id), "%s-%u-%zu", kind, plan->step,
        plan->call_count);
    (void)snprintf(call->name, sizeof(call->name), "%s", tool);
    buf_init(&call->input, INPUT_MAX);
    plan->call_count++;
    return call;
}

/* The classic shell tools of Codex, newest first. */
static const char *
shell_tool(const struct json *request)
{
    static const char *const names[] = {
        "exec_command", "shell_command", "shell"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *tool = find_tool(request, names[i]);
        if (tool != NULL && !is_custom(tool))
            return names[i];
    }
    return NULL;
}

static void
write_command(struct jw *w, const char *tool, const char *command)
{
    if (strcmp(tool, "exec_command") == 0) {
        jw_str(w, "cmd", command);
        jw_int(w, "yield_time_ms", 10000);
    } else if (strcmp(tool, "shell_command") == 0) {
        jw_str(w, "command", command);
    } else {
        jw_arr(w, "command");
        jw_str(w, NULL, "bash");
        jw_str(w, NULL, "-lc");
        jw_str(w, NULL, command);
        jw_end_arr(w);
    }
}

static void
run(struct model_plan *plan, const struct json *request, const char *kind,
    const char *command, bool escalate)
{
    struct jw w;
    const char *tool = shell_tool(request);
    struct model_call *call = add_call(plan, kind, tool);
    jw_init(&w, &call->input);
    jw_obj(&w, NULL);
    write_command(&w, tool, command);
    if (escalate) {
        jw_str(&w, "sandbox_permissions", "require_escalated");
        jw_str(
            &w, "justification", "The rehearsal wants to leave the sandbox.");
    }
    jw_end_obj(&w);
}

/* ---- writing a file ---- */

static void
write_patch(struct buf *out, const struct model_file *file)
{
    buf_printf(out, "*** Begin Patch\n*** Add File: %s\n", file->name);
    for (const char *p = buf_str(&file->content); *p != '\0';) {
        size_t len = strcspn(p, "\n");
        buf_putc(out, '+');
        buf_append(out, p, len);
        buf_putc(out, '\n');
        p += len + (p[len] == '\n' ? 1 : 0);
    }
    buf_puts(out, "*** End Patch");
}

/* The end marker must not occur in the content, whoever wrote that. */
static void
write_heredoc(struct buf *out, const struct model_file *file)
{
    char marker[32] = "REHEARSAL_END";
    for (int i = 0; strstr(buf_str(&file->content), marker) != NULL; i++)
        (void)snprintf(marker, sizeof(marker), "REHEARSAL_END_%d", i);
    buf_printf(out, "mkdir -p \"$(dirname '%s')\" && cat > '%s' <<'%s'\n",
        file->name, file->name, marker);
    buf_append(out, buf_str(&file->content), file->content.len);
    buf_printf(out, "%s\n", marker);
}

static int
write_file(struct model_plan *plan, const struct json *request,
    const struct model_file *file, struct err *err)
{
    const struct json *patch = find_tool(request, "apply_patch");
    buf_printf(&plan->say, "I write `%s`.", file->name);
    if (patch != NULL && is_custom(patch)) {
        struct model_call *call = add_call(plan, "write", "apply_patch");
        call->custom = true;
        write_patch(&call->input, file);
        return buf_check(&call->input, err);
    }
    AUTO(buf_free) struct buf command = {.max = INPUT_MAX};
    write_heredoc(&command, file);
    if (buf_check(&command, err) != 0)
        return -1;
    run(plan, request, "write", buf_str(&command), false);
    return 0;
}

/* ---- the steps ---- */

/* A step before the files are written: what the wishes ask for. */
struct detour {
    char command[WISH_TEXT_MAX + 256];
    bool escalate;
    bool twice;
};

/* Quotes nothing: wishes are the tester's own words. */
static size_t
list_detours(const struct model_wishes *wishes, struct detour out[STEPS_MAX])
{
    size_t n = 0;
    size_t size = sizeof(out[0].command);
    if (wishes->run[0] != '\0')
        (void)snprintf(out[n++].command, size, "%s", wishes->run);
    if (wishes->sleep_s > 0)
        (void)snprintf(
            out[n++].command, size, "sleep %ld; echo slept", wishes->sleep_s);
    if (wishes->outside[0] != '\0')
        (void)snprintf(out[n++].command, size,
            "echo rehearsal > '%s' && echo OUTSIDE WRITTEN || "
            "echo OUTSIDE REFUSED",
            wishes->outside);
    if (wishes->network[0] != '\0')
        (void)snprintf(out[n++].command, size,
            "hp='%s'; timeout 5 bash -c \"exec "
            "3<>/dev/tcp/${hp%%:*}/${hp##*:}\""
            " && echo NETWORK OPEN || echo NETWORK CLOSED",
            wishes->network);
    if (wishes->memory_mb > 0)
        (void)snprintf(out[n++].command, size,
            "head -c %ldM /dev/zero | tail | wc -c", wishes->memory_mb);
    if (wishes->escalate) {
        out[n].escalate = true;
        (void)snprintf(
            out[n++].command, size, "touch /tmp/rehearsal-escalated && id");
    }
    if (wishes->parallel) {
        out[n].twice = true;
        (void)snprintf(out[n++].command, size, "sleep 1; date");
    }
    return n;
}

static void
say_last(struct model_plan *plan, const struct model_issue *issue,
    const struct talk *talk)
{
    const struct model_wishes *wishes = &plan->wishes;
    struct buf *say = &plan->say;
    plan->last = true;
    for (long i = 0; i < wishes->big_kb; i++)
        for (int line = 0; line < 16; line++)
            buf_puts(say, "This line is one of a great many, to fill space."
                          " 1234567890123\n\n");
    if (talk->write_failed) {
        buf_printf(say,
            "I could not write the files of \"%s\": a step failed with this "
            "output:\n\n%.2000s\n\nRISOLUTO_STATUS: BLOCKED",
            issue->title, talk->last_output);
        return;
    }
    buf_printf(say,
        "This is a rehearsal: a scripted stand-in for a model did "
        "the work on \"%s\".\n\nI wrote:\n",
        issue->title);
    for (size_t i = 0; i < issue->file_count; i++)
        buf_printf(say, "- `%s` (%zu bytes)\n", issue->files[i].name,
            issue->files[i].content.len);
    if (wishes->never_done)
        buf_puts(say, "\nThere is more to do.");
    else if (wishes->blocked)
        buf_puts(say, "\nI need a person to decide how to go on.\n\n"
                      "RISOLUTO_STATUS: BLOCKED");
    else
        buf_puts(say, "\nI checked the result with git.\n\n"
                      "RISOLUTO_STATUS: DONE");
}

static void
look_around(struct model_plan *plan, const struct json *request)
{
    buf_puts(&plan->say, "I look at the folder first.");
    run(plan, request, "step",
        "pwd && ls -la && (git log --oneline -5 2>/dev/null || true)", false);
}

static void
check_result(struct model_plan *plan, const struct json *request)
{
    buf_puts(&plan->say, "I check what has changed.");
    run(plan, request, "step", "git status --short 2>/dev/null || ls -la",
        false);
}

/* A command that still runs is asked for its output again. */
static bool
poll_command(struct model_plan *plan, const struct talk *talk)
{
    static const char words[] = "Process running with session ID ";
    const char *found = strstr(talk->last_output, words);
    if (found == NULL || talk->next_step == 0)
        return false;
    char input[128];
    (void)snprintf(input, sizeof(input),
        "{\"session_id\":%ld,\"chars\":\"\",\"yield_time_ms\":30000}",
        strtol(found + strlen(words), NULL, 10));
    struct model_call *call = add_call(plan, "poll", "write_stdin");
    plan->step = talk->next_step - 1;
    (void)snprintf(
        call->id, sizeof(call->id), "poll-%u-%u", plan->step, talk->polls);
    buf_puts(&call->input, input);
    return true;
}

static int
next_step(struct model_plan *plan, const struct json *request,
    const struct model_issue *issue, const struct talk *talk, struct err *err)
{
    struct detour detours[STEPS_MAX] = {0};
    size_t detour_count = list_detours(&plan->wishes, detours);
    size_t step = talk->next_step;
    plan->step = talk->next_step;
    if (poll_command(plan, talk))
        return 0;
    if (step == 0) {
        look_around(plan, request);
    } else if (step <= detour_count) {
        const struct detour *detour = &detours[step - 1];
        run(plan, request, "step", detour->command, detour->escalate);
        if (detour->twice)
            run(plan, request, "step", detour->command, false);
    } else if (step - detour_count <= issue->file_count &&
               !talk->write_failed) {
        return write_file(
            plan, request, &issue->files[step - detour_count - 1], err);
    } else if (step - detour_count == issue->file_count + 1 &&
               !talk->write_failed) {
        check_result(plan, request);
    } else {
        say_last(plan, issue, talk);
    }
    return 0;
}

static int
check_plan(const struct model_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->call_count; i++)
        if (buf_check(&plan->calls[i].input, err) != 0)
            return -1;
    return buf_check(&plan->say, err);
}

static int
make_plan(struct model_plan *out, const struct json *request, struct err *err)
{
    struct talk talk;
    struct model_issue issue;
    if (read_talk(&talk, request, err) != 0)
        return -1;
    model_wishes_in(&out->wishes, talk.prompt);
    if (shell_tool(request) == NULL) {
        out->last = true;
        buf_puts(&out->say,
            "This model only knows the classic shell tools of Codex, and the "
            "request offers none: use the model gpt-5.5.\n\n"
            "RISOLUTO_STATUS: BLOCKED");
        return buf_check(&out->say, err);
    }
    if (model_issue_read(&issue, talk.prompt, err) != 0)
        return -1;
    int rc = next_step(out, request, &issue, &talk, err);
    model_issue_release(&issue);
    return rc == 0 ? check_plan(out, err) : -1;
}

int
model_plan(struct model_plan *out, const struct json *request,
    const struct model_wishes *wishes, struct err *err)
{
    *out = (struct model_plan){.wishes = *wishes};
    buf_init(&out->say, SAY_MAX);
    if (make_plan(out, request, err) == 0)
        return 0;
    model_plan_release(out);
    return -1;
}

void
model_plan_release(struct model_plan *plan)
{
    buf_free(&plan->say);
    for (size_t i = 0; i < plan->call_count; i++)
        buf_free(&plan->calls[i].input);
    plan->call_count = 0;
}
