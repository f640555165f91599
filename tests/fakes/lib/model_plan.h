/* SPDX-License-Identifier: Apache-2.0
 * The rehearsal model's mind. It remembers nothing: from each request it reads
 * the issue and how far the work has come, and says what comes next. */
#ifndef TESTS_FAKES_LIB_MODEL_PLAN_H
#define TESTS_FAKES_LIB_MODEL_PLAN_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "tests/fakes/lib/model_wishes.h"

#include <stdbool.h>
#include <stddef.h>

enum { MODEL_CALLS_MAX = 2, MODEL_ID_MAX = 48 };

/* A call of one of the tools that the request offers. */
struct model_call {
    char id[MODEL_ID_MAX];
    char name[64];
    bool custom; /* input is free text, not the arguments' JSON */
    struct buf input;
};

struct model_plan {
    struct model_wishes wishes;
    unsigned step;  /* that comes next, 0 for the first */
    bool last;      /* nothing comes after say */
    struct buf say; /* a message; may be empty */
    struct model_call calls[MODEL_CALLS_MAX];
    size_t call_count;
};

/* Reads a request to /v1/responses. wishes are those of the server's script;
 * the are added. 0, or -1 with ERR_INVALID for what is no request. */
int model_plan(struct model_plan *out, const struct json *request,
    const struct model_wishes *wishes, struct err *err);
void model_plan_release(struct model_plan *plan);

#endif
