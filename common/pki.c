/* SPDX-License-Identifier: Apache-2.0
 * Reads the certificates of a plane. */
#include "common/pki.h"

#include "common/cleanup.h"
#include "common/file.h"

#include <stdio.h>
#include <sys/stat.h>

enum { PEM_MAX = 64 * 1024 };

static char *
pem_path(const char *dir, const char *name, const char *suffix)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s%s", dir, name, suffix) < 0 ? NULL : path;
}

static int
read_pem(const char *dir, const char *name, const char *suffix, struct buf *out,
    struct err *err)
{
    AUTO_FREE char *path = pem_path(dir, name, suffix);

    if (path == NULL)
        return err_no_memory(err);
    if (file_read(path, out, err) == 0)
        return 0;
    err->code = ERR_CONFIG;
    return err_wrap(err,
        "no certificates for this plane (make them with `risoluto pki %s`, "
        "or name their folder)",
        dir);
}

static int
check_key_mode(const char *dir, const char *role, struct err *err)
{
    AUTO_FREE char *path = pem_path(dir, role, ".key");
    struct stat st;

    if (path == NULL)
        return err_no_memory(err);
    if (stat(path, &st) != 0)
        return err_sys(err, "%s", path);
    if ((st.st_mode & 077) != 0)
        return err_set(err, ERR_CONFIG,
            "%s is open to others (mode %04o): chmod 600 it, and make new "
            "certificates if somebody may have read it",
            path, (unsigned)st.st_mode & 07777U);
    return 0;
}

int
pki_load(struct pki *out, const char *dir, const char *role, struct err *err)
{
    buf_init(&out->ca, PEM_MAX);
    buf_init(&out->cert, PEM_MAX);
    buf_init_secret(&out->key, PEM_MAX);
    if (read_pem(dir, "ca", ".crt", &out->ca, err) != 0 ||
        read_pem(dir, role, ".crt", &out->cert, err) != 0 ||
        read_pem(dir, role, ".key", &out->key, err) != 0)
        return -1;
    return check_key_mode(dir, role, err);
}

void
pki_release(struct pki *pki)
{
    buf_free(&pki->ca);
    buf_free(&pki->cert);
    buf_free(&pki->key);
}
