/* SPDX-License-Identifier: Apache-2.0
 * docs/configuration.md, made from the table of keys. */
#ifndef CONTROL_CONFIG_DOC_H
#define CONTROL_CONFIG_DOC_H

#include "common/buf.h"

/* Appends the whole page; failures are the buf's. A unit test holds the file
 * to this; `make docs` rewrites it. */
void doc_configuration(struct buf *out);

#endif
