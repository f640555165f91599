/* SPDX-License-Identifier: Apache-2.0
 * The private CA of the planes, and the one certificate of each. */
#ifndef CONTROL_CLI_PKI_H
#define CONTROL_CLI_PKI_H

#include "common/err.h"

#include <stddef.h>
#include <stdio.h>

enum {
    PKI_CA_DAYS = 3650,
    PKI_LEAF_DAYS = 365,
    PKI_RENEW_DAYS = 30, /* renewed when this near to its end */
    PKI_NAMES_MAX = 64
};

struct pki_options {
    const char *dir;
    const char *const *names; /* of the data planes, besides localhost,
                                 127.0.0.1 and dataplane */
    size_t name_count;
    int ca_days;   /* 0: PKI_CA_DAYS */
    int leaf_days; /* 0: PKI_LEAF_DAYS */
};

/* Makes what is missing in dir (ca.crt, ca.key, control.crt, control.key,
 * dataplane.crt, dataplane.key), renews what ends soon or lacks a name, keeps
 * the rest. Says on out what it did with each. Keys are 0600. */
int pki_ensure(const struct pki_options *options, FILE *out, struct err *err);

#endif
