/* SPDX-License-Identifier: Apache-2.0
 * Events, issues and attempts as lines for people. Everything that came over
 * the wire goes through text.h. */
#ifndef CONTROL_CLI_RENDER_H
#define CONTROL_CLI_RENDER_H

#include "common/json.h"

#include <stdbool.h>
#include <stdio.h>

/* Is the event one that people want a line for? Deltas, usage and the like
 * are not. */
bool render_is_shown(const char *type, const struct json *data);

/* "container.created    risoluto-RIS-1-1a2b3c4d" without a line end. */
void render_event(FILE *out, const char *type, const struct json *data);

/* A table row of an issue, an attempt; with a line end. */
void render_issue_row(FILE *out, const struct json *issue);
void render_attempt_row(FILE *out, const struct json *attempt);

/* The whole of an attempt. */
void render_attempt(FILE *out, const struct json *attempt);

/* "12,345 in (11,000 cached), 678 out (120 reasoning), 13,023 in all"; from
 * an object with input_tokens and so on. */
void render_tokens(FILE *out, const struct json *tokens);

/* The member as text, "-" when it is missing, empty or null. */
void render_member(FILE *out, const struct json *object, const char *name);

#endif
