/* SPDX-License-Identifier: Apache-2.0
 * The guard: every row of the table in the security document, and what a
 * browser can be made to send. */
#include "control/http/guard.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { PORT = 4000 };

#define TOKEN "correct-horse-battery-staple"

static struct http_request
request_with(const struct http_header *headers, size_t count, bool loopback)
{
    return (struct http_request){.method = "POST",
        .path = "/api/v1/refresh",
        .headers = headers,
        .header_count = count,
        .loopback = loopback};
}

static void
set_token(struct guard *guard, const char *token)
{
    struct err err = ERR_INIT;
    struct secret *secret = secret_new(token, strlen(token));

    cr_assert_eq(guard_set_token(guard, secret, &err), 0);
    secret_free(secret);
}

/* ---- writing ---- */

struct write_case {
    const char *name;
    const char *authorization;
    enum err_code expected;
    bool token_set;
    bool loopback;
};

Test(guard, writing_follows_the_documented_table)
{
    static const struct write_case cases[] = {
        {"loopback without a token set", NULL, ERR_NONE, false, true},
        {"remote without a token set", NULL, ERR_FORBIDDEN, false, false},
        {"remote with a token that nobody set", "Bearer " TOKEN, ERR_FORBIDDEN,
            false, false},
        {"right token from afar", "Bearer " TOKEN, ERR_NONE, true, false},
        {"right token from here", "Bearer " TOKEN, ERR_NONE, true, true},
        {"scheme in another case", "bearer " TOKEN, ERR_NONE, true, false},
        {"loopback needs the token too", NULL, ERR_UNAUTHORIZED, true, true},
        {"wrong token", "Bearer wrong", ERR_UNAUTHORIZED, true, false},
        {"a prefix of it", "Bearer correct-horse", ERR_UNAUTHORIZED, true,
            false},
        {"more than it", "Bearer " TOKEN "x", ERR_UNAUTHORIZED, true, false},
        {"empty token", "Bearer ", ERR_UNAUTHORIZED, true, false},
        {"another scheme", "Basic " TOKEN, ERR_UNAUTHORIZED, true, false},
        {"no scheme", TOKEN, ERR_UNAUTHORIZED, true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct write_case *c = &cases[i];
        struct http_header header = {"Authorization", c->authorization};
        struct http_request request =
            request_with(&header, c->authorization != NULL, c->loopback);
        struct guard guard = {.port = PORT, .bind = "127.0.0.1"};
        struct err err = ERR_INIT;

        if (c->token_set)
            set_token(&guard, TOKEN);
        int rc = guard_check_write(&guard, &request, &err);

        cr_expect_eq(rc, c->expected == ERR_NONE ? 0 : -1, "%s", c->name);
        cr_expect_eq(err.code, c->expected, "%s", c->name);
    }
}

Test(guard, a_second_authorization_header_is_refused)
{
    const struct http_header headers[] = {
        {"Authorization", "Bearer " TOKEN}, {"authorization", "Bearer x"}};
    struct http_request request = request_with(headers, 2, true);
    struct guard guard = {.port = PORT, .bind = "127.0.0.1"};
    struct err err = ERR_INIT;

    set_token(&guard, TOKEN);
    cr_expect_eq(guard_check_write(&guard, &request, &err), -1);
    cr_expect_eq(err.code, ERR_UNAUTHORIZED);
}

/* Behind a proxy every client looks like loopback. */
Test(guard, loopback_through_a_proxy_may_not_write_without_a_token)
{
    static const char *const marks[] = {
        "X-Forwarded-For", "Forwarded", "x-real-ip", "Via"};

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        const struct http_header header = {marks[i], "203.0.113.9"};
        struct http_request request = request_with(&header, 1, true);
        struct guard guard = {.port = PORT, .bind = "127.0.0.1"};
        struct err err = ERR_INIT;

        cr_expect_eq(
            guard_check_write(&guard, &request, &err), -1, "%s", marks[i]);
        cr_expect_eq(err.code, ERR_FORBIDDEN);
    }
}

Test(guard, forwarded_for_does_not_make_a_remote_client_local)
{
    const struct http_header header = {"X-Forwarded-For", "127.0.0.1"};
    struct http_request request = request_with(&header, 1, false);
    struct guard guard = {.port = PORT, .bind = "0.0.0.0"};
    struct err err = ERR_INIT;

    cr_expect_eq(guard_check_write(&guard, &request, &err), -1);
    cr_expect_eq(err.code, ERR_FORBIDDEN);
}

/* ---- Host and Origin ---- */

struct site_case {
    const char *bind;
    const char *host;
    const char *origin;
    enum err_code expected;
};

static char allowed_name[] = "risoluto.example.org";
static char allowed_with_port[] = "proxy.example.org:8443";
static char *allowed[] = {allowed_name, allowed_with_port};

static void
check_site(const struct site_case *c)
{
    const struct http_header headers[] = {
        {"Host", c->host}, {"Origin", c->origin}};
    struct http_request request =
        request_with(headers, c->origin == NULL ? 1 : 2, true);
    struct guard guard = {
        .port = PORT, .allowed_hosts = allowed, .allowed_count = 2};
    struct err err = ERR_INIT;

    (void)snprintf(guard.bind, sizeof(guard.bind), "%s", c->bind);
    int rc = guard_check_site(&guard, &request, &err);

    cr_expect_eq(rc, c->expected == ERR_NONE ? 0 : -1, "%s on %s, origin %s",
        c->host, c->bind, c->origin == NULL ? "-" : c->origin);
    cr_expect_eq(err.code, c->expected, "%s on %s, origin %s: %s", c->host,
        c->bind, c->origin == NULL ? "-" : c->origin, err.message);
}

Test(guard, only_our_own_names_are_served)
{
    static const struct site_case cases[] = {
        {"127.0.0.1", "127.0.0.1:4000", NULL, ERR_NONE},
        {"127.0.0.1", "localhost:4000", NULL, ERR_NONE},
        {"127.0.0.1", "LOCALHOST:4000", NULL, ERR_NONE},
        {"127.0.0.1", "[::1]:4000", NULL, ERR_NONE},
        {"127.0.0.1", "127.0.0.1", NULL, ERR_HOST},
        {"127.0.0.1", "127.0.0.1:4001", NULL, ERR_HOST},
        {"127.0.0.1", "evil.example.org:4000", NULL, ERR_HOST},
        {"127.0.0.1", "127.0.0.1.evil.example.org:4000", NULL, ERR_HOST},
        {"127.0.0.1", "localhost.evil.example.org:4000", NULL, ERR_HOST},
        {"127.0.0.1", "", NULL, ERR_HOST},
        {"127.0.0.1", ":4000", NULL, ERR_HOST},
        {"127.0.0.1", "localhost:", NULL, ERR_HOST},
        {"127.0.0.1", "localhost:4000x", NULL, ERR_HOST},
        {"127.0.0.1", "localhost:99999", NULL, ERR_HOST},
        {"127.0.0.1", "user@localhost:4000", NULL, ERR_HOST},
        {"127.0.0.1", "[::1:4000", NULL, ERR_HOST},
        {"127.0.0.1", "192.0.2.7:4000", NULL, ERR_HOST},
        {"192.0.2.7", "192.0.2.7:4000", NULL, ERR_NONE},
        {"0.0.0.0", "192.0.2.7:4000", NULL, ERR_HOST},
        {"127.0.0.1", "risoluto.example.org", NULL, ERR_NONE},
        {"127.0.0.1", "risoluto.example.org:4000", NULL, ERR_NONE},
        {"127.0.0.1", "risoluto.example.org:81", NULL, ERR_HOST},
        {"127.0.0.1", "proxy.example.org:8443", NULL, ERR_NONE},
        {"127.0.0.1", "proxy.example.org", NULL, ERR_HOST},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_site(&cases[i]);
}

Test(guard, pages_of_other_origins_are_refused)
{
    static const struct site_case cases[] = {
        {"127.0.0.1", "localhost:4000", "http://localhost:4000", ERR_NONE},
        {"127.0.0.1", "localhost:4000", "http://127.0.0.1:4000", ERR_NONE},
        {"127.0.0.1", "risoluto.example.org", "https://risoluto.example.org",
            ERR_NONE},
        {"127.0.0.1", "localhost:4000", "http://localhost:3000", ERR_ORIGIN},
        {"127.0.0.1", "localhost:4000", "http://evil.example.org", ERR_ORIGIN},
        {"127.0.0.1", "localhost:4000", "null", ERR_ORIGIN},
        {"127.0.0.1", "localhost:4000", "", ERR_ORIGIN},
        {"127.0.0.1", "localhost:4000", "file://localhost:4000", ERR_ORIGIN},
        {"0.0.0.0", "localhost:4000", "http://203.0.113.9:4000", ERR_ORIGIN},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_site(&cases[i]);
}
