/* SPDX-License-Identifier: Apache-2.0
 * risoluto issues, issue ..., abort: issues of the embedded tracker. */
#include "control/cli/verb.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "control/cli/client.h"
#include "control/cli/render.h"
#include "control/cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 1024 * 1024, BODY_MAX = 2 * INPUT_MAX, PRIORITY_MAX = 4 };

/* Posts a body to /api/v1/ISSUE<suffix>. */
static int
post(const struct verb_call *call, const char *suffix, const char *body,
    struct json **out, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO_FREE char *path =
        client_path("/api/v1/", call->operands[0], suffix, err);
    if (path == NULL || client_open(&client, call, err) != 0)
        return -1;
    return client_call(client, "POST", path, body, out, err);
}

/* {"name": text}; NULL with err. */
static char *
object_of(const char *name, const char *text, struct err *err)
{
    struct buf body;
    struct jw w;
    buf_init(&body, BODY_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, name, text);
    jw_end_obj(&w);
    if (buf_check(&body, err) != 0) {
        buf_free(&body);
        return NULL;
    }
    return buf_steal(&body);
}

/* text, or what stdin has when it is "-". */
static int
text_or_stdin(const char *text, struct buf *out, struct err *err)
{
    char chunk[4096];
    buf_init(out, INPUT_MAX);
    if (strcmp(text, "-") != 0) {
        buf_puts(out, text);
        return buf_check(out, err);
    }
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot read stdin");
        if (n == 0)
            return buf_check(out, err);
        buf_append(out, chunk, (size_t)n);
    }
}

/* ---- issues ---- */

static const char *state_option;

static int
run_issues(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO_FREE char *path =
        state_option == NULL
            ? strdup("/api/v1/issues")
            : client_path("/api/v1/issues?state=", state_option, "", err);
    if (path == NULL)
        return err->code != ERR_NONE ? -1 : err_no_memory(err);
    if (client_open(&client, call, err) != 0 ||
        client_get(client, path, &root, err) != 0)
        return -1;
    json_each (issue, json_get(root, "issues"))
        render_issue_row(stdout, issue);
    return VERB_DONE;
}

static const struct cli_option issues_options[] = {
    {"state", "STATE", "only issues in this state", &state_option},
};

const struct verb verb_issues = {
    .name = "issues",
    .usage = "[--state STATE]",
    .summary = "list the issues of the embedded tracker",
    .options = issues_options,
    .option_count = ARRAY_LEN(issues_options),
    .remote = true,
    .run = run_issues,
};

/* ---- issue create ---- */

static const char *title_option;
static const char *description_option;
static const char *label_option;
static const char *priority_option;
static const char *create_state_option;

static int
write_new_issue(const struct verb_call *call, struct buf *body, struct err *err)
{
    struct jw w;
    AUTO(buf_free) struct buf description = {0};
    buf_init(body, BODY_MAX);
    jw_init(&w, body);
    jw_obj(&w, NULL);
    jw_str(&w, "title", title_option);
    if (description_option != NULL) {
        if (text_or_stdin(description_option, &description, err) != 0)
            return -1;
        jw_str(&w, "description", buf_str(&description));
    }
    jw_arr(&w, "labels");
    for (size_t i = 0; i < call->repeated_count; i++)
        jw_str(&w, NULL, call->repeated[i]);
    jw_end_arr(&w);
    if (priority_option != NULL) {
        char *end = NULL;
        long priority = strtol(priority_option, &end, 10);
        if (end == priority_option || *end != '\0' || priority < 1 ||
            priority > PRIORITY_MAX)
            return err_set(err, ERR_INVALID,
                "--priority: expected 1 (urgent) to %d", (int)PRIORITY_MAX);
        jw_int(&w, "priority", priority);
    }
    if (create_state_option != NULL)
        jw_str(&w, "state", create_state_option);
    jw_end_obj(&w);
    return buf_check(body, err);
}

static int
run_create(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO(buf_free) struct buf body = {0};
    if (title_option == NULL || title_option[0] == '\0')
        return err_set(err, ERR_INVALID, "an issue needs a --title");
    if (write_new_issue(call, &body, err) != 0 ||
        client_open(&client, call, err) != 0 ||
        client_call(
            client, "POST", "/api/v1/issues", buf_str(&body), &root, err) != 0)
        return -1;
    render_issue_row(stdout, json_get(root, "issue"));
    return VERB_DONE;
}

static const struct cli_option create_options[] = {
    {"title", "TEXT", "one line; required", &title_option},
    {"description", "TEXT", "what to do; - reads stdin", &description_option},
    {"label", "NAME", "may be repeated", &label_option},
    {"priority", "N", "1 (urgent) to 4 (low)", &priority_option},
    {"state", "STATE", "the state it begins in", &create_state_option},
};

const struct verb verb_issue_create = {
    .name = "issue create",
    .usage = "--title TEXT [--description TEXT|-] [--label NAME ..] "
             "[--priority N]",
    .summary = "file an issue in the embedded tracker",
    .options = create_options,
    .option_count = ARRAY_LEN(create_options),
    .repeatable = "label",
    .remote = true,
    .run = run_create,
};

/* ---- issue show ---- */

static void
print_issue(const struct json *issue)
{
    (void)printf("issue      ");
    render_member(stdout, issue, "identifier");
    (void)printf("\ntitle      ");
    render_member(stdout, issue, "title");
    (void)printf("\nstate      ");
    render_member(stdout, issue, "state");
    (void)printf("\npriority   ");
    render_member(stdout, issue, "priority");
    (void)printf("\nlabels     ");
    bool first = true;
    json_each (label, json_get(issue, "labels")) {
        (void)fputs(first ? "" : ", ", stdout);
        text_line(stdout, json_str(label, ""));
        first = false;
    }
    (void)printf("%s\nupdated    ", first ? "-" : "");
    render_member(stdout, issue, "updated_at");
    (void)printf("\n");
    const char *description = json_str(json_get(issue, "description"), "");
    if (description[0] != '\0') {
        (void)printf("\n");
        text_block(stdout, description, "  ");
    }
}

static int
run_show(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO_FREE char *path = client_path("/api/v1/", call->operands[0], "", err);
    if (path == NULL || client_open(&client, call, err) != 0 ||
        client_get(client, path, &root, err) != 0)
        return -1;
    print_issue(json_get(root, "issue"));
    json_each (comment, json_get(root, "comments")) {
        (void)printf("\ncomment    ");
        render_member(stdout, comment, "author");
        (void)printf(", ");
        render_member(stdout, comment, "at");
        (void)printf("\n");
        text_block(stdout, json_str(json_get(comment, "body"), ""), "  ");
    }
    if (json_len(json_get(root, "attempts")) > 0)
        (void)printf("\nattempts\n");
    json_each (attempt, json_get(root, "attempts"))
        render_attempt_row(stdout, attempt);
    return VERB_DONE;
}

const struct verb verb_issue_show = {
    .name = "issue show",
    .usage = "ISSUE",
    .summary = "an issue with its comments and attempts",
    .min_operands = 1,
    .max_operands = 1,
    .remote = true,
    .run = run_show,
};

/* ---- issue move, issue comment, abort ---- */

static int
run_move(const struct verb_call *call, struct err *err)
{
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO_FREE char *body = object_of("state", call->operands[1], err);
    if (body == NULL || post(call, "/transition", body, &root, err) != 0)
        return -1;
    text_line(stdout, call->operands[0]);
    (void)printf(" is in ");
    text_line(stdout, json_str(json_get(root, "to"), call->operands[1]));
    (void)printf("\n");
    return VERB_DONE;
}

const struct verb verb_issue_move = {
    .name = "issue move",
    .usage = "ISSUE STATE",
    .summary = "move an issue to another state",
    .min_operands = 2,
    .max_operands = 2,
    .remote = true,
    .run = run_move,
};

static int
run_comment(const struct verb_call *call, struct err *err)
{
    AUTO(buf_free) struct buf text = {0};
    if (text_or_stdin(call->operands[1], &text, err) != 0)
        return -1;
    AUTO_FREE char *body = object_of("body", buf_str(&text), err);
    if (body == NULL || post(call, "/comments", body, NULL, err) != 0)
        return -1;
    (void)printf("commented on ");
    text_line(stdout, call->operands[0]);
    (void)printf("\n");
    return VERB_DONE;
}

const struct verb verb_issue_comment = {
    .name = "issue comment",
    .usage = "ISSUE TEXT|-",
    .summary = "comment on an issue",
    .min_operands = 2,
    .max_operands = 2,
    .remote = true,
    .run = run_comment,
};

static int
run_abort(const struct verb_call *call, struct err *err)
{
    if (post(call, "/abort", NULL, NULL, err) != 0)
        return -1;
    (void)printf("the attempt at ");
    text_line(stdout, call->operands[0]);
    (void)printf(" is being stopped\n");
    return VERB_DONE;
}

const struct verb verb_abort = {
    .name = "abort",
    .usage = "ISSUE",
    .summary = "stop the running attempt of an issue",
    .min_operands = 1,
    .max_operands = 1,
    .remote = true,
    .run = run_abort,
};
