/* SPDX-License-Identifier: Apache-2.0
 * The prompt template: Liquid's variables, filters, if and for, strict
 * (Symphony specification 5.4): an unknown variable or filter is an error. */
#ifndef CONTROL_CONFIG_TEMPLATE_H
#define CONTROL_CONFIG_TEMPLATE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

/* Renders text over the variables that are members of root (an object:
 * {"issue":{..},"attempt":2}). ERR_CONFIG "template_parse_error: line 3: .."
 * or "template_render_error: line 3: ..". Output and loops are bounded. */
int template_render(const char *text, const struct json *root, struct buf *out,
    struct err *err);

#endif
