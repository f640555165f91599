/* SPDX-License-Identifier: Apache-2.0
 * Text for a terminal. What an agent, an issue or a server wrote is not
 * trusted: it must not move the cursor, set a title, or hide what stands
 * beside it. */
#ifndef CONTROL_CLI_TEXT_H
#define CONTROL_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes text with every control character as a visible escape (\x1b, \u202e)
 * and bytes that are no UTF-8 as U+FFFD. Line ends become spaces. NULL is "".
 */
void text_line(FILE *out, const char *text);

/* As text_line, at most max characters, and "..." when more was left. */
void text_short(FILE *out, const char *text, size_t max);

/* As text_line, but keeps tabs and line ends; every line begins with indent. */
void text_block(FILE *out, const char *text, const char *indent);

/* A unified diff, every line indented; coloured when colour is set. */
void text_diff(FILE *out, const char *diff, const char *indent, bool colour);

/* May out be given colours: a terminal, and NO_COLOR is not set? */
bool text_is_colourful(FILE *out);

/* "4.2s", "1m05s", "2h03m". Returns out. */
enum { TEXT_ELAPSED_SIZE = 24 };

const char *text_elapsed(int64_t ms, char out[TEXT_ELAPSED_SIZE]);

/* 1234567 as "1,234,567". Returns out. */
enum { TEXT_COUNT_SIZE = 32 };

const char *text_count(int64_t n, char out[TEXT_COUNT_SIZE]);

#endif
