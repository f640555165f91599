/* SPDX-License-Identifier: Apache-2.0
 * For integration tests: real planes, a real engine, a scripted model; made
 * for one test and removed with it. Functions that cannot fail in a working
 * environment abort the test with a message (cr_assert). */
#ifndef TESTS_SUPPORT_HARNESS_H
#define TESTS_SUPPORT_HARNESS_H

#include "common/buf.h"
#include "common/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- processes ---- */

struct process {
    pid_t pid; /* 0: not running */
    char log[512];
};

/* build/bin/NAME of the variant that the test was built in. */
const char *harness_binary(const char *name);

/* Starts argv with env (whole; NULL-terminated), its output going to
 * DIR/NAME.log. */
void process_start(struct process *process, const char *dir, const char *name,
    const char *const *argv, const char *const *env);
/* Sends the signal and waits; the exit code, or 128 + signal. */
int process_stop(struct process *process, int signal_number);
/* Waits at most ms for it to end by itself; -1: it still runs. */
int process_wait(struct process *process, int64_t ms);
/* Waits until its log holds text; false at the time-out or when it died. */
bool process_said(struct process *process, const char *text, int64_t ms);
void process_log(const struct process *process, struct buf *out);

/* ---- conditions ---- */

typedef bool harness_condition(void *arg);
bool harness_until(harness_condition *condition, void *arg, int64_t ms);

/* ---- HTTP ---- */

struct answer {
    long status;
    struct buf body;
    struct json *json; /* NULL when the body is none */
};

/* body NULL: none. Content-Type is application/json. */
void http_call(
    struct answer *out, const char *method, const char *url, const char *body);
void answer_free(struct answer *answer);

/* ---- Docker, by its command ---- */

/* Why tests with the engine cannot run here, or NULL. */
const char *harness_docker_missing(const char *image);
/* Runs `docker ARGS..`; out (may be NULL) gets what it prints. Exit code. */
int harness_docker(struct buf *out, const char *const *args);

/* ---- both planes ---- */

struct planes {
    char dir[256];
    char network[64];
    char gateway[64];
    char url[64]; /* of the API */
    int port;
    int rpc_port;
    int model_port;
    struct process model;
    struct process control;
    struct process dataplane;
    const char *model_host;    /* in the provider's URL; NULL: the gateway */
    const char *docker_socket; /* NULL: the engine's own */
    const char *const *control_env; /* added to its environment; may be NULL */
    const char *workflow;           /* content of WORKFLOW.md; may be NULL */
};

/* Fills in what planes_start needs beyond what the test has set: folders,
 * certificates, a Docker network of its own, free ports. */
void planes_prepare(struct planes *planes);
void planes_start_model(struct planes *planes);
void planes_start_dataplane(struct planes *planes);
void planes_start_control(struct planes *planes);
/* All of the above, and waits until the host is connected. */
void planes_start(struct planes *planes);
/* Stops and removes everything, and asserts that nothing is left. */
void planes_stop(struct planes *planes);

/* Files an issue; identifier to free. */
char *planes_issue(
    struct planes *planes, const char *title, const char *description);
/* Waits until the newest attempt of the issue ended; its JSON, the caller's
 * to answer_free. Aborts the test at the time-out, with the logs. */
void planes_attempt(
    struct planes *planes, const char *issue, int64_t ms, struct answer *out);
/* Is there an event of this type? *data (may be NULL): its data, to free. */
bool planes_event(struct planes *planes, const char *attempt_id,
    const char *type, char **data);

#endif
