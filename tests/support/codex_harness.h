/* SPDX-License-Identifier: Apache-2.0
 * A Codex session with recording sinks and a clock of its own. */
#ifndef TESTS_SUPPORT_CODEX_HARNESS_H
#define TESTS_SUPPORT_CODEX_HARNESS_H

#include "dataplane/codex/codex.h"

#include <stdbool.h>

struct codex_harness {
    struct dispatch_request request; /* defaults; change before _start */
    struct codex_session *session;
    struct buf sent;   /* every line to Codex */
    struct buf events; /* "type data\n" each */
    int64_t now;
    bool fail_send;
    bool fail_event;
};

#define HARNESS_KEY "sk-test-0123456789abcdef"
#define HARNESS_WORKSPACE "/srv/work/MT-42"

void codex_harness_init(struct codex_harness *h);
/* Takes the request as it is now. Fails the test when that fails. */
void codex_harness_start(struct codex_harness *h);
void codex_harness_free(struct codex_harness *h);

/* A line of Codex; each @method in it is replaced by the id of our latest
 * request of that method. */
int codex_harness_line(struct codex_harness *h, const char *line);
/* risoluto-init's lines, up to exec. */
void codex_harness_init_lines(struct codex_harness *h);
/* The lines of tests/unit/data/codex/NAME, up to the end of the session. */
void codex_harness_replay(struct codex_harness *h, const char *name);
/* The handshake, up to a running turn. */
void codex_harness_to_turn(struct codex_harness *h);
/* The answer to turn/start, and the end of that turn with a last message. */
void codex_harness_turn(struct codex_harness *h, const char *turn_id);
void codex_harness_turn_end(
    struct codex_harness *h, const char *turn_id, const char *last_message);
int codex_harness_tick(struct codex_harness *h, int64_t ms);

/* How often the text occurs in what was sent, in the events. */
size_t codex_harness_sent(const struct codex_harness *h, const char *text);
size_t codex_harness_events(const struct codex_harness *h, const char *text);
/* The request_id of the latest approval.requested; static memory. */
const char *codex_harness_request_id(const struct codex_harness *h);

enum outcome codex_harness_outcome(const struct codex_harness *h);
const char *codex_harness_message(const struct codex_harness *h);

#endif
