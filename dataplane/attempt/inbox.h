/* SPDX-License-Identifier: Apache-2.0
 * What other threads tell an attempt's thread: answers and steers (which wait
 * for the result), and the order to stop. */
#ifndef DATAPLANE_ATTEMPT_INBOX_H
#define DATAPLANE_ATTEMPT_INBOX_H

#include "common/err.h"
#include "proto/outcomes.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum inbox_kind { INBOX_RESPOND, INBOX_STEER };

struct inbox_call {
    enum inbox_kind kind;
    const char *id;   /* idempotency key: the same id is carried out once */
    const char *text; /* response or steer */
    bool repeated;    /* result: it was carried out before */

    int result; /* the rest belongs to inbox.c */
    bool taken;
    bool answered;
    struct err *err;
    struct inbox_call *next;
};

struct inbox_stop {
    bool wanted;
    bool at_once; /* the data plane itself ends: no time for manners */
    enum outcome outcome;
    char reason[256];
};

struct inbox {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool open;
    struct inbox_call *first;
    struct inbox_stop stop;
    int wake_fd;   /* readable: look into the inbox; inbox_clear_wake */
    int cancel_fd; /* readable for good once a stop is wanted */
    int halt_fd;   /* readable for good once that stop is at_once */
};

int inbox_init(struct inbox *inbox, struct err *err);
void inbox_destroy(struct inbox *inbox);

/* From any thread: has the attempt's thread carry out the call. ERR_STATE
 * while there is no session, ERR_TIMEOUT when it was not taken in time. */
int inbox_call(struct inbox *inbox, struct inbox_call *call, int64_t timeout_ms,
    struct err *err);

/* From any thread. false: a stop was wanted already (it can only become more
 * urgent; the first reason stays). */
bool inbox_stop(struct inbox *inbox, const struct inbox_stop *stop);

/* From the attempt's thread. */
void inbox_open(struct inbox *inbox);
void inbox_close(struct inbox *inbox); /* those that wait get ERR_STATE */
void inbox_clear_wake(struct inbox *inbox);
struct inbox_call *inbox_take(struct inbox *inbox); /* answer each one taken */
void inbox_answer(struct inbox *inbox, struct inbox_call *call, int result,
    const struct err *err);
void inbox_get_stop(struct inbox *inbox, struct inbox_stop *out);

#endif
