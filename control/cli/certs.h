/* SPDX-License-Identifier: Apache-2.0
 * X.509 certificates with P-256 keys: certs.c is the only file of the command
 * that knows how OpenSSL makes and checks them. */
#ifndef CONTROL_CLI_CERTS_H
#define CONTROL_CLI_CERTS_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct certs_pair; /* a certificate, and its private key unless it is lost */

enum certs_role { CERTS_CA, CERTS_CLIENT, CERTS_SERVER };

struct certs_spec {
    const char *common_name;
    enum certs_role role;
    int days;
    char *const *names; /* subject alternative names: DNS or IP */
    size_t name_count;
};

/* A new key and its certificate, signed by ca (NULL: by itself). */
int certs_make(struct certs_pair **out, const struct certs_spec *spec,
    const struct certs_pair *ca, struct err *err);

/* Reads PEM files. *out is NULL when the certificate does not exist; a
 * missing key file is legal (certs_has_key). ERR_CONFIG: neither is PEM. */
int certs_read(struct certs_pair **out, const char *cert_path,
    const char *key_path, struct err *err);

/* Writes both, the key first and 0600. */
int certs_write(const struct certs_pair *pair, const char *cert_path,
    const char *key_path, struct err *err);

void certs_free(struct certs_pair *pair);
void certs_free_ptr(struct certs_pair **pair); /* for AUTO() */

bool certs_has_key(const struct certs_pair *pair); /* one that fits */
bool certs_is_signed_by(
    const struct certs_pair *pair, const struct certs_pair *ca);
bool certs_has_role(const struct certs_pair *pair, enum certs_role role);
bool certs_has_name(const struct certs_pair *pair, const char *name);
bool certs_is_valid_at(const struct certs_pair *pair, time_t when);

/* "2027-11-20" */
void certs_expiry(const struct certs_pair *pair, char out[11]);

/* A host name (also with a leading "*."), or an address? */
bool certs_is_name(const char *name);

/* Calls each(arg, name) for the DNS names and addresses of a certificate,
 * until it returns non-zero, which is returned. */
int certs_each_name(const struct certs_pair *pair,
    int (*each)(void *arg, const char *name), void *arg);

#endif
