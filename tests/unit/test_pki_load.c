/* SPDX-License-Identifier: Apache-2.0
 * Reading a plane's certificates. */
#include "common/cleanup.h"
#include "common/file.h"
#include "common/pki.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char dir[] = "/tmp/risoluto-test-pki-XXXXXX";

static void
write_file(const char *name, mode_t mode)
{
    AUTO_FREE char *path = file_join(dir, name);
    struct err err = ERR_INIT;

    cr_assert_eq(file_write_atomic(path, name, strlen(name), mode, &err), 0);
}

static void
make_dir(void)
{
    cr_assert_not_null(mkdtemp(dir));
    write_file("ca.crt", 0644);
    write_file("control.crt", 0644);
    write_file("control.key", 0600);
}

static void
remove_dir(void)
{
    struct err err = ERR_INIT;

    cr_expect_eq(file_remove_tree(dir, &err), 0);
}

TestSuite(pki_load, .init = make_dir, .fini = remove_dir);

Test(pki_load, reads_the_authority_and_the_plane_s_own_pair)
{
    AUTO(pki_release) struct pki pki;
    struct err err = ERR_INIT;

    cr_assert_eq(pki_load(&pki, dir, "control", &err), 0, "%s", err.message);
    cr_expect_str_eq(buf_str(&pki.ca), "ca.crt");
    cr_expect_str_eq(buf_str(&pki.cert), "control.crt");
    cr_expect_str_eq(buf_str(&pki.key), "control.key");
    cr_expect(pki.key.secret);
}

Test(pki_load, a_missing_file_says_how_to_make_it)
{
    AUTO(pki_release) struct pki pki;
    struct err err = ERR_INIT;

    cr_expect_eq(pki_load(&pki, dir, "dataplane", &err), -1);
    cr_expect_eq(err.code, ERR_CONFIG);
    cr_expect_not_null(strstr(err.message, "risoluto pki"));
    cr_expect_not_null(strstr(err.message, "dataplane.crt"));
}

Test(pki_load, a_key_that_others_can_read_is_refused)
{
    AUTO(pki_release) struct pki pki;
    struct err err = ERR_INIT;

    write_file("control.key", 0640);
    cr_expect_eq(pki_load(&pki, dir, "control", &err), -1);
    cr_expect_eq(err.code, ERR_CONFIG);
    cr_expect_not_null(strstr(err.message, "chmod 600"));
}
