/* SPDX-License-Identifier: Apache-2.0
 * The address of a model provider as a worker sees it: what is the host's
 * own loopback to the operator is host.docker.internal to a container. */
#include "dataplane/codex/codex.h"

#include "common/cleanup.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX = 1024 };

/* The parts of scheme://host[:port][/path], pointing into the URL. */
struct url_parts {
    const char *authority;
    const char *host;
    size_t host_len;
    const char *rest; /* ":port/path", or what of it there is */
};

static bool
is_url_byte(unsigned char byte)
{
    return byte > ' ' && byte < 0x7f && strchr("\"<>\\^`{|}", byte) == NULL;
}

static bool
valid_port_and_path(const char *rest)
{
    if (*rest == ':') {
        size_t digits = strspn(rest + 1, "0123456789");
        long port = 0;
        for (size_t i = 1; i <= digits && port <= 65535; i++)
            port = port * 10 + (rest[i] - '0');
        if (digits == 0 || port == 0 || port > 65535)
            return false;
        rest += 1 + digits;
    }
    return *rest == '\0' || *rest == '/';
}

static size_t
host_length(const char *authority)
{
    if (*authority != '[')
        return strcspn(authority, ":/");
    const char *close = strchr(authority, ']');
    return close == NULL ? 0 : (size_t)(close - authority) + 1;
}

static int
split(const char *url, struct url_parts *out, struct err *err)
{
    size_t scheme = 0;
    if (strncasecmp(url, "https://", 8) == 0)
        scheme = 8;
    else if (strncasecmp(url, "http://", 7) == 0)
        scheme = 7;
    else
        return err_set(err, ERR_CONFIG,
            "codex.provider.base_url must start with http:// or https://");
    for (const char *p = url; *p != '\0'; p++)
        if (!is_url_byte((unsigned char)*p))
            return err_set(err, ERR_CONFIG,
                "codex.provider.base_url has a byte that no URL may have, at "
                "offset %zu",
                (size_t)(p - url));
    if (strlen(url) > URL_MAX)
        return err_set(err, ERR_CONFIG,
            "codex.provider.base_url is longer than %d bytes", URL_MAX);
    if (strpbrk(url, "@?#") != NULL)
        return err_set(err, ERR_CONFIG,
            "codex.provider.base_url must have no credential, query or "
            "fragment; the key belongs in codex.auth.api_key");
    out->authority = url + scheme;
    out->host = out->authority;
    out->host_len = host_length(out->authority);
    out->rest = out->authority + out->host_len;
    if (out->host_len == 0 || !valid_port_and_path(out->rest))
        return err_set(err, ERR_CONFIG,
            "codex.provider.base_url has no valid host and port");
    return 0;
}

static bool
host_is(const struct url_parts *parts, const char *name)
{
    return parts->host_len == strlen(name) &&
           strncasecmp(parts->host, name, parts->host_len) == 0;
}

/* 127.x.y.z, all of which are loopback. */
static bool
is_loopback_v4(const char *host, size_t len)
{
    if (len < 7 || strncmp(host, "127.", 4) != 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isdigit((unsigned char)host[i]) && host[i] != '.')
            return false;
    return true;
}

static bool
is_host_bound(const struct url_parts *parts)
{
    static const char *const names[] = {
        "localhost", "localhost.", "[::1]", "0.0.0.0", "[::]"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (host_is(parts, names[i]))
            return true;
    return is_loopback_v4(parts->host, parts->host_len);
}

char *
codex_worker_url(const char *base_url, struct err *err)
{
    struct url_parts parts = {base_url, base_url, 0, base_url};
    if (split(base_url, &parts, err) != 0)
        return NULL;
    AUTO(buf_free) struct buf out;
    buf_init(&out, URL_MAX + 64);
    buf_append(&out, base_url, (size_t)(parts.authority - base_url));
    if (is_host_bound(&parts))
        buf_puts(&out, "host.docker.internal");
    else
        buf_append(&out, parts.host, parts.host_len);
    /* Codex appends "/responses" itself. */
    size_t rest = strlen(parts.rest);
    while (rest > 0 && parts.rest[rest - 1] == '/')
        rest--;
    buf_append(&out, parts.rest, rest);
    if (buf_check(&out, err) != 0)
        return NULL;
    char *url = buf_steal(&out);
    if (url == NULL)
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
    return url;
}
