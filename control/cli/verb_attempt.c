/* SPDX-License-Identifier: Apache-2.0
 * risoluto attempts, attempt, events: what was done. */
#include "control/cli/verb.h"

#include "common/cleanup.h"
#include "control/cli/client.h"
#include "control/cli/render.h"
#include "control/cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 500, PAGES_MAX = 2000 };

/* ---- attempts ---- */

static int
run_attempts(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO_FREE char *path =
        client_path("/api/v1/", call->operands[0], "/attempts", err);
    if (path == NULL || client_open(&client, call, err) != 0 ||
        client_get(client, path, &root, err) != 0)
        return -1;
    json_each (attempt, json_get(root, "attempts"))
        render_attempt_row(stdout, attempt);
    return VERB_DONE;
}

const struct verb verb_attempts = {
    .name = "attempts",
    .usage = "ISSUE",
    .summary = "the attempts at an issue, newest first",
    .min_operands = 1,
    .max_operands = 1,
    .remote = true,
    .run = run_attempts,
};

/* ---- attempt ---- */

static const char *diff_option;

static void
print_event(const struct json *event)
{
    const char *type = json_str(json_get(event, "type"), "?");
    const struct json *data = json_get(event, "data");
    if (!render_is_shown(type, data))
        return;
    render_member(stdout, event, "at");
    (void)fputs("  ", stdout);
    render_event(stdout, type, data);
    (void)fputc('\n', stdout);
}

static void
print_change(const struct json *event)
{
    if (strcmp(json_str(json_get(event, "type"), ""), "change.committed") != 0)
        return;
    const struct json *data = json_get(event, "data");
    text_diff(stdout, json_str(json_get(data, "diff"), ""), "",
        text_is_colourful(stdout));
    if (json_bool(json_get(data, "diff_truncated"), false))
        (void)printf("(the diff goes on; it was cut here)\n");
}

/* All events of an attempt, page by page. */
static int
each_event(struct client *client, const char *attempt_id,
    void (*print)(const struct json *event), struct err *err)
{
    int64_t after = 0;
    for (int page = 0; page < PAGES_MAX; page++) {
        char suffix[96];
        AUTO(json_free_ptr) struct json *root = NULL;
        (void)snprintf(suffix, sizeof(suffix),
            "/events?after=%" PRId64 "&limit=%d", after, (int)PAGE);
        AUTO_FREE char *path =
            client_path("/api/v1/attempts/", attempt_id, suffix, err);
        if (path == NULL || client_get(client, path, &root, err) != 0)
            return -1;
        const struct json *events = json_get(root, "events");
        json_each (event, events) {
            print(event);
            after = json_int(json_get(event, "id"), after);
        }
        bool more = json_get(root, "more") != NULL
                        ? json_bool(json_get(root, "more"), false)
                        : json_len(events) == PAGE;
        if (!more || json_len(events) == 0)
            return 0;
    }
    return 0;
}

static int
run_attempt(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *root = NULL;
    AUTO_FREE char *path =
        client_path("/api/v1/attempts/", call->operands[0], "", err);
    if (path == NULL || client_open(&client, call, err) != 0 ||
        client_get(client, path, &root, err) != 0)
        return -1;
    if (diff_option == NULL) {
        render_attempt(stdout, json_get(root, "attempt"));
        (void)printf("\n");
    }
    if (each_event(client, call->operands[0],
            diff_option != NULL ? print_change : print_event, err) != 0)
        return -1;
    return VERB_DONE;
}

static const struct cli_option attempt_options[] = {
    {"diff", NULL, "only the change that it made", &diff_option},
};

const struct verb verb_attempt = {
    .name = "attempt",
    .usage = "ID [--diff]",
    .summary = "one attempt with its events, or its change",
    .options = attempt_options,
    .option_count = ARRAY_LEN(attempt_options),
    .min_operands = 1,
    .max_operands = 1,
    .remote = true,
    .run = run_attempt,
};

/* ---- events ---- */

static const char *follow_option;
static const char *after_option;

static int
follow_event(void *arg, const struct sse_event *event)
{
    struct err ignored = ERR_INIT; /* such an event has no line */
    (void)arg;
    AUTO(json_free_ptr)
    struct json *root =
        json_parse(event->data, strlen(event->data), SSE_EVENT_MAX, &ignored);
    if (root == NULL)
        return 0;
    if (render_is_shown(event->type, json_get(root, "data"))) {
        (void)printf("%s  ", event->id);
        render_member(stdout, root, "issue_identifier");
        (void)fputs("  ", stdout);
        print_event(root);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

static void
follow_lost(void *arg, const char *why)
{
    (void)arg;
    (void)fputs("risoluto: connecting again: ", stderr);
    text_line(stderr, why);
    (void)fputc('\n', stderr);
}

static int
follow(struct client *client, struct err *err)
{
    AUTO_FREE char *path =
        after_option == NULL
            ? strdup("/api/v1/events")
            : client_path("/api/v1/events?after=", after_option, "", err);
    if (path == NULL)
        return err->code != ERR_NONE ? -1 : err_no_memory(err);
    struct client_stream stream = {
        .path = path, .event = follow_event, .lost = follow_lost};
    return client_follow(client, &stream, err);
}

static int
run_events(const struct verb_call *call, struct err *err)
{
    AUTO(client_close_ptr) struct client *client = NULL;
    AUTO(json_free_ptr) struct json *state = NULL;
    if (client_open(&client, call, err) != 0)
        return -1;
    if (follow_option != NULL || after_option != NULL)
        return follow(client, err) == 0 ? VERB_DONE : -1;
    if (client_get(client, "/api/v1/state", &state, err) != 0)
        return -1;
    json_each (event, json_get(state, "recent_events")) {
        render_member(stdout, event, "id");
        (void)fputs("  ", stdout);
        render_member(stdout, event, "issue_identifier");
        (void)fputs("  ", stdout);
        render_member(stdout, event, "at");
        (void)fputs("  ", stdout);
        render_member(stdout, event, "event");
        (void)fputs("  ", stdout);
        text_short(stdout, json_str(json_get(event, "message"), ""), 100);
        (void)fputc('\n', stdout);
    }
    return VERB_DONE;
}

static const struct cli_option events_options[] = {
    {"follow", NULL, "go on, with events as they happen", &follow_option},
    {"after", "ID", "follow from behind this event", &after_option},
};

const struct verb verb_events = {
    .name = "events",
    .usage = "[--follow] [--after ID]",
    .summary = "the last events, or those to come",
    .options = events_options,
    .option_count = ARRAY_LEN(events_options),
    .remote = true,
    .run = run_events,
};
