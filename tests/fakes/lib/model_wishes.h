/* SPDX-License-Identifier: Apache-2.0
 * What the rehearsal model is told to do other than its plain work: lines
 * `rehearsal: NAME` or `rehearsal: NAME=VALUE` of an issue, or of a script. */
#ifndef TESTS_FAKES_LIB_MODEL_WISHES_H
#define TESTS_FAKES_LIB_MODEL_WISHES_H

#include <stdbool.h>

enum { WISH_TEXT_MAX = 1024 };

/* name, kind, what it does. The table gives the struct, the parser and the
 * help. */
/* clang-format off */
#define MODEL_WISHES(FLAG, NUMBER, TEXT)                                       \
    NUMBER(status, "status", "answer with this HTTP status (401, 429, 500 ..)")\
    FLAG(usage_limit, "usage-limit", "answer that the usage limit is reached") \
    FLAG(context, "context", "answer that the conversation is too long")       \
    FLAG(hangup, "hangup", "hang up in the middle of the stream")              \
    FLAG(hang, "hang", "take the request and never answer")                    \
    FLAG(silent, "silent", "begin the stream, then say nothing more")          \
    NUMBER(delay_ms, "delay", "wait so many ms before each answer")            \
    NUMBER(slow_ms, "slow", "stream byte by byte, so many ms apart")           \
    NUMBER(big_kb, "big", "a last message of so many KiB")                     \
    NUMBER(limits, "limits", "report rate limits, so many percent used")       \
    FLAG(never_done, "never-done", "never end with a status line")             \
    FLAG(blocked, "blocked", "end with RISOLUTO_STATUS: BLOCKED")              \
    TEXT(run, "run", "run this command first")                                 \
    NUMBER(sleep_s, "sleep", "run `sleep` for so many seconds")                \
    FLAG(parallel, "parallel", "run two commands at the same time")            \
    FLAG(escalate, "escalate", "ask to run a command outside the sandbox")     \
    TEXT(outside, "outside", "try to write to this path, outside")             \
    TEXT(network, "network", "try to connect to this HOST:PORT")               \
    NUMBER(memory_mb, "memory", "run a command that takes so many MiB")

/* clang-format on */

struct model_wishes {
#define FLAG(member, name, help) bool member;
#define NUMBER(member, name, help) long member;
#define TEXT(member, name, help) char member[WISH_TEXT_MAX];
    MODEL_WISHES(FLAG, NUMBER, TEXT)
#undef FLAG
#undef NUMBER
#undef TEXT
};

/* Adds "NAME" or "NAME=VALUE"; false when there is no such wish, or its value
 * is not of its kind. */
bool model_wish(struct model_wishes *wishes, const char *text);

/* Adds those of every `rehearsal:` line of a text; unknown ones are left. */
void model_wishes_in(struct model_wishes *wishes, const char *text);

/* One line per wish, for --help. */
extern const char *const model_wishes_help;

#endif
