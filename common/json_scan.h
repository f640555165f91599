/* SPDX-License-Identifier: Apache-2.0
 * The validator that runs before cJSON sees a text: everything that cJSON is
 * lenient about is refused here. Private to json.c. */
#ifndef COMMON_JSON_SCAN_H
#define COMMON_JSON_SCAN_H

#include "common/err.h"

#include <stddef.h>

/* Exactly one RFC 8259 value, without a NUL in a string, a lone surrogate, a
 * nesting deeper than JSON_DEPTH_MAX or more than JSON_NODES_MAX values. */
int json_scan(const char *text, size_t len, struct err *err);

#endif
