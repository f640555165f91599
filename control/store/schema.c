/* SPDX-License-Identifier: Apache-2.0
 * The control plane's database schema. A migration that has been released is
 * never changed: append a new one. Times are wall clock milliseconds. */
#include "common/cleanup.h"
#include "control/store/internal.h"

static const char attempts_schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"

    /* Kept for ever: a fence must never be given out twice. */
    "CREATE TABLE fences("
    " issue_id TEXT PRIMARY KEY, fence INTEGER NOT NULL) STRICT;"

    "CREATE TABLE attempts("
    " attempt_id TEXT PRIMARY KEY,"
    " issue_id TEXT NOT NULL,"
    " issue_identifier TEXT NOT NULL,"
    " issue_title TEXT NOT NULL,"
    " issue_json TEXT NOT NULL,"
    " host TEXT NOT NULL,"
    " fence INTEGER NOT NULL,"
    " number INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " dispatched INTEGER NOT NULL DEFAULT 0,"
    " phase TEXT, outcome TEXT, message TEXT, model TEXT,"
    " thread_id TEXT, turn_id TEXT, container TEXT, workspace TEXT,"
    " branch TEXT, commit_id TEXT, last_event TEXT, rate_limits TEXT,"
    " turns INTEGER NOT NULL DEFAULT 0,"
    " input_tokens INTEGER NOT NULL DEFAULT 0,"
    " cached_input_tokens INTEGER NOT NULL DEFAULT 0,"
    " output_tokens INTEGER NOT NULL DEFAULT 0,"
    " reasoning_tokens INTEGER NOT NULL DEFAULT 0,"
    " total_tokens INTEGER NOT NULL DEFAULT 0,"
    " created_at INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL DEFAULT 0,"
    " ended_at INTEGER NOT NULL DEFAULT 0,"
    " last_event_at INTEGER NOT NULL DEFAULT 0,"
    " last_seq INTEGER NOT NULL DEFAULT 0) STRICT;"
    /* An issue has one live attempt at most; 2 is ATTEMPT_ENDED. */
    "CREATE UNIQUE INDEX attempts_live ON attempts(issue_id)"
    " WHERE status < 2;"
    "CREATE INDEX attempts_issue ON attempts(issue_id, number);"
    "CREATE INDEX attempts_identifier ON attempts(issue_identifier, number);"
    "CREATE INDEX attempts_ended ON attempts(ended_at) WHERE status = 2;"

    /* AUTOINCREMENT: an SSE id is never used again. */
    "CREATE TABLE events("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " attempt_id TEXT, issue_identifier TEXT,"
    " seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " type TEXT NOT NULL, data TEXT NOT NULL) STRICT;"
    "CREATE INDEX events_attempt ON events(attempt_id, id);"
    "CREATE UNIQUE INDEX events_seq ON events(attempt_id, seq)"
    " WHERE seq > 0;";

static const char effects_schema[] =
    "CREATE TABLE cursors("
    " host TEXT NOT NULL, journal_id TEXT NOT NULL,"
    " cursor INTEGER NOT NULL,"
    " PRIMARY KEY(host, journal_id)) STRICT;"

    "CREATE TABLE retries("
    " issue_id TEXT PRIMARY KEY, issue_identifier TEXT NOT NULL,"
    " error TEXT NOT NULL, number INTEGER NOT NULL,"
    " due_at INTEGER NOT NULL, continuation INTEGER NOT NULL) STRICT;"

    "CREATE TABLE verdicts("
    " issue_id TEXT PRIMARY KEY,"
    " parked INTEGER NOT NULL DEFAULT 0,"
    " settled INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0,"
    " state TEXT NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " delivered_at INTEGER NOT NULL DEFAULT 0) STRICT;"

    "CREATE TABLE outbox("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind INTEGER NOT NULL, key TEXT NOT NULL UNIQUE,"
    " attempt_id TEXT NOT NULL, issue_id TEXT NOT NULL,"
    " issue_identifier TEXT NOT NULL, body TEXT NOT NULL,"
    " tries INTEGER NOT NULL DEFAULT 0,"
    " not_before INTEGER NOT NULL DEFAULT 0,"
    " dead INTEGER NOT NULL DEFAULT 0, error TEXT,"
    " created_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX outbox_issue ON outbox(issue_id, id) WHERE dead = 0;";

static const char tracker_schema[] =
    "CREATE TABLE prefixes("
    " prefix TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT;"
    "CREATE TABLE issues("
    " sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " identifier TEXT NOT NULL UNIQUE, title TEXT NOT NULL,"
    " description TEXT, state TEXT NOT NULL, state_key TEXT NOT NULL,"
    " priority INTEGER NOT NULL, labels TEXT NOT NULL,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX issues_state ON issues(state_key, sequence);"
    "CREATE TABLE comments("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, issue_id TEXT NOT NULL,"
    " key TEXT, author TEXT NOT NULL, body TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX comments_issue ON comments(issue_id, id);"
    "CREATE UNIQUE INDEX comments_key ON comments(issue_id, key)"
    " WHERE key IS NOT NULL;";

const char *const store_migrations[] = {
    attempts_schema, effects_schema, tracker_schema};
const size_t store_migration_count = ARRAY_LEN(store_migrations);
