/* SPDX-License-Identifier: Apache-2.0
 * The certificates of a plane, as `risoluto pki DIR` makes them. */
#ifndef COMMON_PKI_H
#define COMMON_PKI_H

#include "common/buf.h"
#include "common/err.h"

struct pki {
    struct buf ca;
    struct buf cert;
    struct buf key; /* secret */
};

/* Reads DIR/ca.crt, DIR/ROLE.crt and DIR/ROLE.key (PEM). ERR_CONFIG, saying
 * what to do, when one cannot be read or the key is open to others. *out is
 * released by pki_release in any case. */
int pki_load(
    struct pki *out, const char *dir, const char *role, struct err *err);
void pki_release(struct pki *pki);

#endif
