/* SPDX-License-Identifier: Apache-2.0
 * codex_worker_url. */
#include "dataplane/codex/codex.h"

#include "common/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

struct url_case {
    const char *in;
    const char *out; /* NULL: refused */
};

static void
check(const struct url_case *c)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *url = codex_worker_url(c->in, &err);
    if (c->out == NULL) {
        cr_expect_null(url, "%s was accepted as %s", c->in, url);
        cr_expect_eq(err.code, ERR_CONFIG, "%s: %s", c->in, err.message);
        return;
    }
    cr_assert_not_null(url, "%s: %s", c->in, err.message);
    cr_expect_str_eq(url, c->out);
}

Test(codex_url, rewrites_loopback_and_nothing_else)
{
    static const struct url_case cases[] = {
        {"http://127.0.0.1:8080/v1", "http://host.docker.internal:8080/v1"},
        {"http://127.9.0.3/v1", "http://host.docker.internal/v1"},
        {"http://localhost:1", "http://host.docker.internal:1"},
        {"HTTP://LocalHost:1/", "HTTP://host.docker.internal:1"},
        {"https://localhost./v1/", "https://host.docker.internal/v1"},
        {"http://[::1]:9/v1", "http://host.docker.internal:9/v1"},
        {"http://0.0.0.0:9", "http://host.docker.internal:9"},
        {"https://api.openai.com/v1", "https://api.openai.com/v1"},
        {"http://10.0.0.7:8000/v1/", "http://10.0.0.7:8000/v1"},
        {"http://localhost.example.org/v1", "http://localhost.example.org/v1"},
        {"http://notlocalhost/v1", "http://notlocalhost/v1"},
        {"http://127.0.0.1.example.org/", "http://127.0.0.1.example.org"},
        {"http://[2001:db8::1]:80/v1", "http://[2001:db8::1]:80/v1"},
        {"http://model/127.0.0.1", "http://model/127.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(&cases[i]);
}

Test(codex_url, refuses_what_is_no_plain_http_url)
{
    static const struct url_case cases[] = {
        {"", NULL},
        {"localhost:8080", NULL},
        {"ftp://localhost/", NULL},
        {"http://", NULL},
        {"http:///v1", NULL},
        {"http://:80/v1", NULL},
        {"http://host:/v1", NULL},
        {"http://host:0/v1", NULL},
        {"http://host:65536/v1", NULL},
        {"http://host:99999999999999999999/v1", NULL},
        {"http://host:80x/v1", NULL},
        {"http://[::1/v1", NULL},
        {"http://[::1]x/v1", NULL},
        {"http://user:pass@localhost/v1", NULL},
        {"http://host/v1?key=1", NULL},
        {"http://host/v1#f", NULL},
        {"http://host/a b", NULL},
        {"http://host/\"\nx = 1", NULL},
        {"http://ho\\st/", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(&cases[i]);
}

Test(codex_url, refuses_what_is_too_long)
{
    char url[2048] = "http://host/";
    memset(url + 12, 'a', sizeof(url) - 13);
    check(&(struct url_case){url, NULL});
}
