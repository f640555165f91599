/* SPDX-License-Identifier: Apache-2.0
 * Both planes, the scripted model and a Docker network for one test. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/id.h"
#include "common/proc.h"
#include "tests/support/harness.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum {
    OUTPUT_MAX = 16 * 1024 * 1024,
    DOCKER_TIMEOUT_MS = 60000,
    START_MS = 15000,
    ENV_MAX = 48
};

/* ---- Docker ---- */

int
harness_docker(struct buf *out, const char *const *args)
{
    const char *argv[32] = {"docker"};
    const char *env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/nonexistent", NULL};
    struct proc_options options = {.argv = argv,
        .env = env,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = DOCKER_TIMEOUT_MS};
    struct proc_result result = {0};
    struct err err = ERR_INIT;
    struct buf ignored;
    size_t n = 1;

    for (size_t i = 0; args[i] != NULL && n < ARRAY_LEN(argv) - 1; i++)
        argv[n++] = args[i];
    buf_init(&ignored, OUTPUT_MAX);
    if (proc_run(&options, out != NULL ? out : &ignored, &result, &err) != 0)
        result.exit_code = -1;
    buf_free(&ignored);
    return result.exit_code;
}

const char *
harness_docker_missing(const char *image)
{
    const char *const info[] = {"info", NULL};
    const char *const inspect[] = {"image", "inspect", image, NULL};

    if (harness_docker(NULL, info) != 0)
        return "no Docker Engine answers here";
    if (image != NULL && harness_docker(NULL, inspect) != 0)
        return "the worker image is not built (make images)";
    return NULL;
}

static void
make_network(struct planes *planes)
{
    AUTO(buf_free) struct buf out;
    const char *const create[] = {"network", "create", planes->network, NULL};
    const char *const inspect[] = {"network", "inspect", "--format",
        "{{(index .IPAM.Config 0).Gateway}}", planes->network, NULL};

    buf_init(&out, OUTPUT_MAX);
    cr_assert_eq(harness_docker(NULL, create), 0);
    cr_assert_eq(harness_docker(&out, inspect), 0);
    (void)snprintf(planes->gateway, sizeof(planes->gateway), "%.*s",
        (int)strcspn(buf_str(&out), "\n"), buf_str(&out));
}

/* ---- preparation ---- */

static int
free_port(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void
make_folder(const char *dir, const char *name)
{
    AUTO_FREE char *path = file_join(dir, name);

    cr_assert_eq(mkdir(path, 0700), 0);
}

static void
make_certificates(const struct planes *planes)
{
    AUTO_FREE char *pki = file_join(planes->dir, "pki");
    const char *argv[] = {harness_binary("risoluto"), "pki", pki, NULL};
    const char *env[] = {"PATH=/usr/bin:/bin", NULL};
    struct proc_options options = {.argv = argv,
        .env = env,
        .uid = (uid_t)-1,
        .gid = (gid_t)-1,
        .timeout_ms = START_MS};
    struct proc_result result = {0};
    struct err err = ERR_INIT;
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    cr_assert_eq(proc_run(&options, &out, &result, &err), 0, "%s", err.message);
    cr_assert_eq(result.exit_code, 0, "%s", buf_str(&out));
    buf_free(&out);
}

void
planes_prepare(struct planes *planes)
{
    char id[ID_SIZE];

    id_new(id);
    (void)snprintf(planes->dir, sizeof(planes->dir), "/tmp/risoluto-test-%s",
        id_short(id));
    (void)snprintf(planes->network, sizeof(planes->network), "risoluto-test-%s",
        id_short(id));
    cr_assert_eq(mkdir(planes->dir, 0755), 0);
    make_folder(planes->dir, "control");
    make_folder(planes->dir, "dataplane");
    make_certificates(planes);
    make_network(planes);
    planes->port = free_port();
    planes->rpc_port = free_port();
    (void)snprintf(
        planes->url, sizeof(planes->url), "http://127.0.0.1:%d", planes->port);
    if (planes->workflow != NULL) {
        struct err err = ERR_INIT;
        AUTO_FREE char *path = NULL;

        cr_assert_gt(asprintf(&path, "%s/control/WORKFLOW.md", planes->dir), 0);
        cr_assert_eq(file_write_atomic(path, planes->workflow,
                         strlen(planes->workflow), 0600, &err),
            0);
    }
}

/* ---- starting ---- */

struct environment {
    const char *items[ENV_MAX + 1];
    char *owned[ENV_MAX];
    size_t count;
    size_t owned_count;
};

static void
env_add(struct environment *env, const char *text)
{
    cr_assert_lt(env->count, (size_t)ENV_MAX);
    env->items[env->count++] = text;
    env->items[env->count] = NULL;
}

__attribute__((format(printf, 2, 3))) static void
env_printf(struct environment *env, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    cr_assert_gt(vasprintf(&text, format, args), 0);
    va_end(args);
    env->owned[env->owned_count++] = text;
    env_add(env, text);
}

static void
env_free(struct environment *env)
{
    for (size_t i = 0; i < env->owned_count; i++)
        free(env->owned[i]);
}

static void
env_base(struct environment *env)
{
    static const char *const passed[] = {
        "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};

    env_add(env,
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env_add(env, "LOG_LEVEL=debug");
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        if (getenv(passed[i]) != NULL)
            env_printf(env, "%s=%s", passed[i], getenv(passed[i]));
}

void
planes_start_model(struct planes *planes)
{
    char port[16];
    char bind_to[64];
    const char *argv[] = {harness_binary("rehearsal_model"), "--bind", bind_to,
        "--port", port, "--verbose", NULL};
    struct environment env = {0};

    (void)snprintf(bind_to, sizeof(bind_to), "%s",
        planes->model_host != NULL ? "172.17.0.1" : planes->gateway);
    planes->model_port = free_port();
    (void)snprintf(port, sizeof(port), "%d", planes->model_port);
    env_base(&env);
    process_start(&planes->model, planes->dir, "model", argv, env.items);
    env_free(&env);
    cr_assert(process_said(&planes->model, port, START_MS),
        "the model does not serve; see %s", planes->model.log);
}

void
planes_start_dataplane(struct planes *planes)
{
    AUTO_FREE char *data = file_join(planes->dir, "dataplane");
    AUTO_FREE char *pki = file_join(planes->dir, "pki");
    AUTO_FREE char *workspaces = file_join(planes->dir, "workspaces");
    char listen_url[64];
    const char *argv[] = {harness_binary("risoluto-dataplane"), "--data-dir",
        data, "--listen", listen_url, "--workspace-root", workspaces,
        "--network", planes->network, "--pki-dir", pki, "--docker-socket",
        planes->docker_socket != NULL ? planes->docker_socket
                                      : "/var/run/docker.sock",
        NULL};
    struct environment env = {0};

    (void)snprintf(listen_url, sizeof(listen_url), "tls+tcp://127.0.0.1:%d",
        planes->rpc_port);
    env_base(&env);
    process_start(
        &planes->dataplane, planes->dir, "dataplane", argv, env.items);
    env_free(&env);
    cr_assert(process_said(&planes->dataplane, "serving", START_MS),
        "the data plane does not serve; see %s", planes->dataplane.log);
}

void
planes_start_control(struct planes *planes)
{
    AUTO_FREE char *data = file_join(planes->dir, "control");
    char port[16];
    const char *argv[] = {harness_binary("risoluto-control"), "--data-dir",
        data, "--port", port, NULL};
    struct environment env = {0};

    (void)snprintf(port, sizeof(port), "%d", planes->port);
    env_base(&env);
    env_printf(&env, "RISOLUTO_PKI_DIR=%s/pki", planes->dir);
    env_printf(
        &env, "RISOLUTO_DATAPLANES=tls+tcp://127.0.0.1:%d", planes->rpc_port);
    env_printf(&env, "RISOLUTO_PROVIDER_BASE_URL=http://%s:%d/v1",
        planes->model_host != NULL ? planes->model_host : planes->gateway,
        planes->model_port);
    env_add(&env, "OPENAI_API_KEY=sk-test-not-a-real-key");
    for (size_t i = 0;
         planes->control_env != NULL && planes->control_env[i] != NULL; i++)
        env_add(&env, planes->control_env[i]);
    process_start(&planes->control, planes->dir, "control", argv, env.items);
    env_free(&env);
    cr_assert(process_said(&planes->control, "serving", START_MS),
        "the control plane does not serve; see %s", planes->control.log);
}

void
planes_start(struct planes *planes)
{
    planes_prepare(planes);
    planes_start_model(planes);
    planes_start_dataplane(planes);
    planes_start_control(planes);
    cr_assert(process_said(&planes->control, "data plane connected", START_MS),
        "the planes do not meet; see %s", planes->control.log);
}

/* ---- the end ---- */

/* The caches of this data plane's workspaces, which it keeps on purpose. */
static void
remove_caches(const struct planes *planes)
{
    AUTO_FREE char *path = file_join(planes->dir, "dataplane/dataplane-id");
    AUTO_FREE char *filter = NULL;
    AUTO(buf_free) struct buf id = {0};
    AUTO(buf_free) struct buf names = {0};
    struct err err = ERR_INIT;

    buf_init(&id, 256);
    buf_init(&names, OUTPUT_MAX);
    if (file_read(path, &id, &err) != 0)
        return; /* it never started */
    cr_assert_gt(
        asprintf(&filter, "label=risoluto.dataplane=%s", buf_str(&id)), 0);
    const char *const list[] = {"volume", "ls", "-q", "--filter", filter, NULL};

    cr_expect_eq(harness_docker(&names, list), 0);
    if (names.len == 0)
        return; /* no attempt came so far */
    for (char *name = strtok(names.data, "\n"); name != NULL;
         name = strtok(NULL, "\n")) {
        const char *const remove[] = {"volume", "rm", name, NULL};

        cr_expect_eq(harness_docker(NULL, remove), 0, "volume %s", name);
    }
}

static void
remove_network(const struct planes *planes, struct buf *left)
{
    AUTO_FREE char *filter = NULL;

    cr_assert_gt(asprintf(&filter, "network=%s", planes->network), 0);
    const char *const list[] = {"ps", "-aq", "--filter", filter, NULL};
    const char *const remove[] = {"network", "rm", planes->network, NULL};

    (void)harness_docker(left, list);
    (void)harness_docker(NULL, remove);
}

void
planes_stop(struct planes *planes)
{
    AUTO(buf_free) struct buf left;
    struct err err = ERR_INIT;
    int control = process_stop(&planes->control, SIGTERM);
    int dataplane = process_stop(&planes->dataplane, SIGTERM);

    (void)process_stop(&planes->model, SIGKILL);
    buf_init(&left, OUTPUT_MAX);
    remove_network(planes, &left);
    remove_caches(planes);
    cr_expect(control <= 0, "control plane ended with %d; see %s", control,
        planes->control.log);
    cr_expect(dataplane <= 0, "data plane ended with %d; see %s", dataplane,
        planes->dataplane.log);
    cr_expect_str_empty(buf_str(&left), "containers left behind");
    if (control <= 0 && dataplane <= 0)
        (void)file_remove_tree(planes->dir, &err);
}

/* ---- issues and attempts ---- */

char *
planes_issue(struct planes *planes, const char *title, const char *description)
{
    AUTO(buf_free) struct buf body;
    AUTO(answer_free) struct answer answer;
    char url[128];
    struct jw w;
    const char *identifier;

    buf_init(&body, OUTPUT_MAX);
    jw_init(&w, &body);
    jw_obj(&w, NULL);
    jw_str(&w, "title", title);
    jw_str(&w, "description", description);
    jw_end_obj(&w);
    (void)snprintf(url, sizeof(url), "%s/api/v1/issues", planes->url);
    http_call(&answer, "POST", url, buf_str(&body));
    cr_assert_eq(
        answer.status, 201, "%ld %s", answer.status, buf_str(&answer.body));
    identifier = json_str(json_path(answer.json, "issue.identifier"), NULL);
    cr_assert_not_null(identifier);
    return strdup(identifier);
}

static bool
attempt_ended(struct planes *planes, const char *issue, char *id, size_t size)
{
    AUTO(answer_free) struct answer answer;
    char url[512];
    const struct json *newest;

    (void)snprintf(
        url, sizeof(url), "%s/api/v1/%s/attempts", planes->url, issue);
    http_call(&answer, "GET", url, NULL);
    newest = json_first(json_get(answer.json, "attempts"));
    (void)snprintf(
        id, size, "%s", json_str(json_get(newest, "attempt_id"), ""));
    return json_str(json_get(newest, "outcome"), NULL) != NULL;
}

static void
print_log(const struct process *process)
{
    struct buf log;

    buf_init(&log, OUTPUT_MAX);
    process_log(process, &log);
    (void)fprintf(stderr, "==== %s\n%s\n", process->log,
        log.len > 8000 ? log.data + log.len - 8000 : buf_str(&log));
    buf_free(&log);
}

void
planes_attempt(
    struct planes *planes, const char *issue, int64_t ms, struct answer *out)
{
    int64_t deadline = clock_mono_ms() + ms;
    const struct timespec pause = {.tv_nsec = 50 * 1000000L};
    char id[64];
    char url[512];

    while (!attempt_ended(planes, issue, id, sizeof(id))) {
        if (clock_mono_ms() > deadline) {
            print_log(&planes->control);
            print_log(&planes->dataplane);
            cr_assert_fail(
                "no attempt of %s ended in %lld ms", issue, (long long)ms);
        }
        (void)nanosleep(&pause, NULL);
    }
    (void)snprintf(url, sizeof(url), "%s/api/v1/attempts/%s", planes->url, id);
    http_call(out, "GET", url, NULL);
    cr_assert_eq(out->status, 200);
}

bool
planes_event(struct planes *planes, const char *attempt_id, const char *type,
    char **data)
{
    AUTO(answer_free) struct answer answer;
    char url[512];

    (void)snprintf(url, sizeof(url), "%s/api/v1/attempts/%s/events?limit=1000",
        planes->url, attempt_id);
    http_call(&answer, "GET", url, NULL);
    json_each (event, json_get(answer.json, "events")) {
        struct buf text;
        struct jw w;

        if (strcmp(json_str(json_get(event, "type"), ""), type) != 0)
            continue;
        if (data != NULL) {
            buf_init(&text, OUTPUT_MAX);
            jw_init(&w, &text);
            jw_node(&w, NULL, json_get(event, "data"));
            *data = buf_steal(&text);
        }
        return true;
    }
    return false;
}
