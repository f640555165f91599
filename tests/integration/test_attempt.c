/* SPDX-License-Identifier: Apache-2.0
 * Whole attempts through the supervisor: the real engine, the real Codex, a
 * scripted model. However one ends, its end is true and nothing is left. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/id.h"
#include "common/json.h"
#include "dataplane/attempt/supervisor.h"
#include "dataplane/docker/seccomp.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE "risoluto-codex:latest"
#define API_KEY "sk-attempt-test-not-a-real-key"

enum {
    ATTEMPT_MS = 90000,
    SOON_MS = 20000,
    STOP_MS = 5000,
    JSON_MAX = 1024 * 1024,
    EVENTS = 500,
    PATH_SIZE = 512
};

static struct planes planes; /* its folder, network and model only */
static struct journal *journal;
static struct docker *docker;
static struct workspace_root root;
static struct supervisor *supervisor;
static struct err err;
static int64_t journal_limit;
static char model_url[128];
static char attempt_id[ID_SIZE];
static char key[64];
static int64_t fence;

/* ---- the parts under test ---- */

static void
start_supervisor(void)
{
    const struct supervisor_deps deps = {.journal = journal,
        .docker = docker,
        .root = &root,
        .default_network = planes.network,
        .seccomp_json = seccomp_profile_json,
        .capacity = 1};

    cr_assert_eq(
        supervisor_start(&supervisor, &deps, &err), 0, "%s", err.message);
}

static void
start_parts(void)
{
    AUTO_FREE char *data = file_join(planes.dir, "dataplane");
    AUTO_FREE char *workspaces = file_join(planes.dir, "workspaces");

    cr_assert_eq(journal_open(&journal, data, journal_limit, &err), 0, "%s",
        err.message);
    cr_assert_eq(
        workspace_root_open(&root, workspaces, &err), 0, "%s", err.message);
    cr_assert_eq(docker_open(&docker, "/var/run/docker.sock", &err), 0);
    start_supervisor();
}

static void
begin(void)
{
    const char *missing = harness_docker_missing(IMAGE);

    if (missing != NULL)
        cr_skip("%s", missing);
    planes = (struct planes){0};
    planes_prepare(&planes);
    planes_start_model(&planes);
    (void)snprintf(model_url, sizeof(model_url), "http://%s:%d/v1",
        planes.gateway, planes.model_port);
    id_new(attempt_id);
    (void)snprintf(key, sizeof(key), "t-%s", id_short(attempt_id));
    fence = 1;
    start_parts();
}

static size_t
count_containers(void)
{
    struct docker_container *list = NULL;
    char label[128];
    size_t count = 0;

    (void)snprintf(
        label, sizeof(label), "risoluto.dataplane=%s", journal_id(journal));
    cr_assert_eq(
        docker_list(docker, label, &list, &count, &err), 0, "%s", err.message);
    free(list);
    return count;
}

static void
end(void)
{
    char volume[WORKER_NAME_SIZE];

    if (planes.dir[0] == '\0')
        return;
    if (supervisor != NULL)
        cr_expect(supervisor_stop(supervisor, ATTEMPT_MS));
    cr_expect_eq(count_containers(), 0, "containers are left");
    worker_home_volume(journal_id(journal), key, volume);
    (void)docker_volume_remove(docker, volume, &err);
    docker_close(docker);
    workspace_root_close(&root);
    journal_close(journal);
    planes_stop(&planes);
}

TestSuite(attempt, .init = begin, .fini = end, .timeout = 180);

/* ---- dispatches ---- */

struct wish {
    const char *text; /* of the issue */
    const char *image;
    const char *memory;
    const char *network;
    const char *after_create;
    const char *before_run;
    const char *after_run;
    int64_t hook_ms;
};

static void
write_workspace(struct jw *w, const struct wish *wish)
{
    jw_obj(w, "workspace");
    jw_str(w, "key", key);
    jw_str(w, "branch", "risoluto/T-1");
    jw_str(w, "commit_author", "Risoluto <risoluto@localhost>");
    jw_str(w, "commit_message", "T-1: test");
    jw_obj(w, "hooks");
    jw_str(w, "after_create", wish->after_create);
    jw_str(w, "before_run", wish->before_run);
    jw_str(w, "after_run", wish->after_run);
    jw_int(w, "timeout_ms", wish->hook_ms > 0 ? wish->hook_ms : 30000);
    jw_end_obj(w);
    jw_end_obj(w);
}

static void
write_codex(struct jw *w)
{
    jw_obj(w, "codex");
    jw_str(w, "model", "gpt-5.5");
    jw_obj(w, "provider");
    jw_str(w, "id", "rehearsal");
    jw_str(w, "base_url", model_url);
    jw_end_obj(w);
    jw_str(w, "api_key", API_KEY);
    jw_str(w, "approval_policy", "never");
    jw_str(w, "thread_sandbox", "workspace-write");
    jw_int(w, "startup_timeout_ms", 60000);
    jw_int(w, "read_timeout_ms", 30000);
    jw_int(w, "turn_timeout_ms", 60000);
    jw_int(w, "stall_timeout_ms", 60000);
    jw_int(w, "drain_timeout_ms", 3000);
    jw_int(w, "approval_timeout_ms", 60000);
    jw_end_obj(w);
}

static void
write_sandbox(struct jw *w, const struct wish *wish)
{
    jw_obj(w, "sandbox");
    jw_str(w, "image", wish->image != NULL ? wish->image : IMAGE);
    jw_str(w, "network", wish->network);
    jw_str(w, "memory", wish->memory != NULL ? wish->memory : "1g");
    jw_str(w, "memory_swap", wish->memory != NULL ? wish->memory : "1g");
    jw_str(w, "tmpfs_size", "128m");
    jw_int(w, "pids_limit", 512);
    jw_bool(w, "no_new_privileges", true);
    jw_bool(w, "drop_capabilities", true);
    jw_end_obj(w);
}

static void
make_request(const struct wish *wish, struct dispatch_request *out)
{
    AUTO(buf_free) struct buf text;
    struct json *json;
    struct jw w;

    buf_init_secret(&text, JSON_MAX);
    jw_init(&w, &text);
    jw_obj(&w, NULL);
    jw_str(&w, "attempt_id", attempt_id);
    jw_int(&w, "fence", fence);
    jw_int(&w, "attempt_number", 1);
    jw_int(&w, "lease_ms", 600000);
    jw_int(&w, "max_turns", 3);
    jw_obj(&w, "issue");
    jw_str(&w, "id", key);
    jw_str(&w, "identifier", "T-1");
    jw_str(&w, "title", "Test");
    jw_end_obj(&w);
    jw_str(&w, "prompt", wish->text);
    jw_str(&w, "continuation_prompt", "Go on.");
    write_workspace(&w, wish);
    write_codex(&w);
    write_sandbox(&w, wish);
    jw_end_obj(&w);
    json = json_parse(text.data, text.len, JSON_MAX, &err);
    cr_assert_not_null(json, "%s", err.message);
    cr_assert_eq(schema_decode(&dispatch_request_schema, json, out, &err), 0,
        "%s", err.message);
    json_free(json);
}

/* *accepted as the reply says; the result of the call. */
static int
dispatch(const struct wish *wish, bool *accepted)
{
    struct dispatch_request request;
    struct dispatch_reply reply = {0};
    int result;

    make_request(wish, &request);
    err_clear(&err);
    result = supervisor_dispatch(supervisor, &request, &reply, &err);
    *accepted = result == 0 && reply.accepted;
    schema_release(&dispatch_reply_schema, &reply);
    schema_release(&dispatch_request_schema, &request);
    return result;
}

static void
must_dispatch(const struct wish *wish)
{
    bool accepted;

    cr_assert_eq(dispatch(wish, &accepted), 0, "%s", err.message);
    cr_assert(accepted);
}

/* ---- what became of it ---- */

static struct events_reply events; /* all of them; nothing is acknowledged */

static void
read_events(void)
{
    char id[ID_SIZE];
    const struct events_request request = {
        .journal_id = id, .max_events = EVENTS};

    schema_release(&events_reply_schema, &events);
    (void)snprintf(id, sizeof(id), "%s", journal_id(journal));
    cr_assert_eq(
        journal_events(journal, &request, &events, &err), 0, "%s", err.message);
}

static const struct event_message *
find_event(const char *type)
{
    const struct event_message *list = events.events.items;

    for (size_t i = 0; i < events.events.len; i++)
        if (strcmp(list[i].type, type) == 0)
            return &list[i];
    return NULL;
}

/* "" when there is no such event. */
static const char *
data_of(const char *type)
{
    const struct event_message *event = find_event(type);

    return event != NULL ? event->data : "";
}

static bool
has_event(void *type)
{
    read_events();
    return find_event(type) != NULL;
}

static bool
wait_for(const char *type, int64_t ms)
{
    char copy[64];

    (void)snprintf(copy, sizeof(copy), "%s", type);
    return harness_until(has_event, copy, ms);
}

static void
print_events(void)
{
    const struct event_message *list = events.events.items;

    for (size_t i = 0; i < events.events.len; i++)
        (void)fprintf(stderr, "%lld %s %.200s\n", (long long)list[i].seq,
            list[i].type, list[i].data);
}

static void
expect_end(const char *outcome)
{
    char expected[128];
    const struct event_message *list;

    cr_assert(wait_for("attempt.ended", ATTEMPT_MS));
    list = events.events.items;
    (void)snprintf(expected, sizeof(expected), "{\"outcome\":\"%s\"", outcome);
    if (strncmp(data_of("attempt.ended"), expected, strlen(expected)) != 0)
        print_events();
    cr_expect(
        strncmp(data_of("attempt.ended"), expected, strlen(expected)) == 0,
        "expected %s: %s", outcome, data_of("attempt.ended"));
    for (size_t i = 0; i < events.events.len; i++)
        cr_expect_eq(list[i].seq, (int64_t)i + 1);
    cr_expect_str_eq(list[events.events.len - 1].type, "attempt.ended",
        "the end is the last one");
    cr_expect_eq(count_containers(), 0, "containers are left at the end");
}

static void
expect_order(const char *const *types, size_t count)
{
    const struct event_message *list = events.events.items;
    size_t at = 0;

    for (size_t i = 0; i < events.events.len && at < count; i++)
        if (strcmp(list[i].type, types[at]) == 0)
            at++;
    if (at < count)
        print_events();
    cr_expect_eq(
        at, count, "no %s where it belongs", at < count ? types[at] : "");
}

static bool
is_in_workspace(const char *name)
{
    char path[PATH_SIZE];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", root.path, key, name);
    return lstat(path, &st) == 0;
}

static bool
file_holds(const char *name, const char *text)
{
    char path[PATH_SIZE];
    AUTO(buf_free) struct buf content;

    buf_init(&content, (size_t)64 * 1024 * 1024);
    (void)snprintf(path, sizeof(path), "%s/dataplane/%s", planes.dir, name);
    return file_read(path, &content, &err) == 0 &&
           memmem(content.data, content.len, text, strlen(text)) != NULL;
}

static int
abort_attempt(int64_t with_fence, bool *done)
{
    char outcome[] = "aborted";
    char reason[] = "the test says so";
    const struct abort_request request = {.attempt_id = attempt_id,
        .fence = with_fence,
        .outcome = outcome,
        .reason = reason};
    struct ack_reply reply = {0};
    int result = supervisor_abort(supervisor, &request, &reply, &err);

    *done = reply.done;
    return result;
}

static const struct wish greeting = {
    .text = "Write a greeting.\n\nfile: HELLO.md\n```\nHello.\n```\n"};
static const struct wish slow = {
    .text = "Take your time.\nrehearsal: sleep=60"};

/* ---- the good end ---- */

Test(attempt, ends_well_with_every_step_told_in_order)
{
    static const char *const steps[] = {"attempt.accepted",
        "workspace.preparing", "workspace.ready", "hook.completed",
        "hook.completed", "container.creating", "container.created",
        "container.started", "sandbox.proved", "codex.ready", "thread.started",
        "turn.started", "turn.completed", "container.stopped",
        "change.committed", "container.removed", "attempt.ended"};
    struct wish wish = greeting;

    wish.after_create = "touch made";
    wish.before_run = "test -f made && touch begun";
    wish.after_run = "touch over; exit 1"; /* which is ignored */
    must_dispatch(&wish);
    expect_end("succeeded");
    expect_order(steps, ARRAY_LEN(steps));
    cr_expect_not_null(strstr(data_of("change.committed"), "+Hello."), "%s",
        data_of("change.committed"));
    cr_expect_not_null(find_event("hook.failed"), "after_run's is told");
    cr_expect(is_in_workspace("HELLO.md"));
    cr_expect(is_in_workspace("over"));
    cr_expect_not(file_holds("journal.db", API_KEY));
    cr_expect_not(file_holds("journal.db-wal", API_KEY));
}

static bool
both_ended(void *arg)
{
    const struct event_message *list;
    size_t ended = 0;

    (void)arg;
    read_events();
    list = events.events.items;
    for (size_t i = 0; i < events.events.len; i++)
        ended += strcmp(list[i].type, "attempt.ended") == 0;
    return ended == 2;
}

Test(attempt, a_second_attempt_goes_on_in_the_same_workspace)
{
    const struct event_message *list;
    struct wish wish = greeting;
    bool accepted = true;

    wish.after_create = "echo once >>made";
    must_dispatch(&wish);
    expect_end("succeeded");
    cr_expect_eq(dispatch(&wish, &accepted), 0, "%s", err.message);
    cr_expect_not(accepted, "the same attempt is not run again");
    id_new(attempt_id);
    fence = 2;
    wish.before_run = "test $(wc -l <made) = 1 && test -f HELLO.md";
    must_dispatch(&wish);
    cr_assert(harness_until(both_ended, NULL, ATTEMPT_MS));
    list = events.events.items;
    cr_expect_not_null(strstr(list[events.events.len - 1].data, "succeeded"),
        "%s", list[events.events.len - 1].data);
}

/* ---- stopped from outside ---- */

Test(attempt, an_abort_interrupts_the_turn_and_removes_the_worker)
{
    bool done = false;
    int64_t begun;

    must_dispatch(&slow);
    cr_assert(wait_for("turn.started", ATTEMPT_MS));
    cr_expect_eq(abort_attempt(fence + 1, &done), -1);
    cr_expect_eq(err.code, ERR_STALE_FENCE);
    begun = clock_mono_ms();
    cr_expect_eq(abort_attempt(fence, &done), 0);
    cr_expect(done);
    cr_expect_eq(abort_attempt(fence, &done), 0);
    cr_expect_not(done, "it is ending already");
    expect_end("aborted");
    cr_expect_lt(clock_mono_ms() - begun, SOON_MS);
}

Test(attempt, an_abort_in_a_hook_ends_it_too)
{
    struct wish wish = greeting;
    bool done;

    wish.before_run = "sleep 1000";
    must_dispatch(&wish);
    cr_assert(wait_for("workspace.ready", ATTEMPT_MS));
    cr_expect_eq(abort_attempt(fence, &done), 0);
    expect_end("aborted");
    cr_expect_null(find_event("container.created"));
}

Test(attempt, a_killed_worker_is_told_as_lost)
{
    must_dispatch(&slow);
    cr_assert(wait_for("turn.started", ATTEMPT_MS));
    {
        char name[128];
        const char *const kill[] = {"kill", name, NULL};

        (void)snprintf(
            name, sizeof(name), "risoluto-%s-%s", key, id_short(attempt_id));
        cr_assert_eq(harness_docker(NULL, kill), 0);
    }
    expect_end("container_lost");
    cr_expect_not_null(find_event("container.stopped"));
}

Test(attempt, a_removed_worker_is_told_as_lost)
{
    must_dispatch(&slow);
    cr_assert(wait_for("turn.started", ATTEMPT_MS));
    {
        char name[128];
        const char *const remove[] = {"rm", "-f", name, NULL};

        (void)snprintf(
            name, sizeof(name), "risoluto-%s-%s", key, id_short(attempt_id));
        cr_assert_eq(harness_docker(NULL, remove), 0);
    }
    expect_end("container_lost");
}

Test(attempt, the_data_planes_end_is_quick_and_true)
{
    int64_t begun;

    must_dispatch(&slow);
    cr_assert(wait_for("turn.started", ATTEMPT_MS));
    begun = clock_mono_ms();
    cr_expect(supervisor_stop(supervisor, STOP_MS));
    supervisor = NULL;
    cr_expect_lt(clock_mono_ms() - begun, STOP_MS);
    expect_end("dataplane_restarted");
}

/* ---- calls ---- */

Test(attempt, calls_that_fit_nothing_are_refused)
{
    char request_id[] = "no-such";
    char response[] = "{\"decision\":\"accept\"}";
    const struct respond_request respond = {.attempt_id = attempt_id,
        .fence = fence,
        .request_id = request_id,
        .response = response};
    struct ack_reply reply = {0};
    bool accepted = true;
    bool done;

    cr_expect_eq(supervisor_respond(supervisor, &respond, &reply, &err), -1);
    cr_expect_eq(err.code, ERR_NOT_FOUND, "unknown attempt");
    must_dispatch(&slow);
    cr_assert(wait_for("turn.started", ATTEMPT_MS));
    cr_expect_eq(supervisor_respond(supervisor, &respond, &reply, &err), -1);
    cr_expect_eq(err.code, ERR_NOT_FOUND, "unknown approval: %s", err.message);
    cr_expect_eq(dispatch(&slow, &accepted), 0);
    cr_expect_not(accepted, "the same attempt twice is one attempt");
    cr_expect_eq(abort_attempt(fence, &done), 0);
    expect_end("aborted");
    cr_expect_eq(supervisor_respond(supervisor, &respond, &reply, &err), -1);
    cr_expect_eq(err.code, ERR_STATE);
}

Test(attempt, a_full_or_draining_host_takes_no_more)
{
    char id[ID_SIZE];
    bool accepted;
    bool done;

    must_dispatch(&slow);
    memcpy(id, attempt_id, sizeof(id));
    id_new(attempt_id);
    cr_expect_eq(dispatch(&greeting, &accepted), -1);
    cr_expect_eq(err.code, ERR_BUSY, "%s", err.message);
    memcpy(attempt_id, id, sizeof(id));
    cr_expect_eq(abort_attempt(fence, &done), 0);
    expect_end("aborted");
    supervisor_drain(supervisor, true);
    id_new(attempt_id);
    fence = 2;
    cr_expect_eq(dispatch(&greeting, &accepted), -1);
    cr_expect_eq(err.code, ERR_UNAVAILABLE);
}

/* ---- bad input ---- */

Test(attempt, an_image_that_is_not_there_is_named)
{
    struct wish wish = greeting;

    wish.image = "risoluto-no-such-image:latest";
    must_dispatch(&wish);
    expect_end("image_missing");
    cr_expect_not_null(
        strstr(data_of("attempt.ended"), "risoluto-no-such-image:latest"));
    cr_expect_not(is_in_workspace("."));
}

Test(attempt, a_network_that_is_not_there_refuses_the_dispatch)
{
    struct wish wish = greeting;
    bool accepted;

    wish.network = "risoluto-no-such-network";
    cr_expect_eq(dispatch(&wish, &accepted), -1);
    cr_expect_eq(err.code, ERR_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "risoluto-no-such-network"));
    read_events();
    cr_expect_eq(events.events.len, 0);
}

Test(attempt, a_failing_after_create_takes_the_workspace_with_it)
{
    struct wish wish = greeting;

    wish.after_create = "echo no such thing >&2; exit 4";
    must_dispatch(&wish);
    expect_end("hook_failed");
    cr_expect_not_null(strstr(data_of("attempt.ended"), "no such thing"), "%s",
        data_of("attempt.ended"));
    cr_expect_not(is_in_workspace("."));
}

Test(attempt, a_before_run_that_hangs_fails_the_attempt)
{
    struct wish wish = greeting;

    wish.before_run = "sleep 1000";
    wish.hook_ms = 500;
    must_dispatch(&wish);
    expect_end("hook_failed");
    cr_expect_not_null(strstr(data_of("attempt.ended"), "hooks.timeout_ms"));
    cr_expect(is_in_workspace("."));
}

Test(attempt, a_model_that_refuses_the_key_is_told_so)
{
    const struct wish wish = {.text = "Work.\nrehearsal: status=401"};

    must_dispatch(&wish);
    expect_end("model_unauthorized");
    cr_expect_null(strstr(data_of("attempt.ended"), API_KEY));
}

Test(attempt, a_worker_without_memory_is_told_as_such)
{
    struct wish wish = greeting;

    wish.memory = "24m";
    must_dispatch(&wish);
    expect_end("container_oom");
}

Test(attempt, a_codex_that_dies_at_start_is_told_with_its_words)
{
    char dockerfile[PATH_SIZE + 16];
    char tag[128];
    char context[PATH_SIZE];
    const char *const build[] = {
        "build", "-q", "--network", "none", "-t", tag, context, NULL};
    const char *const remove[] = {"rmi", "-f", tag, NULL};
    static const char text[] =
        "FROM " IMAGE "\n"
        "USER root\n"
        "RUN rm /usr/local/bin/codex && printf '#!/bin/sh\\n[ $1 = sandbox ] "
        "&& exit 0\\necho dead on arrival >&2\\nexit 7\\n' "
        ">/usr/local/bin/codex && chmod 755 /usr/local/bin/codex\n";
    struct wish wish = greeting;

    (void)snprintf(context, sizeof(context), "%s/context", planes.dir);
    (void)snprintf(dockerfile, sizeof(dockerfile), "%s/Dockerfile", context);
    (void)snprintf(tag, sizeof(tag), "%s:latest", planes.network);
    cr_assert_eq(mkdir(context, 0700), 0);
    cr_assert_eq(
        file_write_atomic(dockerfile, text, strlen(text), 0600, &err), 0);
    cr_assert_eq(harness_docker(NULL, build), 0);
    wish.image = tag;
    must_dispatch(&wish);
    expect_end("codex_exited");
    cr_expect_not_null(strstr(data_of("attempt.ended"), "dead on arrival"),
        "%s", data_of("attempt.ended"));
    (void)harness_docker(NULL, remove);
}

/* ---- the journal and restarts ---- */

Test(attempt, a_full_journal_ends_the_attempt)
{
    cr_expect(supervisor_stop(supervisor, SOON_MS));
    docker_close(docker);
    workspace_root_close(&root);
    journal_close(journal);
    journal_limit = 1500; /* enough to begin */
    start_parts();
    must_dispatch(&greeting);
    expect_end("journal_failed");
}

Test(attempt, a_start_clears_up_after_an_earlier_process)
{
    char ours[128];
    char foreign[] = "risoluto.dataplane=someone-elses";
    char name[128];
    const char *const run_ours[] = {"run", "-d", "--label", ours, "--label",
        "risoluto.attempt=x", "--network", planes.network, "--entrypoint",
        "sleep", IMAGE, "1000", NULL};
    const char *const run_foreign[] = {"run", "-d", "--name", name, "--label",
        foreign, "--label", "risoluto.attempt=x", "--network", planes.network,
        "--entrypoint", "sleep", IMAGE, "1000", NULL};
    const char *const remove[] = {"rm", "-f", name, NULL};
    struct dispatch_request request;
    bool known;

    cr_expect(supervisor_stop(supervisor, SOON_MS));
    supervisor = NULL;
    make_request(&greeting, &request);
    cr_assert_eq(journal_accept(journal, &request, &known, &err), 0);
    schema_release(&dispatch_request_schema, &request);
    (void)snprintf(
        ours, sizeof(ours), "risoluto.dataplane=%s", journal_id(journal));
    (void)snprintf(name, sizeof(name), "%s-foreign", planes.network);
    cr_assert_eq(harness_docker(NULL, run_ours), 0);
    cr_assert_eq(harness_docker(NULL, run_foreign), 0);
    start_supervisor();
    expect_end("dataplane_restarted");
    cr_expect_eq(harness_docker(NULL, remove), 0, "the other one's is there");
}
