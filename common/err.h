/* SPDX-License-Identifier: Apache-2.0
 * The error value: what went wrong, as a code and a sentence for people. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>

/* One row per code: name on the wire, HTTP status, worth a retry unchanged?
 * The only place where a code, its text and its mappings are written. */
#define ERR_CODES(X)                                                           \
    X(ERR_NONE, "none", 200, false)                                            \
    X(ERR_INVALID, "invalid_request", 400, false)                              \
    X(ERR_UNAUTHORIZED, "write_unauthorized", 401, false)                      \
    X(ERR_FORBIDDEN, "write_forbidden", 403, false)                            \
    X(ERR_HOST, "host_forbidden", 403, false)                                  \
    X(ERR_ORIGIN, "origin_forbidden", 403, false)                              \
    X(ERR_NOT_FOUND, "not_found", 404, false)                                  \
    X(ERR_METHOD, "method_not_allowed", 405, false)                            \
    X(ERR_CONFLICT, "conflict", 409, false)                                    \
    X(ERR_STATE, "wrong_state", 409, false)                                    \
    X(ERR_STALE_FENCE, "stale_fence", 409, false)                              \
    X(ERR_LENGTH_REQUIRED, "length_required", 411, false)                      \
    X(ERR_TOO_LARGE, "too_large", 413, false)                                  \
    X(ERR_MEDIA_TYPE, "unsupported_media_type", 415, false)                    \
    X(ERR_CONFIG, "invalid_config", 422, false)                                \
    X(ERR_RATE_LIMITED, "rate_limited", 429, true)                             \
    X(ERR_INTERNAL, "internal", 500, false)                                    \
    X(ERR_NO_MEMORY, "no_memory", 500, true)                                   \
    X(ERR_SYSTEM, "system", 500, true)                                         \
    X(ERR_STORE, "store", 500, true)                                           \
    X(ERR_DISK_FULL, "disk_full", 507, true)                                   \
    X(ERR_PROTOCOL, "protocol", 502, false)                                    \
    X(ERR_UPSTREAM, "upstream", 502, true)                                     \
    X(ERR_UNAVAILABLE, "unavailable", 503, true)                               \
    X(ERR_BUSY, "busy", 503, true)                                             \
    X(ERR_TIMEOUT, "timeout", 504, true)                                       \
    X(ERR_CANCELLED, "cancelled", 499, false)                                  \
    X(ERR_TRACKER_CONFIG, "tracker_config_invalid", 422, false)                \
    X(ERR_TRACKER_AUTH, "tracker_auth_failed", 502, false)                     \
    X(ERR_TRACKER_REQUEST, "tracker_request_failed", 502, true)                \
    X(ERR_TRACKER_STATUS, "tracker_status_error", 502, true)                   \
    X(ERR_TRACKER_PAYLOAD, "tracker_unknown_payload", 502, true)               \
    X(ERR_TRACKER_PAGINATION, "tracker_pagination_error", 502, true)           \
    X(ERR_TRACKER_RATE, "tracker_rate_limited", 503, true)

enum err_code {

#define X(id, name, http, retry) id,
    ERR_CODES(X)
#undef X
        ERR_CODE_COUNT
};

enum { ERR_MESSAGE_MAX = 512 };

struct err {
    enum err_code code;
    int sys; /* errno at the time, or 0 */
    char message[ERR_MESSAGE_MAX];
};

#define ERR_INIT                                                               \
    {                                                                          \
        .code = ERR_NONE                                                       \
    }

/* Sets code and message (truncated at ERR_MESSAGE_MAX). Always returns -1, so
 * that a failing function can `return err_set(err, ...)`. err is never NULL. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with errno's text appended; ENOSPC and EDQUOT become
 * ERR_DISK_FULL, ENOMEM becomes ERR_NO_MEMORY, anything else ERR_SYSTEM. */
int err_sys(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Out of memory. Returns -1. */
int err_no_memory(struct err *err);

/* Puts "context: " before the message. Returns -1. */
int err_wrap(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets the error. */
void err_clear(struct err *err);

/* The wire name of a code; never NULL. */
const char *err_name(enum err_code code);

/* The code of a wire name; ERR_INTERNAL for a name that is not ours. */
enum err_code err_from_name(const char *name);

/* The HTTP status that a code is answered with. */
int err_http_status(enum err_code code);

/* Whether the same request may succeed later without a change. */
bool err_is_retryable(enum err_code code);

#endif
