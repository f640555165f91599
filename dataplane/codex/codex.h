/* SPDX-License-Identifier: Apache-2.0
 * One conversation with `codex app-server`: pure protocol, no I/O of its own.
 * The caller feeds it lines and time, and carries out what it asks for. */
#ifndef DATAPLANE_CODEX_CODEX_H
#define DATAPLANE_CODEX_CODEX_H

#include "common/buf.h"
#include "common/err.h"
#include "proto/messages.h"
#include "proto/outcomes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Codex writes long lines (an item carries a command's whole output). Read at
 * least this much of one; of a longer one pass the start, and truncated. */
enum { CODEX_LINE_MAX = 4 * 1024 * 1024 };

/* The files of the attempt's CODEX_HOME, the preflight command and the Codex
 * command, framed for risoluto-init (see dataplane/init/bundle.h). The API
 * key is NOT in it: it goes by RPC. ERR_CONFIG: the request asks for something
 * that Codex does not know (OUTCOME_CONFIG). */
int codex_bundle(const struct dispatch_request *request,
    const char *workspace_path, struct buf *out, struct err *err);

/* A loopback host in a provider's URL becomes host.docker.internal. Free it.
 * NULL with ERR_CONFIG for what is no http(s) URL, or carries a credential, a
 * query or a fragment. */
char *codex_worker_url(const char *base_url, struct err *err);

enum codex_phase {
    CODEX_WAIT_INIT, /* until risoluto-init says that the sandbox is proved */
    CODEX_INITIALIZE,
    CODEX_LOGIN,
    CODEX_THREAD,
    CODEX_TURN,      /* a turn runs */
    CODEX_INTERRUPT, /* asked to stop, waiting for the turn's end */
    CODEX_DONE       /* see codex_outcome */
};

/* What the session wants done; called from within codex_* functions. */
struct codex_sink {
    /* One JSON-RPC line (ends in "\n") for Codex's stdin. One of them holds
     * the API key: copy it only into secret memory, log none of them. */
    int (*send)(void *arg, const char *line, size_t len, struct err *err);
    /* One event for the journal; data is a JSON object of at most
     * CODEX_EVENT_MAX bytes, in which the API key never occurs. */
    int (*event)(
        void *arg, const char *type, const char *data_json, struct err *err);
    void *arg;
};

enum { CODEX_EVENT_MAX = 320 * 1024 };

struct codex_session;

/* request must outlive the session. ERR_CONFIG as for codex_bundle. */
int codex_session_new(struct codex_session **out,
    const struct dispatch_request *request, const char *workspace_path,
    const struct codex_sink *sink, int64_t now_mono_ms, struct err *err);
void codex_session_free(struct codex_session *session);

/* A line of the container's stdout, from its very first one (risoluto-init's).
 * -1 only when the sink failed or memory ran out: everything that Codex can
 * send is handled (a protocol violation ends the session with its outcome). */
int codex_session_line(struct codex_session *session, const char *line,
    size_t len, bool truncated, int64_t now_mono_ms, struct err *err);

/* A line of its stderr (kept as the tail for error messages). */
void codex_session_stderr(
    struct codex_session *session, const char *line, size_t len);

/* Lets time-outs fire. */
int codex_session_tick(
    struct codex_session *session, int64_t now_mono_ms, struct err *err);
/* When to call tick at the latest. */
int64_t codex_session_deadline(const struct codex_session *session);

/* The container ended by itself. */
int codex_session_eof(struct codex_session *session, int64_t exit_code,
    bool oom_killed, int64_t now_mono_ms, struct err *err);

/* Operator's calls. ERR_STATE when the session is not where they make sense,
 * ERR_NOT_FOUND for an approval that is not pending, ERR_INVALID for a response
 * that is no JSON object, ERR_BUSY when too many steers are under way. */
int codex_session_respond(struct codex_session *session, const char *request_id,
    const char *response_json, int64_t now_mono_ms, struct err *err);
int codex_session_steer(struct codex_session *session, const char *text,
    int64_t now_mono_ms, struct err *err);
/* Interrupts the turn; the session is done within drain_timeout_ms (at once
 * when no turn runs). The first reason to end is kept. */
int codex_session_abort(struct codex_session *session, enum outcome outcome,
    const char *reason, int64_t now_mono_ms, struct err *err);

enum codex_phase codex_session_phase(const struct codex_session *session);

/* Valid when CODEX_DONE. message is for people. */
enum outcome codex_session_outcome(
    const struct codex_session *session, const char **message);
const char *codex_session_thread_id(const struct codex_session *session);

/* "<thread id>-<turn id>" (Symphony specification 4.2), "" before the first
 * turn has a name. Valid until the next call. */
const char *codex_session_id(struct codex_session *session);

#endif
