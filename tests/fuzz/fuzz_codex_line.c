/* SPDX-License-Identifier: Apache-2.0
 * Anything that Codex, or what pretends to be it, could write: the input is
 * lines for a session; its first byte says in which phase they arrive. Ids are
 * predictable only up to the random incarnation, so "@method" stands for the
 * id of our latest request of that method. */
#include "tests/support/codex_harness.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(struct codex_harness *h, char *lines)
{
    for (char *line = lines; line != NULL;) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        h->now += 50;
        /* The sinks never fail here. */
        if (codex_harness_line(h, line) != 0 || codex_harness_tick(h, 50) != 0)
            abort();
        line = next;
    }
}

static void
run(char *text)
{
    struct codex_harness h;
    struct err err = ERR_INIT;
    char phase = *text;
    codex_harness_init(&h);
    codex_harness_start(&h);
    if (phase == 'e')
        codex_harness_init_lines(&h);
    else if (phase != 'i')
        codex_harness_to_turn(&h);
    if (phase == 'a')
        (void)codex_session_abort(
            h.session, OUTCOME_ABORTED, "stop", h.now, &err);
    feed(&h, text + 1);
    if (codex_session_eof(h.session, 1, false, h.now, &err) != 0 ||
        codex_session_phase(h.session) != CODEX_DONE)
        abort();
    codex_harness_free(&h);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    run(text);
    free(text);
    return 0;
}
