/* SPDX-License-Identifier: Apache-2.0
 * The data plane's RPC over the real nng and TLS: who gets in, what becomes of
 * nonsense, and that neither disturbs anybody else. No engine is needed. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/proc.h"
#include "control/pool/client.h"
#include "dataplane/rpc/server.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "tests/support/harness.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { SOON_MS = 5000, CALL_MS = 5000, PATH_SIZE = 256, PEM_MAX = 65536 };

static char top[64];
static char pki[PATH_SIZE];
static char url[64];
static int port;
static struct journal *journal;
static struct docker *docker;
static struct workspace_root root;
static struct supervisor *supervisor;
static struct rpc_server *server;
static struct err err;

/* ---- the server under test ---- */

static void
make_pki(const char *dir)
{
    const char *argv[] = {harness_binary("risoluto"), "pki", dir, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", NULL};
    const struct proc_options options = {.argv = argv,
        .env = env,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = SOON_MS};
    struct proc_result result;
    AUTO(buf_free) struct buf out;

    buf_init(&out, PEM_MAX);
    cr_assert_eq(proc_run(&options, &out, &result, &err), 0, "%s", err.message);
    cr_assert_eq(result.exit_code, 0, "%s", buf_str(&out));
}

static int
free_port(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static int
start_server(const char *listen_url, const char *pki_dir)
{
    const struct rpc_server_options options = {.url = listen_url,
        .pki_dir = pki_dir,
        .handlers = {.journal = journal,
            .supervisor = supervisor,
            .docker = docker,
            .root = &root,
            .host_name = "test-host",
            .default_network = "none-such",
            .halt_fd = -1}};

    err_clear(&err);
    return rpc_server_start(&server, &options, &err);
}

static void
begin(void)
{
    AUTO_FREE char *data = NULL;
    AUTO_FREE char *workspaces = NULL;
    AUTO_FREE char *socket_path = NULL;

    (void)snprintf(top, sizeof(top), "/tmp/risoluto-rpc-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
    cr_assert_eq(chmod(top, 0711), 0); /* the workspaces' user passes */
    (void)snprintf(pki, sizeof(pki), "%s/pki", top);
    make_pki(pki);
    data = file_join(top, "data");
    workspaces = file_join(top, "workspaces");
    socket_path = file_join(top, "no-engine.sock");
    cr_assert_eq(journal_open(&journal, data, 0, &err), 0);
    cr_assert_eq(workspace_root_open(&root, workspaces, &err), 0);
    cr_assert_eq(docker_open(&docker, socket_path, &err), 0);
    const struct supervisor_deps deps = {.journal = journal,
        .docker = docker,
        .root = &root,
        .default_network = "none-such",
        .capacity = 3};
    cr_assert_eq(supervisor_start(&supervisor, &deps, &err), 0);
    port = free_port();
    (void)snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%d", port);
    cr_assert_eq(start_server(url, pki), 0, "%s", err.message);
}

static void
end(void)
{
    journal_wake(journal);
    rpc_server_stop(server);
    cr_expect(supervisor_stop(supervisor, SOON_MS));
    docker_close(docker);
    workspace_root_close(&root);
    journal_close(journal);
    (void)file_remove_tree(top, &err);
}

TestSuite(rpc, .init = begin, .fini = end, .timeout = 60);

/* ---- clients ---- */

static struct rpc_client *
connect_client(const char *pki_dir)
{
    const struct rpc_client_options options = {
        .url = url, .server_name = "localhost", .pki_dir = pki_dir};
    struct rpc_client *client = NULL;

    cr_assert_eq(
        rpc_client_open(&client, &options, &err), 0, "%s", err.message);
    return client;
}

static void
disconnect(struct rpc_client *client)
{
    rpc_client_close(client);
    rpc_client_free(client);
}

static int
hello(struct rpc_client *client, const char *control_id,
    struct hello_reply *reply)
{
    char id[PROTO_ID_MAX + 1];
    char version[] = "test";
    const struct hello_request request = {.protocol_min = 1,
        .protocol_max = 1,
        .control_id = id,
        .version = version};

    (void)snprintf(id, sizeof(id), "%s", control_id);
    err_clear(&err);
    return rpc_client_call(client, OP_HELLO, &request, reply, CALL_MS, &err);
}

/* A peer of ours is served, promptly, whatever else goes on. */
static void
expect_service(void)
{
    struct rpc_client *client = connect_client(pki);
    struct hello_reply reply = {0};

    cr_assert(rpc_client_wait(client, clock_mono_ms() + SOON_MS));
    cr_expect_eq(hello(client, "control-1", &reply), 0, "%s", err.message);
    schema_release(&hello_reply_schema, &reply);
    disconnect(client);
}

static bool
was_refused(void *arg)
{
    struct rpc_counters counters;

    rpc_server_counters(server, &counters);
    return counters.refused > *(uint64_t *)arg;
}

static uint64_t
refused_so_far(void)
{
    struct rpc_counters counters;

    rpc_server_counters(server, &counters);
    return counters.refused;
}

/* ---- who gets in ---- */

Test(rpc, answers_a_control_plane_with_our_certificate)
{
    struct rpc_client *client = connect_client(pki);
    struct hello_reply reply = {0};

    cr_assert(rpc_client_wait(client, clock_mono_ms() + SOON_MS));
    cr_assert_eq(hello(client, "control-1", &reply), 0, "%s", err.message);
    cr_expect_eq(reply.protocol, 1);
    cr_expect_str_eq(reply.host, "test-host");
    cr_expect_str_eq(reply.journal_id, journal_id(journal));
    cr_expect_str_eq(reply.workspace_root, root.path);
    cr_expect_eq(reply.capacity, 3);
    cr_expect_eq(reply.running, 0);
    cr_expect_null(reply.engine_version, "there is no engine");
    schema_release(&hello_reply_schema, &reply);
    cr_expect_eq(hello(client, "control-2", &reply), -1);
    cr_expect_eq(err.code, ERR_CONFLICT, "%s", err.message);
    disconnect(client);
}

Test(rpc, refuses_a_certificate_of_another_authority)
{
    char other[PATH_SIZE];
    struct rpc_client *client;
    uint64_t before = refused_so_far();

    (void)snprintf(other, sizeof(other), "%s/other", top);
    make_pki(other);
    /* It must trust us, or it would hang up before we refuse it. */
    {
        AUTO_FREE char *ours = file_join(pki, "ca.crt");
        AUTO_FREE char *theirs = file_join(other, "ca.crt");

        cr_assert_eq(unlink(theirs), 0);
        cr_assert_eq(link(ours, theirs), 0);
    }
    client = connect_client(other);
    cr_expect(harness_until(was_refused, &before, SOON_MS));
    cr_expect_not(rpc_client_wait(client, clock_mono_ms() + 300));
    expect_service();
    disconnect(client);
}

static nng_socket
open_raw(bool with_certificate, nng_dialer *dialer)
{
    AUTO_FREE char *ca = file_join(pki, "ca.crt");
    AUTO_FREE char *cert = file_join(pki, "control.crt");
    AUTO_FREE char *key = file_join(pki, "control.key");
    AUTO(buf_free) struct buf pair;
    AUTO(buf_free) struct buf key_text;
    nng_tls_config *tls = NULL;
    nng_socket raw;

    buf_init(&pair, PEM_MAX);
    buf_init(&key_text, PEM_MAX);
    cr_assert_eq(nng_req0_open(&raw), 0);
    cr_assert_eq(nng_socket_set_ms(raw, NNG_OPT_REQ_RESENDTIME, -1), 0);
    cr_assert_eq(nng_socket_set_ms(raw, NNG_OPT_RECVTIMEO, 3000), 0);
    cr_assert_eq(nng_socket_set_ms(raw, NNG_OPT_SENDTIMEO, 3000), 0);
    cr_assert_eq(nng_tls_config_alloc(&tls, NNG_TLS_MODE_CLIENT), 0);
    cr_assert_eq(nng_tls_config_ca_file(tls, ca), 0);
    cr_assert_eq(nng_tls_config_server_name(tls, "localhost"), 0);
    if (with_certificate) {
        cr_assert_eq(file_read(cert, &pair, &err), 0);
        cr_assert_eq(file_read(key, &key_text, &err), 0);
        cr_assert_eq(nng_tls_config_own_cert(
                         tls, buf_str(&pair), buf_str(&key_text), NULL),
            0);
    }
    cr_assert_eq(nng_dialer_create(dialer, raw, url), 0);
    cr_assert_eq(nng_dialer_set_ptr(*dialer, NNG_OPT_TLS_CONFIG, tls), 0);
    nng_tls_config_free(tls);
    cr_assert_eq(nng_dialer_start(*dialer, NNG_FLAG_NONBLOCK), 0);
    return raw;
}

Test(rpc, refuses_a_peer_without_a_certificate)
{
    nng_dialer dialer;
    uint64_t before = refused_so_far();
    nng_socket raw = open_raw(false, &dialer);

    cr_expect(harness_until(was_refused, &before, SOON_MS));
    expect_service();
    (void)nng_close(raw);
}

static int
connect_tcp(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
        .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

Test(rpc, survives_garbage_and_connections_that_say_nothing)
{
    static const char garbage[] =
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\xff\xff\x00\x00";
    int silent[20];
    uint64_t before = refused_so_far();

    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        AUTO_CLOSE int noisy = connect_tcp();

        silent[i] = connect_tcp();
        cr_assert_eq(send(noisy, garbage, sizeof(garbage), MSG_NOSIGNAL),
            (ssize_t)sizeof(garbage));
    }
    expect_service(); /* while the silent ones are still there */
    cr_expect(harness_until(was_refused, &before, SOON_MS));
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        (void)close(silent[i]);
    expect_service();
}

/* ---- frames ---- */

static void
ask_raw(nng_socket raw, const char *frame, size_t len, struct buf *answer)
{
    char *data = NULL;
    size_t got = 0;
    AUTO_FREE char *copy = malloc(len + 1);

    memcpy(copy, frame, len);
    cr_assert_eq(nng_send(raw, copy, len, 0), 0);
    cr_assert_eq(nng_recv(raw, &data, &got, NNG_FLAG_ALLOC), 0, "%.60s", frame);
    buf_append(answer, data, got);
    nng_free(data, got);
}

Test(rpc, answers_malformed_frames_with_an_error)
{
    static const struct {
        const char *frame;
        const char *code;
    } cases[] = {
        {"", "\"protocol\""},
        {"nonsense", "\"protocol\""},
        {"{}", "\"protocol\""},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "\"protocol\""},
        {"{\"v\":1,\"op\":\"status\",\"body\":{},\"x\":1}", "\"protocol\""},
        {"{\"v\":2,\"op\":\"status\",\"body\":{}}", "\"protocol\""},
        {"{\"v\":1,\"op\":\"format_disk\",\"body\":{}}", "\"protocol\""},
        {"{\"v\":1,\"op\":\"status\",\"body\":{\"x\":1}}",
            "\"invalid_request\""},
        {"{\"v\":1,\"op\":\"status\",\"body\":{\"attempt_id\":5}}",
            "\"invalid_request\""},
        {"{\"v\":1,\"op\":\"remove_workspace\",\"body\":{\"key\":\"../x\"}}",
            "\"invalid_request\""},
        {"{\"v\":1,\"op\":\"dispatch\",\"body\":{}}", "\"invalid_request\""},
    };

    nng_dialer dialer;
    nng_socket raw = open_raw(true, &dialer);
    struct rpc_counters counters;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_free) struct buf answer;

        buf_init(&answer, PROTO_FRAME_MAX);
        ask_raw(raw, cases[i].frame, strlen(cases[i].frame), &answer);
        cr_expect_not_null(
            strstr(buf_str(&answer), "\"ok\":false"), "%s", buf_str(&answer));
        cr_expect_not_null(strstr(buf_str(&answer), cases[i].code), "%s: %s",
            cases[i].frame, buf_str(&answer));
    }
    rpc_server_counters(server, &counters);
    cr_expect_eq(counters.malformed, ARRAY_LEN(cases));
    expect_service();
    (void)nng_close(raw);
}

Test(rpc, drops_a_peer_that_sends_more_than_a_frame)
{
    size_t len = PROTO_FRAME_MAX + 1000;
    AUTO_FREE char *big = calloc(1, len);
    nng_dialer dialer;
    nng_socket raw = open_raw(true, &dialer);
    char *data = NULL;
    size_t got = 0;

    cr_assert_eq(nng_send(raw, big, len, 0), 0);
    cr_expect_neq(nng_recv(raw, &data, &got, NNG_FLAG_ALLOC), 0);
    expect_service();
    (void)nng_close(raw);
}

/* ---- load ---- */

enum { POLLS = 12 };

struct poll {
    struct rpc_client *client;
    int result;
    enum err_code code;
};

static void *
poll_main(void *arg)
{
    struct poll *one = arg;
    char id[64];
    const struct events_request request = {
        .journal_id = id, .max_events = 1, .wait_ms = 3000};
    struct events_reply reply = {0};
    struct err failure = ERR_INIT;

    (void)snprintf(id, sizeof(id), "%s", journal_id(journal));
    one->result = rpc_client_call(
        one->client, OP_EVENTS, &request, &reply, 10000, &failure);
    one->code = failure.code;
    schema_release(&events_reply_schema, &reply);
    return NULL;
}

Test(rpc, long_polls_leave_room_for_commands)
{
    struct rpc_client *client = connect_client(pki);
    struct poll polls[POLLS];
    pthread_t threads[POLLS];
    int busy = 0;
    int served = 0;
    int64_t begun;

    cr_assert(rpc_client_wait(client, clock_mono_ms() + SOON_MS));
    for (int i = 0; i < POLLS; i++) {
        polls[i] = (struct poll){.client = client};
        cr_assert_eq(
            pthread_create(&threads[i], NULL, poll_main, &polls[i]), 0);
    }
    begun = clock_mono_ms();
    expect_service();
    cr_expect_lt(clock_mono_ms() - begun, 2000);
    for (int i = 0; i < POLLS; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        busy += polls[i].result != 0 && polls[i].code == ERR_BUSY;
        served += polls[i].result == 0;
    }
    cr_expect_gt(busy, 0);
    cr_expect_gt(served, 0);
    cr_expect_eq(busy + served, POLLS);
    disconnect(client);
}

Test(rpc, stops_at_once_while_polls_wait)
{
    struct rpc_client *client = connect_client(pki);
    struct poll one = {.client = client};
    struct rpc_counters counters = {0};
    pthread_t thread;
    int64_t begun;

    cr_assert(rpc_client_wait(client, clock_mono_ms() + SOON_MS));
    cr_assert_eq(pthread_create(&thread, NULL, poll_main, &one), 0);
    while (counters.requests == 0)
        rpc_server_counters(server, &counters);
    begun = clock_mono_ms();
    journal_wake(journal);
    rpc_server_stop(server);
    server = NULL;
    cr_expect_lt(clock_mono_ms() - begun, 1000);
    disconnect(client);
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

/* ---- operations without an engine ---- */

Test(rpc, a_dispatch_without_an_engine_is_refused_and_not_accepted)
{
    struct rpc_client *client = connect_client(pki);
    char id[] = "0123456789abcdef0123456789abcdef";
    char text[] = "x";
    char policy[] = "\"never\"";
    char sandbox[] = "read-only";
    char author[] = "A <a@b>";
    const struct dispatch_request request = {.attempt_id = id,
        .fence = 1,
        .attempt_number = 1,
        .lease_ms = 1000,
        .max_turns = 1,
        .issue = {.id = text, .identifier = text, .title = text},
        .prompt = text,
        .continuation_prompt = text,
        .workspace = {.key = text,
            .branch = text,
            .commit_author = author,
            .commit_message = text},
        .codex = {.model = text,
            .provider = {.id = text},
            .approval_policy = policy,
            .thread_sandbox = sandbox,
            .startup_timeout_ms = 1000,
            .read_timeout_ms = 1000,
            .turn_timeout_ms = 1000,
            .approval_timeout_ms = 1000},
        .sandbox = {.image = text}};
    struct dispatch_reply reply = {0};
    struct status_reply status;

    cr_assert(rpc_client_wait(client, clock_mono_ms() + SOON_MS));
    cr_expect_eq(
        rpc_client_call(client, OP_DISPATCH, &request, &reply, CALL_MS, &err),
        -1);
    cr_expect_eq(err.code, ERR_UNAVAILABLE, "%s", err.message);
    cr_assert_eq(journal_status(journal, NULL, &status, &err), 0);
    cr_expect_eq(status.attempts.len, 0);
    schema_release(&status_reply_schema, &status);
    disconnect(client);
}

Test(rpc, drain_and_workspaces_answer_over_the_wire)
{
    struct rpc_client *client = connect_client(pki);
    const struct drain_request drain = {.draining = true};
    const struct workspaces_request list = {.limit = 10};
    struct ack_reply ack = {0};
    struct workspaces_reply workspaces = {0};

    cr_assert(rpc_client_wait(client, clock_mono_ms() + SOON_MS));
    cr_assert_eq(
        rpc_client_call(client, OP_DRAIN, &drain, &ack, CALL_MS, &err), 0);
    cr_expect(ack.done);
    cr_assert_eq(
        rpc_client_call(client, OP_DRAIN, &drain, &ack, CALL_MS, &err), 0);
    cr_expect_not(ack.done, "it was so already");
    cr_assert_eq(rpc_client_call(
                     client, OP_WORKSPACES, &list, &workspaces, CALL_MS, &err),
        0, "%s", err.message);
    cr_expect_eq(workspaces.workspaces.len, 0);
    schema_release(&workspaces_reply_schema, &workspaces);
    disconnect(client);
}

/* ---- starting wrongly ---- */

static void
expect_no_start(const char *listen_url, const char *pki_dir, enum err_code code,
    const char *text)
{
    struct rpc_server *running = server;

    cr_expect_eq(start_server(listen_url, pki_dir), -1);
    cr_expect_eq(err.code, code, "%s", err.message);
    cr_expect_not_null(strstr(err.message, text), "%s", err.message);
    server = running;
}

Test(rpc, says_what_to_do_when_it_cannot_start)
{
    AUTO_FREE char *key = file_join(pki, "dataplane.key");
    char free_url[64];
    char plain[64];

    (void)snprintf(
        free_url, sizeof(free_url), "tls+tcp://127.0.0.1:%d", free_port());
    (void)snprintf(plain, sizeof(plain), "tcp://127.0.0.1:%d", free_port());
    expect_no_start(url, pki, ERR_CONFLICT, "in use");
    expect_no_start(plain, pki, ERR_CONFIG, "tls+tcp://");
    expect_no_start(free_url, top, ERR_CONFIG, "risoluto pki");
    cr_assert_eq(chmod(key, 0640), 0);
    expect_no_start(free_url, pki, ERR_CONFIG, "chmod 600");
    cr_assert_eq(chmod(key, 0600), 0);
    cr_assert_eq(file_write_atomic(key, "junk", 4, 0600, &err), 0);
    expect_no_start(free_url, pki, ERR_CONFIG, "cannot be used");
    expect_service();
}
