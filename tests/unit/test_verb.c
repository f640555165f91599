/* SPDX-License-Identifier: Apache-2.0
 * The operator's command against a scripted API on loopback: command lines,
 * errors, the token, and the demo with a connection that breaks. */
#include "control/cli/verb.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { TEXT_BYTES_MAX = 1024 * 1024 };

/* ---- the scripted API: one connection after the other ---- */

struct exchange {
    const char *request;  /* how the request must begin */
    const char *holds;    /* what must be in it; NULL: anything */
    const char *response; /* whole; the connection ends with it */
};

struct api {
    int fd;
    int port;
    const struct exchange *script;
    size_t count;
    pthread_t thread;
    struct buf faults; /* what was not as scripted */
};

static struct api api;

/* Reads a request: its head and, by Content-Length, its body. */
static void
read_request(int fd, char *out, size_t size)
{
    size_t len = 0;
    for (;;) {
        out[len] = '\0';
        const char *end = strstr(out, "\r\n\r\n");
        const char *header = strcasestr(out, "content-length:");
        size_t body = header != NULL ? strtoul(header + 15, NULL, 10) : 0;
        if (end != NULL && len >= (size_t)(end - out) + 4 + body)
            return;
        ssize_t n = read(fd, out + len, size - len - 1);
        if (n <= 0)
            return;
        len += (size_t)n;
    }
}

static void *
serve(void *arg)
{
    static char request[65536];
    (void)arg;
    for (size_t i = 0; i < api.count; i++) {
        const struct exchange *e = &api.script[i];
        int fd = accept(api.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        read_request(fd, request, sizeof(request));
        if (strncmp(request, e->request, strlen(e->request)) != 0)
            buf_printf(
                &api.faults, "%zu: not %s but %.60s\n", i, e->request, request);
        if (e->holds != NULL && strstr(request, e->holds) == NULL)
            buf_printf(&api.faults, "%zu: no %s in %s\n", i, e->holds, request);
        size_t len = strlen(e->response);
        if (write(fd, e->response, len) != (ssize_t)len)
            buf_printf(&api.faults, "%zu: hung up\n", i);
        (void)shutdown(fd, SHUT_WR);
        /* Reading to the end keeps the answer from being reset away. */
        while (read(fd, request, sizeof(request)) > 0)
            continue;
        (void)close(fd);
    }
    return NULL;
}

static void
start_api(const struct exchange *script, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    char url[64];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    api = (struct api){.script = script, .count = count};
    buf_init(&api.faults, 65536);
    api.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(api.fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(api.fd, 8), 0);
    cr_assert_eq(getsockname(api.fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(
        url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    (void)setenv("RISOLUTO_URL", url, 1);
    cr_assert_eq(pthread_create(&api.thread, NULL, serve, NULL), 0);
}

/* Every scripted request must have come, in order. */
static void
finish_api(void)
{
    (void)shutdown(api.fd, SHUT_RDWR);
    (void)pthread_join(api.thread, NULL);
    (void)close(api.fd);
    cr_expect_str_eq(buf_str(&api.faults), "", "%s", buf_str(&api.faults));
    buf_free(&api.faults);
}

#define JSON(body)                                                             \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" body
#define FAILURE(status, body)                                                  \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n\r\n" body
#define STREAM(body)                                                           \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: "        \
    "2000\n\n" body
#define EVENT(id, type, data)                                                  \
    "id: " id "\nevent: " type "\ndata: {\"id\":" id                           \
    ",\"attempt_id\":\"" ATTEMPT "\",\"issue_identifier\":\"RIS-1\","          \
    "\"type\":\"" type "\",\"data\":" data "}\n\n"
#define ATTEMPT "0123456789abcdef0123456789abcdef"
#define RUNTIME                                                                \
    {                                                                          \
        "GET /api/v1/runtime ", NULL,                                          \
            JSON("{\"version\":\"1\",\"provider_summary\":\"Codex\","          \
                 "\"rehearsal\":true,\"tracker\":{\"kind\":\"local\"}}")       \
    }
#define STATE                                                                  \
    {                                                                          \
        "GET /api/v1/state ", NULL,                                            \
            JSON("{\"recent_events\":[{\"id\":40},{\"id\":41}]}")              \
    }
#define CREATED                                                                \
    {                                                                          \
        "POST /api/v1/issues ", NULL,                                          \
            JSON("{\"issue\":{\"identifier\":\"RIS-1\",\"state\":\"Todo\","    \
                 "\"title\":\"t\"}}")                                          \
    }

/* ---- running it ---- */

/* Runs the command; *out gets stdout and stderr, to be freed. */
static int
run(char **out, int argc, const char *const *words)
{
    char *argv[16] = {NULL};
    char path[] = "/tmp/risoluto-cli-XXXXXX";
    int fd = mkstemp(path);
    struct err err = ERR_INIT;
    struct buf text;
    cr_assert_geq(fd, 0);
    for (int i = 0; i < argc; i++)
        argv[i] = strdup(words[i]);
    (void)fflush(NULL);
    int saved_out = dup(STDOUT_FILENO);
    int saved_err = dup(STDERR_FILENO);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    int rc = verb_main(argc, argv);
    (void)fflush(NULL);
    (void)dup2(saved_out, STDOUT_FILENO);
    (void)dup2(saved_err, STDERR_FILENO);
    (void)close(saved_out);
    (void)close(saved_err);
    (void)close(fd);
    buf_init(&text, TEXT_BYTES_MAX);
    cr_assert_eq(file_read(path, &text, &err), 0);
    (void)unlink(path);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    *out = buf_steal(&text);
    return rc;
}

#define RUN(out, ...)                                                          \
    run(out, (int)ARRAY_LEN(((const char *const[]){"risoluto", __VA_ARGS__})), \
        (const char *const[]){"risoluto", __VA_ARGS__})

static void
expect_text(const char *text, const char *wanted)
{
    cr_expect_not_null(
        strstr(text, wanted), "\"%s\" is not in:\n%s", wanted, text);
}

static void
setup(void)
{
    (void)unsetenv("RISOLUTO_URL");
    (void)unsetenv("RISOLUTO_WRITE_TOKEN");
    (void)unsetenv("RISOLUTO_WRITE_TOKEN_FILE");
}

TestSuite(verb, .init = setup, .timeout = 30);

/* ---- command lines ---- */

Test(verb, a_wrong_command_line_is_explained)
{
    static const struct {
        const char *words[5];
        const char *message;
    } cases[] = {
        {{"risoluto", "statsu"}, "did you mean \"status\"?"},
        {{"risoluto", "xyzzyx"}, "see risoluto --help"},
        {{"risoluto", "issue"}, "followed by one of: create, show, move"},
        {{"risoluto", "issue", "shwo"}, "followed by one of: create, show"},
        {{"risoluto", "issue", "show"}, "usage: risoluto issue show ISSUE"},
        {{"risoluto", "issue", "show", "A", "B"}, "unexpected \"B\""},
        {{"risoluto", "status", "--ulr", "x"}, "did you mean --url?"},
        {{"risoluto", "wait", "--timeout"}, "--timeout needs a value"},
        {{"risoluto", "wait", "--timeout=x"}, "expected seconds"},
        {{"risoluto", "demo", "--timeout=0"}, "expected seconds"},
        {{"risoluto", "--url", "ftp://x", "status"}, "is no address"},
        {{"risoluto", "issue", "create"}, "an issue needs a --title"},
        {{"risoluto", "issue", "create", "--title=x", "--priority=9"},
            "--priority: expected 1 (urgent) to 4"},
        {{"risoluto", "pki", "/nonexistent/x", "y"}, "as --name HOST"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *out = NULL;
        int argc = 0;
        while (argc < 5 && cases[i].words[argc] != NULL)
            argc++;
        cr_expect_eq(run(&out, argc, cases[i].words), VERB_USAGE, "%s", out);
        expect_text(out, cases[i].message);
    }
}

Test(verb, options_and_operands_mix)
{
    static const struct exchange script[] = {
        {"POST /api/v1/RIS-1/transition ", "{\"state\":\"In Review\"}",
            JSON("{\"ok\":true,\"to\":\"In Review\"}")},
        {"POST /api/v1/%2E%2E%2Fx/comments ", "{\"body\":\"--url\"}",
            JSON("{\"ok\":true}")},
    };
    AUTO_FREE char *a = NULL;
    AUTO_FREE char *b = NULL;
    start_api(script, ARRAY_LEN(script));
    const char *url = getenv("RISOLUTO_URL");
    cr_expect_eq(
        RUN(&a, "issue", "move", "RIS-1", "--url", url, "In Review"), 0);
    expect_text(a, "RIS-1 is in In Review");
    cr_expect_eq(RUN(&b, "issue", "comment", "--", "../x", "--url"), 0);
    finish_api();
}

Test(verb, an_issue_is_created_as_said)
{
    static const struct exchange script[] = {
        {"POST /api/v1/issues ",
            "{\"title\":\"t\",\"description\":\"d\",\"labels\":[\"a\",\"b\"],"
            "\"priority\":2}",
            JSON("{\"issue\":{\"identifier\":\"RIS-9\",\"state\":\"Todo\","
                 "\"title\":\"t\\u001b[2J\"}}")},
    };
    AUTO_FREE char *out = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&out, "issue", "create", "--title", "t", "--label=a",
                     "--label", "b", "--description", "d", "--priority", "2"),
        0);
    finish_api();
    expect_text(out, "RIS-9");
    expect_text(out, "t\\x1b[2J");
}

Test(verb, the_manual_page_has_every_verb)
{
    static const struct verb *const verbs[] = {
#define X(name) &verb_##name,
        VERBS(X)
#undef X
    };
    struct err err = ERR_INIT;
    struct buf page;
    buf_init(&page, TEXT_BYTES_MAX);
    cr_assert_eq(
        file_read("docs/man/risoluto.1", &page, &err), 0, "%s", err.message);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        char item[64];
        (void)snprintf(item, sizeof(item), "\n.It Cm %s", verbs[i]->name);
        expect_text(buf_str(&page), item);
        for (size_t o = 0; o < verbs[i]->option_count; o++) {
            (void)snprintf(
                item, sizeof(item), "Fl -%s", verbs[i]->options[o].name);
            expect_text(buf_str(&page), item);
        }
    }
    buf_free(&page);
}

/* ---- errors and the token ---- */

Test(verb, an_error_of_the_server_is_shown_and_made_harmless)
{
    static const struct exchange script[] = {
        {"GET /api/v1/RIS-7 ", NULL,
            FAILURE("404 Not Found", "{\"error\":{\"code\":\"not_found\","
                                     "\"message\":\"no issue \\u001b[1m\"}}")},
        {"POST /api/v1/refresh ", NULL,
            FAILURE("401 Unauthorized",
                "{\"error\":{\"code\":\"write_unauthorized\",\"message\":"
                "\"no token\"}}")},
        {"GET /api/v1/RIS-7 ", NULL, FAILURE("502 Bad", "<html>")},
        {"GET /api/v1/RIS-7 ", NULL, JSON("{\"issue\":")},
    };
    AUTO_FREE char *a = NULL;
    AUTO_FREE char *b = NULL;
    AUTO_FREE char *c = NULL;
    AUTO_FREE char *d = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&a, "issue", "show", "RIS-7"), 1);
    cr_expect_eq(RUN(&b, "refresh"), 1);
    cr_expect_eq(RUN(&c, "issue", "show", "RIS-7"), 1);
    cr_expect_eq(RUN(&d, "issue", "show", "RIS-7"), 1);
    finish_api();
    expect_text(a, "risoluto: no issue \\x1b[1m");
    expect_text(b, "no token (--token-file or");
    expect_text(c, "answered 502, and not as risoluto-control does");
    expect_text(d, "the server's answer: ");
}

Test(verb, nobody_there_is_said_with_what_to_do)
{
    AUTO_FREE char *out = NULL;
    cr_expect_eq(RUN(&out, "status", "--url", "http://127.0.0.1:1"), 1);
    expect_text(out, "cannot reach http://127.0.0.1:1");
    expect_text(out, "is risoluto-control running there?");
}

Test(verb, the_token_goes_in_its_header_only)
{
    static const struct exchange script[] = {
        {"POST /api/v1/refresh ",
            "\r\nAuthorization: Bearer from-a-file-1234\r\n", JSON("{}")},
        {"POST /api/v1/refresh ",
            "\r\nAuthorization: Bearer from-env-12345\r\n", JSON("{}")},
    };
    struct err err = ERR_INIT;
    AUTO_FREE char *a = NULL;
    AUTO_FREE char *b = NULL;
    char path[] = "/tmp/risoluto-token-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    cr_assert_eq(
        file_write_atomic(path, "from-a-file-1234\n", 17, 0600, &err), 0);
    (void)setenv("RISOLUTO_WRITE_TOKEN", "from-env-12345", 1);
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&a, "refresh", "--token-file", path), 0);
    cr_expect_eq(RUN(&b, "refresh"), 0);
    finish_api();
    cr_expect_null(strstr(a, "from-a-file"));
    (void)unlink(path);
}

Test(verb, a_token_that_would_break_the_header_is_refused)
{
    AUTO_FREE char *out = NULL;
    (void)setenv("RISOLUTO_WRITE_TOKEN", "a\r\nHost: evil", 1);
    cr_expect_eq(RUN(&out, "refresh", "--url", "http://127.0.0.1:1"), 1);
    expect_text(out, "characters that no token has");
}

Test(verb, a_token_file_is_made_once)
{
    char dir[] = "/tmp/risoluto-token-XXXXXX";
    AUTO_FREE char *a = NULL;
    AUTO_FREE char *b = NULL;
    struct err err = ERR_INIT;
    struct buf first;
    struct buf second;
    struct stat st;
    cr_assert_not_null(mkdtemp(dir));
    AUTO_FREE char *path = file_join(dir, "deep/write-token");
    buf_init(&first, 256);
    buf_init(&second, 256);
    cr_expect_eq(RUN(&a, "token", path), 0);
    cr_assert_eq(file_read(path, &first, &err), 0);
    cr_expect_eq(first.len, 65); /* 64 hex digits and a line end */
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_expect_eq(RUN(&b, "token", path), 0);
    expect_text(b, "kept");
    cr_assert_eq(file_read(path, &second, &err), 0);
    cr_expect_str_eq(buf_str(&first), buf_str(&second));
    cr_expect_null(strstr(a, buf_str(&first)), "the token was printed");
    buf_free(&first);
    buf_free(&second);
    (void)file_remove_tree(dir, &err);
}

/* ---- attempts ---- */

Test(verb, an_attempts_diff_is_found_page_by_page)
{
    static const struct exchange script[] = {
        {"GET /api/v1/attempts/" ATTEMPT " ", NULL, JSON("{\"attempt\":{}}")},
        {"GET /api/v1/attempts/" ATTEMPT "/events?after=0&", NULL,
            JSON("{\"events\":[{\"id\":3,\"type\":\"turn.started\",\"data\":{}}"
                 "],\"more\":true}")},
        {"GET /api/v1/attempts/" ATTEMPT "/events?after=3&", NULL,
            JSON("{\"events\":[{\"id\":4,\"type\":\"change.committed\","
                 "\"data\":{\"diff\":\"+++ b/x\\n+y\\n\",\"diff_truncated\":"
                 "true}}],\"more\":false}")},
    };
    AUTO_FREE char *out = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&out, "attempt", ATTEMPT, "--diff"), 0);
    finish_api();
    cr_expect_str_eq(out, "+++ b/x\n+y\n(the diff goes on; it was cut here)\n");
}

Test(verb, waiting_ends_when_the_api_is_healthy)
{
    static const struct exchange script[] = {
        {"GET /healthz ", NULL, FAILURE("503 No", "{}")},
        {"GET /healthz ", NULL, JSON("{\"status\":\"ok\"}")},
    };
    AUTO_FREE char *a = NULL;
    AUTO_FREE char *b = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&a, "wait", "--timeout", "10"), 0);
    expect_text(a, "is healthy");
    finish_api();
    cr_expect_eq(
        RUN(&b, "wait", "--timeout", "0", "--url", "http://127.0.0.1:1"), 1);
}

/* ---- the demo ---- */

#define BEGIN                                                                  \
    EVENT("42", "issue.claimed",                                               \
        "{\"number\":1,\"model\":\"m\",\"host\":\"h\"}")                       \
    EVENT("43", "container.created", "{\"container\":\"risoluto-RIS-1\"}")
#define CHANGE                                                                 \
    EVENT("50", "change.committed",                                            \
        "{\"commit\":\"0123456789abcdef\",\"branch\":\"risoluto/RIS-1\","      \
        "\"files\":1,\"insertions\":2,\"deletions\":0,"                        \
        "\"diff\":\"--- a/x\\n+++ b/x\\n+evil\\u001b[2J\\n\"}")
#define USAGE                                                                  \
    EVENT("48", "usage.updated",                                               \
        "{\"input_tokens\":1200,\"cached_input_tokens\":1000,"                 \
        "\"output_tokens\":34,\"reasoning_tokens\":5,\"total_tokens\":1234}")
#define END(outcome)                                                           \
    EVENT("51", "attempt.ended",                                               \
        "{\"outcome\":\"" outcome "\",\"message\":\"as it was\"}")
#define AFTER                                                                  \
    EVENT("52", "comment.posted", "{}")                                        \
    EVENT("53", "issue.transitioned", "{\"state\":\"In Review\"}")

Test(verb, the_demo_follows_its_issue_over_a_lost_connection)
{
    static const struct exchange script[] = {
        RUNTIME,
        STATE,
        CREATED,
        {"GET /api/v1/events?after=41 ", NULL,
            STREAM(BEGIN "id: 44\nevent: turn.started\ndata: {\"cut")},
        /* 44 was cut off: it must be asked for again */
        {"GET /api/v1/events?after=41 ", "\r\nLast-Event-ID: 43\r\n",
            STREAM(EVENT("44", "turn.started", "{\"turn\":1}")
                    USAGE CHANGE END("succeeded") AFTER)},
    };
    AUTO_FREE char *out = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&out, "demo", "--timeout", "20"), 0, "%s", out);
    finish_api();
    static const char *const wanted[] = {
        "REHEARSAL model",
        "Issue: RIS-1, Add a script that counts words",
        "issue.claimed        attempt 1, m, for h",
        "connecting again: ",
        "turn.started         turn 1",
        "change.committed     1 file, +2 -0, 0123456789ab",
        "on risoluto/RIS-1",
        "  +++ b/x\n  +evil\\x1b[2J\n",
        "Outcome    succeeded",
        "Tokens     1,200 in (1,000 cached), 34 out (5 reasoning), 1,234 in",
        "/api/v1/RIS-1",
        ("risoluto attempt " ATTEMPT),
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        expect_text(out, wanted[i]);
    cr_expect_null(strchr(out, '\033'), "colours without a terminal");
    cr_expect_null(strstr(out, "usage.updated"));
}

static void
expect_bad_demo(const char *stream, const char *wanted, const char *next)
{
    const struct exchange script[] = {RUNTIME, STATE, CREATED,
        {"GET /api/v1/events?after=41 ", NULL, stream}};
    AUTO_FREE char *out = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(
        RUN(&out, "demo", "--title", "t", "--timeout", "20"), 1, "%s", out);
    finish_api();
    expect_text(out, wanted);
    expect_text(out, next);
}

Test(verb, the_demo_fails_with_what_to_do_when_the_attempt_does)
{
    expect_bad_demo(STREAM(BEGIN CHANGE END("model_unauthorized") AFTER),
        "Outcome    model_unauthorized", "risoluto issue move RIS-1 Todo");
}

Test(verb, the_demo_fails_when_nothing_was_changed)
{
    expect_bad_demo(STREAM(BEGIN END("succeeded") AFTER),
        "No change was committed.", "risoluto issue move RIS-1 Todo");
}

Test(verb, the_demo_says_when_it_will_be_tried_again)
{
    expect_bad_demo(STREAM(BEGIN END("model_error")
                            EVENT("52", "retry.scheduled", "{\"number\":2}")),
        "again as attempt 2", "it is tried again by itself");
}

Test(verb, the_demo_says_so_when_the_time_is_up)
{
    static const struct exchange script[] = {RUNTIME, STATE, CREATED,
        {"GET /api/v1/events?after=41 ", NULL, STREAM(BEGIN)}};
    AUTO_FREE char *out = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&out, "demo", "--title", "t", "--timeout", "1"), 1);
    finish_api();
    expect_text(out, "the time is up; the work goes on");
}

Test(verb, the_demo_needs_the_embedded_tracker)
{
    static const struct exchange script[] = {{"GET /api/v1/runtime ", NULL,
        JSON("{\"tracker\":{\"kind\":\"linear\"}}")}};
    AUTO_FREE char *out = NULL;
    start_api(script, ARRAY_LEN(script));
    cr_expect_eq(RUN(&out, "demo"), 1);
    finish_api();
    expect_text(out, "set tracker.kind to local");
}
