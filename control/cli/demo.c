/* SPDX-License-Identifier: Apache-2.0
 * risoluto demo: files an issue and follows it to its end, for somebody who
 * sees the system for the first time. */
#include "control/cli/verb.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "control/cli/client.h"
#include "control/cli/render.h"
#include "control/cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TIMEOUT_DEFAULT_S = 900,
    TIMEOUT_MAX_S = 86400,
    BODY_MAX = 1024 * 1024,
    AFTERMATH_MS = 5000, /* for the comment and the new state of the issue */
    QUIET_MS = 20000     /* then we look why nothing happens */
};

static const char default_title[] = "Add a script that counts words";
static const char default_description[] =
    "Add an executable shell script that reads text on standard input and "
    "prints how often each word occurs, the most frequent first.\n"
    "Check it with a sentence or two. A first draft:\n"
    "\n"
    "file: wordcount.sh\n"
    "```sh\n"
    "#!/bin/sh\n"
    "# Counts the words on standard input, the most frequent first.\n"
    "tr -cs '[:alnum:]' '\\n' | tr '[:upper:]' '[:lower:]' | sed '/^$/d' |\n"
    "    sort | uniq -c | sort -k1,1nr -k2\n"
    "```\n";

static const char *title_option;
static const char *description_option;
static const char *timeout_option;

/* What is known of the run so far. */
struct demo {
    const struct verb_call *call;
    struct client *client;
    struct client_stream stream;
    int64_t started_ms;
    int64_t ended_ms; /* of the attempt; 0: not yet */
    int64_t heard_ms; /* the last event of our issue, or our last word */
    bool tty;
    bool colour;
    bool drawn; /* there is a live line to be erased */
    unsigned frame;
    char issue[64];
    char attempt[64];
    char activity[64]; /* the last event's type */
    char outcome[64];
    bool committed;
    bool commented;
    bool retrying;
    bool moved;
    struct json *change; /* change.committed's data */
    struct json *usage;  /* the last usage.updated's data */
    char container[128];
    char workspace[512];
};

/* ---- the terminal ---- */

static void
erase(struct demo *demo)
{
    if (demo->drawn)
        (void)fputs("\r\033[K", stdout);
    demo->drawn = false;
}

static void
draw(struct demo *demo)
{
    static const char frames[] = "|/-\\";
    char elapsed[TEXT_ELAPSED_SIZE];
    char count[TEXT_COUNT_SIZE];
    if (!demo->tty)
        return;
    erase(demo);
    (void)printf("%c %8s  ", frames[demo->frame++ % 4],
        text_elapsed(clock_mono_ms() - demo->started_ms, elapsed));
    text_short(stdout, demo->activity, 60);
    int64_t tokens = json_int(json_get(demo->usage, "total_tokens"), 0);
    if (tokens > 0)
        (void)printf(", %s tokens", text_count(tokens, count));
    (void)fflush(stdout);
    demo->drawn = true;
}

static void
say_elapsed(struct demo *demo)
{
    char elapsed[TEXT_ELAPSED_SIZE];
    erase(demo);
    (void)printf(
        "  %8s  ", text_elapsed(clock_mono_ms() - demo->started_ms, elapsed));
}

static void
heading(const struct demo *demo, const char *text)
{
    (void)printf("\n%s%s%s\n", demo->colour ? "\033[1m" : "", text,
        demo->colour ? "\033[0m" : "");
}

/* ---- events ---- */

static void
keep_text(char *out, size_t size, const struct json *object, const char *name)
{
    const char *text = json_str(json_get(object, name), NULL);
    if (text != NULL)
        (void)snprintf(out, size, "%s", text);
}

/* A tree of its own, since the event goes. */
static void
keep_node(struct json **out, const struct json *node)
{
    struct err ignored = ERR_INIT; /* then the summary lacks it */
    struct jw w;
    AUTO(buf_free) struct buf text = {0};
    buf_init(&text, SSE_EVENT_MAX);
    jw_init(&w, &text);
    jw_node(&w, NULL, node);
    struct json *copy =
        json_parse(buf_str(&text), text.len, SSE_EVENT_MAX, &ignored);
    if (copy == NULL)
        return;
    json_free(*out);
    *out = copy;
}

/* What the end brings about is waited for, but not for long. */
static void
note_end(struct demo *demo)
{
    demo->ended_ms = clock_mono_ms();
    if (demo->ended_ms + AFTERMATH_MS < demo->stream.deadline_ms)
        demo->stream.deadline_ms = demo->ended_ms + AFTERMATH_MS;
}

static void
learn(struct demo *demo, const char *type, const struct json *root)
{
    const struct json *data = json_get(root, "data");
    keep_text(demo->attempt, sizeof(demo->attempt), root, "attempt_id");
    (void)snprintf(demo->activity, sizeof(demo->activity), "%s", type);
    if (strcmp(type, "usage.updated") == 0) {
        keep_node(&demo->usage, data);
    } else if (strcmp(type, "container.created") == 0) {
        keep_text(demo->container, sizeof(demo->container), data, "container");
    } else if (strcmp(type, "workspace.ready") == 0) {
        keep_text(demo->workspace, sizeof(demo->workspace), data, "path");
    } else if (strcmp(type, "change.committed") == 0) {
        keep_node(&demo->change, data);
        demo->committed = true;
    } else if (strcmp(type, "attempt.ended") == 0) {
        keep_text(demo->outcome, sizeof(demo->outcome), data, "outcome");
        /* An attempt out of turns is continued by another one. */
        if (strcmp(demo->outcome, "turns_exhausted") != 0)
            note_end(demo);
    } else if (strcmp(type, "retry.scheduled") == 0) {
        demo->retrying = true;
    } else if (strcmp(type, "comment.posted") == 0) {
        demo->commented = true;
    } else if (strcmp(type, "issue.transitioned") == 0) {
        demo->moved = true;
    }
}

static bool
is_over(const struct demo *demo)
{
    if (demo->ended_ms == 0)
        return false;
    if (strcmp(demo->outcome, "succeeded") == 0)
        return demo->commented && demo->moved;
    return demo->commented || demo->retrying;
}

static int
on_event(void *arg, const struct sse_event *event)
{
    struct demo *demo = arg;
    struct err ignored = ERR_INIT; /* such an event has no line */
    AUTO(json_free_ptr)
    struct json *root =
        json_parse(event->data, strlen(event->data), SSE_EVENT_MAX, &ignored);
    const char *issue = json_str(json_get(root, "issue_identifier"), "");
    if (root == NULL || strcmp(issue, demo->issue) != 0)
        return 0;
    demo->heard_ms = clock_mono_ms();
    learn(demo, event->type, root);
    if (render_is_shown(event->type, json_get(root, "data"))) {
        say_elapsed(demo);
        render_event(stdout, event->type, json_get(root, "data"));
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
    }
    return is_over(demo) ? 1 : 0;
}

/* Nothing was heard for a while: the reason may be in the health. Asked by a
 * client of its own, since ours is busy with the stream. */
static void
explain_quiet(struct demo *demo)
{
    struct err ignored = ERR_INIT; /* a lost connection is told elsewhere */
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *state = NULL;
    demo->heard_ms = clock_mono_ms();
    if (client_open(&client, demo->call, &ignored) != 0 ||
        client_get(client, "/api/v1/state", &state, &ignored) != 0)
        return;
    say_elapsed(demo);
    (void)fputs("nothing new; the control plane says: ", stdout);
    render_member(stdout, json_get(state, "system_health"), "message");
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
}

static void
on_tick(void *arg)
{
    struct demo *demo = arg;
    if (demo->ended_ms == 0 && clock_mono_ms() - demo->heard_ms > QUIET_MS)
        explain_quiet(demo);
    draw(demo);
}

static void
on_lost(void *arg, const char *why)
{
    struct demo *demo = arg;
    say_elapsed(demo);
    (void)fputs("connecting again: ", stdout);
    text_line(stdout, why);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
}

/* ---- before ---- */

static int
print_model(struct demo *demo, struct err *err)
{
    AUTO(json_free_ptr) struct json *runtime = NULL;
    if (client_get(demo->client, "/api/v1/runtime", &runtime, err) != 0)
        return -1;
    const char *kind = json_str(json_path(runtime, "tracker.kind"), "local");
    if (strcmp(kind, "local") != 0)
        return err_set(err, ERR_STATE,
            "the demo files its issue in the embedded tracker, and this "
            "control plane uses %.32s: set tracker.kind to local, or file the "
            "issue there and follow it by `risoluto events --follow`",
            kind);
    (void)printf("Model: ");
    render_member(stdout, runtime, "provider_summary");
    (void)printf("\n");
    if (json_bool(json_get(runtime, "rehearsal"), false))
        (void)printf(
            "This is the REHEARSAL model: a script that stands in for a model, "
            "so that\neverything else can be seen at work without an account. "
            "Codex, its sandbox,\nthe container and the change are real. With "
            "OPENAI_API_KEY set it is a real one.\n");
    return 0;
}

/* The newest event there is, so that none of ours is missed. */
static int
newest_event(struct demo *demo, int64_t *out, struct err *err)
{
    AUTO(json_free_ptr) struct json *state = NULL;
    if (client_get(demo->client, "/api/v1/state", &state, err) != 0)
        return -1;
    *out = 0;
    json_each (event, json_get(state, "recent_events")) {
        int64_t id = json_int(json_get(event, "id"), 0);
        *out = id > *out ? id : *out;
    }
    return 0;
}

static int
file_issue(struct demo *demo, struct err *err)
{
    struct jw w;
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO(buf_free) struct buf body = {0};
    bool own = title_option != NULL || description_option != NULL;
    const char *title = title_option != NULL ? title_option : default_title;
    buf_init(&body, BODY_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "title", title);
    if (description_option != NULL || !own)
        jw_str(
            &w, "description", own ? description_option : default_description);
    jw_end_obj(&w);
    if (buf_check(&body, err) != 0 ||
        client_call(demo->client, "POST", "/api/v1/issues", buf_str(&body),
            &root, err) != 0)
        return -1;
    const struct json *issue = json_get(root, "issue");
    keep_text(demo->issue, sizeof(demo->issue), issue, "identifier");
    if (demo->issue[0] == '\0')
        return err_set(err, ERR_UPSTREAM, "the new issue has no identifier");
    (void)printf("Issue: ");
    text_line(stdout, demo->issue);
    (void)printf(", ");
    text_line(stdout, title);
    (void)printf("\n\n");
    (void)fflush(stdout);
    return 0;
}

/* ---- while ---- */

static int
follow(struct demo *demo, int64_t after, int64_t timeout_ms, struct err *err)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "/api/v1/events?after=%" PRId64, after);
    demo->started_ms = clock_mono_ms();
    demo->heard_ms = demo->started_ms;
    demo->stream = (struct client_stream){
        .path = path,
        .deadline_ms = demo->started_ms + timeout_ms,
        .event = on_event,
        .tick = on_tick,
        .lost = on_lost,
        .arg = demo,
    };
    int rc = client_follow(demo->client, &demo->stream, err);
    demo->stream.path = NULL;
    erase(demo);
    if (rc == 0 || demo->ended_ms != 0)
        return 0;
    if (err->code != ERR_TIMEOUT)
        return -1;
    return err_set(err, ERR_TIMEOUT,
        "the time is up; the work goes on: `risoluto issue show %s` tells "
        "more, `risoluto abort %s` stops it",
        demo->issue, demo->issue);
}

/* ---- after ---- */

static void
print_change(const struct demo *demo)
{
    if (!demo->committed) {
        heading(demo, "No change was committed.");
        return;
    }
    heading(demo, "The change");
    text_diff(stdout, json_str(json_get(demo->change, "diff"), ""), "  ",
        demo->colour);
    if (json_bool(json_get(demo->change, "diff_truncated"), false))
        (void)printf("  (the diff goes on; it was cut here)\n");
}

static void
print_next(const struct demo *demo, bool good)
{
    const char *url = client_url(demo->client);
    (void)printf("Look at    %s/  and  %s/api/v1/", url, url);
    text_line(stdout, demo->issue);
    (void)printf("\n           risoluto issue show ");
    text_line(stdout, demo->issue);
    if (demo->attempt[0] != '\0') {
        (void)printf("\n           risoluto attempt ");
        text_line(stdout, demo->attempt);
    }
    (void)printf("\n");
    if (good)
        return;
    if (demo->retrying) {
        (void)printf("Next       it is tried again by itself; risoluto abort ");
        text_line(stdout, demo->issue);
        (void)printf(" stops that\n");
        return;
    }
    (void)printf(
        "Next       see why above; mend it, and move the issue back to an "
        "active state:\n           risoluto issue move ");
    text_line(stdout, demo->issue);
    (void)printf(" Todo\n");
}

static int
print_summary(struct demo *demo)
{
    bool good = demo->committed && strcmp(demo->outcome, "succeeded") == 0;
    const char *colour = good ? "\033[32m" : "\033[31m";
    erase(demo);
    print_change(demo);
    heading(demo, "The result");
    (void)printf("Outcome    %s", demo->colour ? colour : "");
    text_line(stdout, demo->outcome[0] != '\0' ? demo->outcome : "unknown");
    (void)printf("%s\n", demo->colour ? "\033[0m" : "");
    (void)printf("Tokens     ");
    render_tokens(stdout, demo->usage);
    (void)printf("\n");
    if (demo->workspace[0] != '\0') {
        (void)printf("Workspace  ");
        text_line(stdout, demo->workspace);
        (void)printf(" (on the data plane's host)\n");
    }
    print_next(demo, good);
    return good ? VERB_DONE : VERB_FAILED;
}

/* ---- the verb ---- */

static int
parse_timeout(int64_t *out_ms, struct err *err)
{
    char *end = NULL;
    *out_ms = TIMEOUT_DEFAULT_S * INT64_C(1000);
    if (timeout_option == NULL)
        return 0;
    long seconds = strtol(timeout_option, &end, 10);
    if (end == timeout_option || *end != '\0' || seconds < 1 ||
        seconds > TIMEOUT_MAX_S)
        return err_set(err, ERR_INVALID, "--timeout: expected seconds, 1 to %d",
            (int)TIMEOUT_MAX_S);
    *out_ms = seconds * INT64_C(1000);
    return 0;
}

static int
run_with(struct demo *demo, struct err *err)
{
    int64_t timeout_ms = 0;
    int64_t after = 0;
    if (parse_timeout(&timeout_ms, err) != 0 || print_model(demo, err) != 0 ||
        newest_event(demo, &after, err) != 0 || file_issue(demo, err) != 0)
        return -1;
    if (follow(demo, after, timeout_ms, err) != 0)
        return -1;
    return print_summary(demo);
}

static int
run_demo(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    if (client_open(&client, call, err) != 0)
        return -1;
    struct demo demo = {
        .call = call,
        .client = client,
        .tty = isatty(STDOUT_FILENO) != 0,
        .colour = text_is_colourful(stdout),
        .activity = "waiting for the next look at the tracker",
    };
    int rc = run_with(&demo, err);
    json_free(demo.change);
    json_free(demo.usage);
    return rc;
}

static const struct cli_option demo_options[] = {
    {"title", "TEXT", "an issue of your own", &title_option},
    {"description", "TEXT", "what it asks for", &description_option},
    {"timeout", "SECONDS", "how long to follow it (900)", &timeout_option},
};

const struct verb verb_demo = {
    .name = "demo",
    .usage = "[--title TEXT] [--description TEXT] [--timeout SECONDS]",
    .summary = "file an issue and watch it become a finished change",
    .options = demo_options,
    .option_count = ARRAY_LEN(demo_options),
    .remote = true,
    .run = run_demo,
};
