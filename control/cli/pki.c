/* SPDX-License-Identifier: Apache-2.0
 * Decides which certificates are made, kept or renewed. */
#include "control/cli/pki.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "common/id.h"
#include "control/cli/certs.h"

#include <string.h>
#include <strings.h>
#include <time.h>

struct name_list {
    char *items[PKI_NAMES_MAX];
    size_t count;
};

struct files {
    char *cert;
    char *key;
};

/* One run over a folder. */
struct pki {
    const struct pki_options *options;
    FILE *out;
    struct certs_pair *ca;
    struct err *err;
};

static void
names_release(struct name_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    names->count = 0;
}

static int
names_add(struct name_list *names, const char *name, struct err *err)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcasecmp(names->items[i], name) == 0)
            return 0;
    }
    if (!certs_is_name(name))
        return err_set(err, ERR_INVALID,
            "\"%.64s\" is neither a host name nor an address", name);
    if (names->count == PKI_NAMES_MAX)
        return err_set(
            err, ERR_INVALID, "more than %d names", (int)PKI_NAMES_MAX);
    char *copy = strdup(name);
    if (copy == NULL)
        return err_no_memory(err);
    names->items[names->count++] = copy;
    return 0;
}

static void
files_release(struct files *files)
{
    free(files->cert);
    free(files->key);
}

static int
files_make(
    struct files *out, const char *dir, const char *stem, struct err *err)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s.crt", stem);
    out->cert = file_join(dir, name);
    (void)snprintf(name, sizeof(name), "%s.key", stem);
    out->key = file_join(dir, name);
    if (out->cert != NULL && out->key != NULL)
        return 0;
    files_release(out);
    *out = (struct files){0};
    return err_no_memory(err);
}

static void
say(const struct pki *pki, const char *what, const char *path,
    const struct certs_pair *pair)
{
    char expiry[11];
    certs_expiry(pair, expiry);
    (void)fprintf(pki->out, "%-8s %s (valid until %s)\n", what, path, expiry);
}

static bool
ends_soon(const struct certs_pair *pair)
{
    time_t now = time(NULL);
    return !certs_is_valid_at(pair, now) ||
           !certs_is_valid_at(pair, now + (time_t)PKI_RENEW_DAYS * 24 * 3600);
}

/* ---- the CA ---- */

static int
make_ca(struct pki *pki, const struct files *files, const char *what)
{
    char id[ID_SIZE];
    char name[64];
    id_new(id);
    (void)snprintf(name, sizeof(name), "Risoluto private CA %s", id_short(id));
    struct certs_spec spec = {
        .common_name = name,
        .role = CERTS_CA,
        .days =
            pki->options->ca_days != 0 ? pki->options->ca_days : PKI_CA_DAYS,
    };
    certs_free(pki->ca);
    pki->ca = NULL;
    if (certs_make(&pki->ca, &spec, NULL, pki->err) != 0 ||
        certs_write(pki->ca, files->cert, files->key, pki->err) != 0)
        return -1;
    say(pki, what, files->cert, pki->ca);
    return 0;
}

static int
ensure_ca(struct pki *pki)
{
    AUTO(files_release) struct files files = {0};
    if (files_make(&files, pki->options->dir, "ca", pki->err) != 0 ||
        certs_read(&pki->ca, files.cert, files.key, pki->err) != 0)
        return -1;
    if (pki->ca == NULL)
        return make_ca(pki, &files, "made");
    if (!certs_has_role(pki->ca, CERTS_CA))
        return err_set(pki->err, ERR_CONFIG,
            "%s is no CA certificate; move it away and run this again",
            files.cert);
    if (ends_soon(pki->ca))
        return make_ca(pki, &files, "renewed");
    say(pki, "kept", files.cert, pki->ca);
    return 0;
}

/* ---- the planes ---- */

static bool
is_good(const struct pki *pki, const struct certs_pair *pair,
    enum certs_role role, const struct name_list *names)
{
    if (!certs_has_key(pair) || !certs_is_signed_by(pair, pki->ca) ||
        !certs_has_role(pair, role) || ends_soon(pair))
        return false;
    for (size_t i = 0; i < names->count; i++) {
        if (!certs_has_name(pair, names->items[i]))
            return false;
    }
    return true;
}

struct adding {
    struct name_list *names;
    struct err *err;
};

static int
keep_name(void *arg, const char *name)
{
    struct adding *adding = arg;
    return names_add(adding->names, name, adding->err);
}

static int
issue(struct pki *pki, const struct files *files, const char *stem,
    enum certs_role role, const struct name_list *names)
{
    char common_name[64];
    (void)snprintf(common_name, sizeof(common_name), "risoluto-%s", stem);
    struct certs_spec spec = {
        .common_name = common_name,
        .role = role,
        .days = pki->options->leaf_days != 0 ? pki->options->leaf_days
                                             : PKI_LEAF_DAYS,
        .names = names->items,
        .name_count = names->count,
    };
    if (!certs_has_key(pki->ca))
        return err_set(pki->err, ERR_CONFIG,
            "%s cannot be signed: %s/ca.key is missing or does not fit; bring "
            "it back, or remove ca.crt to start with a new CA",
            files->cert, pki->options->dir);
    AUTO(certs_free_ptr) struct certs_pair *pair = NULL;
    if (certs_make(&pair, &spec, pki->ca, pki->err) != 0)
        return -1;
    return certs_write(pair, files->cert, files->key, pki->err);
}

static int
ensure_leaf(struct pki *pki, const char *stem, enum certs_role role,
    struct name_list *names)
{
    AUTO(files_release) struct files files = {0};
    AUTO(certs_free_ptr) struct certs_pair *pair = NULL;
    if (files_make(&files, pki->options->dir, stem, pki->err) != 0 ||
        certs_read(&pair, files.cert, files.key, pki->err) != 0)
        return -1;
    bool existed = pair != NULL;
    if (existed && is_good(pki, pair, role, names)) {
        say(pki, "kept", files.cert, pair);
        return 0;
    }
    /* Names that it had are not lost by a renewal. */
    struct adding adding = {.names = names, .err = pki->err};
    if (existed && certs_each_name(pair, keep_name, &adding) != 0)
        return -1;
    if (issue(pki, &files, stem, role, names) != 0)
        return -1;
    certs_free(pair);
    pair = NULL;
    if (certs_read(&pair, files.cert, files.key, pki->err) != 0)
        return -1;
    say(pki, existed ? "renewed" : "made", files.cert, pair);
    return 0;
}

static int
ensure_all(struct pki *pki)
{
    AUTO(names_release) struct name_list none = {.count = 0};
    AUTO(names_release) struct name_list names = {.count = 0};
    /* "dataplane" is what it is called in the compose file's network. */
    static const char *const always[] = {"localhost", "127.0.0.1", "dataplane"};
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        if (names_add(&names, always[i], pki->err) != 0)
            return -1;
    }
    for (size_t i = 0; i < pki->options->name_count; i++) {
        if (names_add(&names, pki->options->names[i], pki->err) != 0)
            return -1;
    }
    if (file_make_dirs(pki->options->dir, 0700, pki->err) != 0 ||
        ensure_ca(pki) != 0 ||
        ensure_leaf(pki, "control", CERTS_CLIENT, &none) != 0)
        return -1;
    return ensure_leaf(pki, "dataplane", CERTS_SERVER, &names);
}

int
pki_ensure(const struct pki_options *options, FILE *out, struct err *err)
{
    struct pki pki = {.options = options, .out = out, .err = err};
    int rc = ensure_all(&pki);
    certs_free(pki.ca);
    return rc;
}
