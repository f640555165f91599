/* SPDX-License-Identifier: Apache-2.0
 * Who may ask: Host, Origin, and the write guard. A page in the operator's
 * browser can reach loopback too, so the address alone proves nothing. */
#include "control/http/guard.h"

#include "common/cleanup.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_LEN = 255 };

/* Host or Origin, taken apart. */
struct authority {
    char name[NAME_MAX_LEN + 1]; /* lower case, without brackets */
    int64_t port;                /* 0: none given */
};

/* ---- parsing ---- */

static bool
is_name_char(char c, bool bracketed)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || (bracketed && c == ':');
}

static bool
copy_name(const char *text, size_t len, bool bracketed, struct authority *out)
{
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!is_name_char(c, bracketed))
            return false;
        out->name[i] = c;
    }
    out->name[len] = '\0';
    return true;
}

static bool
parse_authority(const char *text, struct authority *out)
{
    const char *rest = NULL;
    bool bracketed = text[0] == '[';

    out->port = 0;
    if (bracketed) {
        const char *end = strchr(text, ']');

        if (end == NULL ||
            !copy_name(text + 1, (size_t)(end - text - 1), true, out))
            return false;
        rest = end + 1;
    } else {
        size_t len = strcspn(text, ":");

        if (!copy_name(text, len, false, out))
            return false;
        rest = text + len;
    }
    if (*rest == '\0')
        return true;
    return *rest == ':' && http_parse_int(rest + 1, UINT16_MAX, &out->port) &&
           out->port > 0;
}

/* ---- is it us? ---- */

static bool
is_loopback_name(const char *name)
{
    struct in_addr address;

    if (strcmp(name, "localhost") == 0 || strcmp(name, "::1") == 0)
        return true;
    return inet_pton(AF_INET, name, &address) == 1 &&
           ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* Bound to every address, each address of this machine is the bind address. */
static bool
is_local_address(const char *name)
{
    struct in_addr address;
    struct ifaddrs *list = NULL;
    bool found = false;

    if (inet_pton(AF_INET, name, &address) != 1 || getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
        struct sockaddr_in in;

        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&in, i->ifa_addr, sizeof(in));
        found = in.sin_addr.s_addr == address.s_addr;
    }
    freeifaddrs(list);
    return found;
}

static bool
is_bind_address(const struct guard *guard, const char *name)
{
    if (strcmp(name, guard->bind) == 0)
        return true;
    return strcmp(guard->bind, "0.0.0.0") == 0 && is_local_address(name);
}

/* An entry without a port fits our own port and, for a proxy that serves us
 * under its scheme's default one, no port at all. */
static bool
is_allowed_host(const struct guard *guard, const struct authority *asked)
{
    for (size_t i = 0; i < guard->allowed_count; i++) {
        struct authority entry;

        if (!parse_authority(guard->allowed_hosts[i], &entry) ||
            strcmp(entry.name, asked->name) != 0)
            continue;
        if (entry.port == asked->port)
            return true;
        if (entry.port == 0 && asked->port == guard->port)
            return true;
    }
    return false;
}

static bool
is_ours(const struct guard *guard, const char *text)
{
    struct authority asked;

    if (!parse_authority(text, &asked))
        return false;
    if (is_allowed_host(guard, &asked))
        return true;
    if ((asked.port == 0 ? 80 : asked.port) != guard->port)
        return false;
    return is_loopback_name(asked.name) || is_bind_address(guard, asked.name);
}

/* "http://host:port"; a browser never sends a path here. */
static bool
is_our_origin(const struct guard *guard, const char *origin)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        return is_ours(guard, origin + 7);
    if (strncasecmp(origin, "https://", 8) == 0)
        return is_ours(guard, origin + 8);
    return false;
}

int
guard_check_site(const struct guard *guard, const struct http_request *request,
    struct err *err)
{
    const char *host = http_header(request, "Host");
    const char *origin = http_header(request, "Origin");

    if (host == NULL || !is_ours(guard, host))
        return err_set(err, ERR_HOST,
            "this Host name is not served here; if it is right, add it to "
            "server.allowed_hosts");
    if (http_header_count(request, "Origin") > 1 ||
        (origin != NULL && !is_our_origin(guard, origin)))
        return err_set(err, ERR_ORIGIN,
            "requests from pages of another origin are refused");
    return 0;
}

/* ---- the write guard ---- */

int
guard_set_token(
    struct guard *guard, const struct secret *token, struct err *err)
{
    guard->has_token = token != NULL;
    if (token == NULL)
        return 0;
    if (!digest_sha256(
            secret_bytes(token), secret_len(token), guard->token_hash))
        return err_set(err, ERR_INTERNAL, "cannot hash the write token");
    return 0;
}

/* Both sides are hashed, so that the comparison takes the same time whatever
 * the guess, its length included. */
static bool
has_right_token(const struct guard *guard, const struct http_request *request)
{
    const char *value = http_header(request, "Authorization");
    unsigned char hash[DIGEST_SIZE];

    if (value == NULL || http_header_count(request, "Authorization") != 1 ||
        strncasecmp(value, "Bearer ", 7) != 0)
        return false;
    value += 7;
    value += strspn(value, " ");
    size_t len = strlen(value);

    while (len > 0 && value[len - 1] == ' ')
        len--;
    return len > 0 && len <= GUARD_TOKEN_MAX &&
           digest_sha256(value, len, hash) &&
           digest_equal(hash, guard->token_hash);
}

static bool
came_through_proxy(const struct http_request *request)
{
    static const char *const marks[] = {
        "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"};

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (http_header(request, marks[i]) != NULL)
            return true;
    }
    return false;
}

int
guard_check_write(const struct guard *guard, const struct http_request *request,
    struct err *err)
{
    if (guard->has_token)
        return has_right_token(guard, request)
                   ? 0
                   : err_set(err, ERR_UNAUTHORIZED,
                         "writing needs the header Authorization: Bearer with "
                         "the "
                         "write token");
    if (!request->loopback)
        return err_set(err, ERR_FORBIDDEN,
            "only this machine may write while no RISOLUTO_WRITE_TOKEN is "
            "set");
    if (came_through_proxy(request))
        return err_set(err, ERR_FORBIDDEN,
            "writing through a proxy needs a RISOLUTO_WRITE_TOKEN: the proxy "
            "hides who asks");
    return 0;
}
