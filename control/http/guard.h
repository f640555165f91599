/* SPDX-License-Identifier: Apache-2.0
 * Who may ask: Host, Origin, and the write guard. */
#ifndef CONTROL_HTTP_GUARD_H
#define CONTROL_HTTP_GUARD_H

#include "common/err.h"
#include "common/secret.h"
#include "control/http/call.h"
#include "control/tracker/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUARD_TOKEN_MAX = 1024 };

struct guard {
    bool has_token;
    unsigned char token_hash[DIGEST_SIZE]; /* SHA-256: never the token */
    char bind[64];                         /* IPv4 address, or 0.0.0.0 */
    uint16_t port;
    char *const *allowed_hosts; /* "name" or "name:port" */
    size_t allowed_count;
};

/* Remembers the token's hash; NULL: there is none. */
int guard_set_token(
    struct guard *guard, const struct secret *token, struct err *err);

/* Is the request for us (ERR_HOST), and from a page of ours or from no page
 * at all (ERR_ORIGIN)? This is what stops DNS rebinding and forged posts. */
int guard_check_site(const struct guard *guard,
    const struct http_request *request, struct err *err);

/* May this client write? ERR_UNAUTHORIZED, ERR_FORBIDDEN. With a token set
 * everybody needs it. Without one only a client on this machine may write,
 * and not through a proxy: then we cannot know who asks. */
int guard_check_write(const struct guard *guard,
    const struct http_request *request, struct err *err);

#endif
