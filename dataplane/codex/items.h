/* SPDX-License-Identifier: Apache-2.0
 * Payloads of Codex that are kept: written within a bound, and marked when
 * something was left out. */
#ifndef DATAPLANE_CODEX_ITEMS_H
#define DATAPLANE_CODEX_ITEMS_H

#include "common/err.h"
#include "common/json.h"

#include <stdbool.h>
#include <stddef.h>

enum { ITEM_BYTES_MAX = 256 * 1024, ITEM_TEXT_MAX = 64 * 1024 };

/* Writes node under key in at most max_bytes bytes. What does not fit is cut
 * (long strings, long arrays) and the object gets "truncated":true. */
int item_write(struct jw *w, const char *key, const struct json *node,
    size_t max_bytes, struct err *err);

/* Writes a string of at most ITEM_TEXT_MAX bytes, cut between characters;
 * true when something was cut. */
bool item_write_text(struct jw *w, const char *key, const char *text);

/* What an agent's last message says about its work. */
enum item_verdict { VERDICT_NONE, VERDICT_DONE, VERDICT_BLOCKED };

/* The verdict in the last line of text; *body_len is the length of what
 * stands before that line (all of it when there is none). */
enum item_verdict item_verdict(const char *text, size_t *body_len);

#endif
