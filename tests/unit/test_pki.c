/* SPDX-License-Identifier: Apache-2.0
 * The private CA: what is made, kept, renewed and refused, and that the
 * planes' transport accepts it. */
#include "control/cli/pki.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "control/cli/certs.h"

#include <criterion/criterion.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static char dir[64];

static void
setup(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/risoluto-pki-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void
teardown(void)
{
    struct err err = ERR_INIT;
    (void)file_remove_tree(dir, &err);
}

TestSuite(pki, .init = setup, .fini = teardown);

/* Runs it and gives what it said; free it. */
static char *
must_ensure(const struct pki_options *options)
{
    struct err err = ERR_INIT;
    char *said = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&said, &len);
    cr_assert_not_null(out);
    int rc = pki_ensure(options, out, &err);
    (void)fclose(out);
    cr_assert_eq(rc, 0, "%s", err.message);
    return said;
}

static struct certs_pair *
must_load(const char *stem)
{
    struct err err = ERR_INIT;
    char cert[128];
    char key[128];
    struct certs_pair *pair = NULL;
    (void)snprintf(cert, sizeof(cert), "%s/%s.crt", dir, stem);
    (void)snprintf(key, sizeof(key), "%s/%s.key", dir, stem);
    cr_assert_eq(certs_read(&pair, cert, key, &err), 0, "%s", err.message);
    cr_assert_not_null(pair, "no %s", cert);
    return pair;
}

static char *
must_read(const char *name)
{
    struct err err = ERR_INIT;
    struct buf text;
    buf_init(&text, 65536);
    AUTO_FREE char *path = file_join(dir, name);
    cr_assert_eq(file_read(path, &text, &err), 0, "%s", err.message);
    return buf_steal(&text);
}

static mode_t
mode_of(const char *name)
{
    struct stat st;
    AUTO_FREE char *path = file_join(dir, name);
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    return st.st_mode & 0777;
}

Test(pki, makes_a_ca_and_one_certificate_for_each_plane)
{
    const char *names[] = {"dp.example", "10.1.2.3"};
    struct pki_options options = {.dir = dir, .names = names, .name_count = 2};
    free(must_ensure(&options));
    struct certs_pair *ca = must_load("ca");
    struct certs_pair *control = must_load("control");
    struct certs_pair *dataplane = must_load("dataplane");
    cr_expect(certs_has_role(ca, CERTS_CA));
    cr_expect(certs_has_key(control) && certs_has_key(dataplane));
    cr_expect(certs_is_signed_by(control, ca));
    cr_expect(certs_is_signed_by(dataplane, ca));
    cr_expect_not(certs_is_signed_by(ca, control));
    cr_expect(certs_has_role(control, CERTS_CLIENT));
    cr_expect_not(certs_has_role(control, CERTS_SERVER));
    cr_expect(certs_has_role(dataplane, CERTS_SERVER));
    cr_expect_not(certs_has_role(dataplane, CERTS_CLIENT));
    static const char *const wanted[] = {
        "localhost", "127.0.0.1", "dp.example", "10.1.2.3", "DP.example"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        cr_expect(certs_has_name(dataplane, wanted[i]), "%s", wanted[i]);
    cr_expect_not(certs_has_name(dataplane, "other.example"));
    certs_free(ca);
    certs_free(control);
    certs_free(dataplane);
}

Test(pki, keys_are_private)
{
    struct pki_options options = {.dir = dir};
    free(must_ensure(&options));
    cr_expect_eq(mode_of("ca.key"), 0600);
    cr_expect_eq(mode_of("control.key"), 0600);
    cr_expect_eq(mode_of("dataplane.key"), 0600);
    AUTO_FREE char *key = must_read("control.key");
    cr_expect_not_null(strstr(key, "BEGIN PRIVATE KEY"));
    AUTO_FREE char *cert = must_read("control.crt");
    cr_expect_null(strstr(cert, "PRIVATE KEY"));
}

Test(pki, a_second_run_changes_nothing_and_says_so)
{
    struct pki_options options = {.dir = dir};
    free(must_ensure(&options));
    AUTO_FREE char *ca = must_read("ca.crt");
    AUTO_FREE char *control = must_read("control.key");
    AUTO_FREE char *dataplane = must_read("dataplane.crt");
    AUTO_FREE char *said = must_ensure(&options);
    AUTO_FREE char *ca2 = must_read("ca.crt");
    AUTO_FREE char *control2 = must_read("control.key");
    AUTO_FREE char *dataplane2 = must_read("dataplane.crt");
    cr_expect_str_eq(ca, ca2);
    cr_expect_str_eq(control, control2);
    cr_expect_str_eq(dataplane, dataplane2);
    cr_expect_null(strstr(said, "made"));
    cr_expect_null(strstr(said, "renewed"));
    cr_expect_not_null(strstr(said, "kept"));
}

Test(pki, a_certificate_that_ends_soon_is_renewed_with_its_names)
{
    const char *names[] = {"dp.example"};
    struct pki_options options = {
        .dir = dir, .names = names, .name_count = 1, .leaf_days = 10};
    free(must_ensure(&options));
    AUTO_FREE char *ca = must_read("ca.crt");
    struct pki_options later = {.dir = dir};
    AUTO_FREE char *said = must_ensure(&later);
    cr_expect_not_null(strstr(said, "renewed"), "%s", said);
    AUTO_FREE char *ca2 = must_read("ca.crt");
    cr_expect_str_eq(ca, ca2);
    struct certs_pair *pair = must_load("dataplane");
    cr_expect(certs_has_name(pair, "dp.example"));
    cr_expect(certs_is_valid_at(pair, time(NULL) + 300L * 24 * 3600));
    certs_free(pair);
}

Test(pki, a_ca_that_ends_soon_takes_everything_with_it)
{
    struct pki_options options = {.dir = dir, .ca_days = 10};
    free(must_ensure(&options));
    struct pki_options later = {.dir = dir};
    free(must_ensure(&later));
    struct certs_pair *ca = must_load("ca");
    struct certs_pair *control = must_load("control");
    struct certs_pair *dataplane = must_load("dataplane");
    cr_expect(certs_is_valid_at(ca, time(NULL) + 3000L * 24 * 3600));
    cr_expect(certs_is_signed_by(control, ca));
    cr_expect(certs_is_signed_by(dataplane, ca));
    certs_free(ca);
    certs_free(control);
    certs_free(dataplane);
}

Test(pki, a_new_name_gets_a_new_certificate)
{
    struct pki_options options = {.dir = dir};
    free(must_ensure(&options));
    AUTO_FREE char *control = must_read("control.crt");
    const char *names[] = {"second.example"};
    options.names = names;
    options.name_count = 1;
    free(must_ensure(&options));
    AUTO_FREE char *control2 = must_read("control.crt");
    cr_expect_str_eq(control, control2);
    struct certs_pair *pair = must_load("dataplane");
    cr_expect(certs_has_name(pair, "second.example"));
    certs_free(pair);
}

Test(pki, a_lost_or_foreign_key_is_replaced)
{
    struct pki_options options = {.dir = dir};
    free(must_ensure(&options));
    AUTO_FREE char *control = file_join(dir, "control.key");
    AUTO_FREE char *dataplane = file_join(dir, "dataplane.key");
    cr_assert_eq(rename(control, dataplane), 0);
    AUTO_FREE char *said = must_ensure(&options);
    struct certs_pair *a = must_load("control");
    struct certs_pair *b = must_load("dataplane");
    cr_expect(certs_has_key(a), "%s", said);
    cr_expect(certs_has_key(b), "%s", said);
    certs_free(a);
    certs_free(b);
}

Test(pki, without_the_ca_key_it_keeps_what_is_good_and_signs_nothing)
{
    struct err err = ERR_INIT;
    struct pki_options options = {.dir = dir};
    free(must_ensure(&options));
    AUTO_FREE char *ca_key = file_join(dir, "ca.key");
    AUTO_FREE char *control = file_join(dir, "control.crt");
    cr_assert_eq(remove(ca_key), 0);
    free(must_ensure(&options));
    cr_assert_eq(remove(control), 0);
    cr_expect_eq(pki_ensure(&options, stderr, &err), -1);
    cr_expect_not_null(strstr(err.message, "ca.key is missing"));
}

Test(pki, what_is_no_certificate_is_refused_and_left_alone)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *ca = file_join(dir, "ca.crt");
    cr_assert_eq(file_write_atomic(ca, "hello", 5, 0644, &err), 0);
    struct pki_options options = {.dir = dir};
    cr_expect_eq(pki_ensure(&options, stderr, &err), -1);
    cr_expect_not_null(strstr(err.message, "is not a certificate"));
    AUTO_FREE char *text = must_read("ca.crt");
    cr_expect_str_eq(text, "hello");
}

Test(pki, names_are_checked)
{
    static const char *const bad[] = {
        "", "a b", "-x", ".x", "a..b", "x,DNS:y", "x\ny", "http://x"};
    static const char *const good[] = {
        "host", "a.b-c.example", "*.example", "10.0.0.1", "::1", "a_b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_expect_not(certs_is_name(bad[i]), "\"%s\"", bad[i]);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        cr_expect(certs_is_name(good[i]), "\"%s\"", good[i]);
    struct err err = ERR_INIT;
    const char *names[] = {"a b"};
    struct pki_options options = {.dir = dir, .names = names, .name_count = 1};
    cr_expect_eq(pki_ensure(&options, stderr, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
}

/* ---- with the transport that the planes use ---- */

static nng_tls_config *
tls_of(const char *ca_dir, const char *own, nng_tls_mode mode)
{
    struct err err = ERR_INIT;
    nng_tls_config *tls = NULL;
    cr_assert_eq(nng_tls_config_alloc(&tls, mode), 0);
    char path[128];
    struct buf ca;
    buf_init(&ca, 65536);
    (void)snprintf(path, sizeof(path), "%s/ca.crt", ca_dir);
    cr_assert_eq(file_read(path, &ca, &err), 0);
    char name[32];
    (void)snprintf(name, sizeof(name), "%s.crt", own);
    AUTO_FREE char *cert = must_read(name);
    (void)snprintf(name, sizeof(name), "%s.key", own);
    AUTO_FREE char *key = must_read(name);
    cr_assert_eq(nng_tls_config_ca_chain(tls, buf_str(&ca), NULL), 0);
    cr_assert_eq(nng_tls_config_own_cert(tls, cert, key, NULL), 0);
    cr_assert_eq(nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED), 0);
    buf_free(&ca);
    return tls;
}

static nng_listener
listen_on(nng_socket rep, nng_tls_config *tls, char *url, size_t size)
{
    nng_listener listener;
    int port = 0;
    cr_assert_eq(
        nng_listener_create(&listener, rep, "tls+tcp://127.0.0.1:0"), 0);
    cr_assert_eq(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls), 0);
    cr_assert_eq(nng_listener_start(listener, 0), 0);
    cr_assert_eq(
        nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
    (void)snprintf(url, size, "tls+tcp://127.0.0.1:%d", port);
    return listener;
}

static int
dial(const char *url, nng_tls_config *tls, const char *server_name)
{
    nng_socket req;
    nng_dialer dialer;
    cr_assert_eq(nng_req0_open(&req), 0);
    cr_assert_eq(nng_tls_config_server_name(tls, server_name), 0);
    cr_assert_eq(nng_dialer_create(&dialer, req, url), 0);
    cr_assert_eq(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls), 0);
    int rv = nng_dialer_start(dialer, 0);
    (void)nng_close(req);
    return rv;
}

Test(pki, the_transport_accepts_it_and_nothing_else)
{
    const char *names[] = {"dp.example"};
    struct pki_options options = {.dir = dir, .names = names, .name_count = 1};
    free(must_ensure(&options));
    char other[128];
    (void)snprintf(other, sizeof(other), "%s/other", dir);
    struct pki_options other_options = {.dir = other};
    free(must_ensure(&other_options));

    nng_socket rep;
    char url[64];
    cr_assert_eq(nng_rep0_open(&rep), 0);
    nng_tls_config *server = tls_of(dir, "dataplane", NNG_TLS_MODE_SERVER);
    (void)listen_on(rep, server, url, sizeof(url));
    static const char *const accepted[] = {
        "127.0.0.1", "localhost", "dataplane", "dp.example"};
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        nng_tls_config *client = tls_of(dir, "control", NNG_TLS_MODE_CLIENT);
        int rv = dial(url, client, accepted[i]);
        cr_expect_eq(rv, 0, "%s: %s", accepted[i], nng_strerror(rv));
        nng_tls_config_free(client);
    }
    nng_tls_config *stranger = tls_of(dir, "control", NNG_TLS_MODE_CLIENT);
    cr_expect_neq(dial(url, stranger, "evil.example"), 0);
    nng_tls_config_free(stranger);
    nng_tls_config *foreign = tls_of(other, "control", NNG_TLS_MODE_CLIENT);
    cr_expect_neq(dial(url, foreign, "127.0.0.1"), 0);
    nng_tls_config_free(foreign);
    (void)nng_close(rep);
    nng_tls_config_free(server);
}
