/* SPDX-License-Identifier: Apache-2.0
 * A plan as the events of a Responses stream. */
#ifndef TESTS_FAKES_LIB_MODEL_ANSWER_H
#define TESTS_FAKES_LIB_MODEL_ANSWER_H

#include "common/err.h"
#include "tests/fakes/lib/model_plan.h"

#include <stdbool.h>
#include <stddef.h>

struct model_stream {
    /* Writes bytes to the client; false: it is gone, or we are to stop. */
    bool (*write)(void *arg, const void *data, size_t len);
    /* Waits; false as above. */
    bool (*wait)(void *arg, long ms);
    void *arg;
};

/* Streams the plan's answer. number makes its ids unique; input_tokens is told
 * in its usage. 0, also when the client went away; -1: out of memory. */
int model_answer_stream(const struct model_plan *plan, unsigned long number,
    size_t input_tokens, const struct model_stream *stream, struct err *err);

#endif
