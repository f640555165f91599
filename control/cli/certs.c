/* SPDX-License-Identifier: Apache-2.0
 * Makes, signs, reads and checks certificates with OpenSSL. */
/* OpenSSL has a type of the name of one of our error codes. */
#define ERR_STATE openssl_err_state
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "control/cli/certs.h"

#include "common/cleanup.h"
#include "common/file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum {
    PEM_MAX = 64 * 1024,
    SERIAL_BITS = 127,
    BACKDATE_SECONDS = 3600, /* clocks of two hosts differ */
    DAY_SECONDS = 24 * 3600
};

struct certs_pair {
    X509 *cert;
    EVP_PKEY *key; /* NULL: lost */
};

static int
openssl_failed(struct err *err, const char *what)
{
    char text[128];
    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return err_set(err, ERR_INTERNAL, "cannot %s: %s", what, text);
}

void
certs_free(struct certs_pair *pair)
{
    if (pair == NULL)
        return;
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
    free(pair);
}

void
certs_free_ptr(struct certs_pair **pair)
{
    certs_free(*pair);
}

/* ---- names ---- */

/* The bytes of an address, or 0. */
static size_t
address_bytes(const char *name, unsigned char out[16])
{
    if (inet_pton(AF_INET, name, out) == 1)
        return 4;
    return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

bool
certs_is_name(const char *name)
{
    unsigned char bytes[16];
    if (address_bytes(name, bytes) != 0)
        return true;
    if (strncmp(name, "*.", 2) == 0)
        name += 2;
    size_t len = strlen(name);
    if (len == 0 || len > 253 || name[0] == '.' || name[0] == '-')
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_')
            return false;
    }
    return strstr(name, "..") == NULL;
}

static int
push_name(GENERAL_NAMES *names, int type, const void *data, size_t len)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (name == NULL || value == NULL ||
        ASN1_STRING_set(value, data, (int)len) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return 0;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return 1;
    GENERAL_NAME_free(name);
    return 0;
}

/* mbed TLS 2, which the planes' transport uses, compares the host it dialled
 * with DNS names only: an address is therefore written as both. */
static int
add_names(X509 *cert, const struct certs_spec *spec)
{
    if (spec->name_count == 0)
        return 1;
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    int ok = names != NULL;
    for (size_t i = 0; ok && i < spec->name_count; i++) {
        unsigned char bytes[16];
        const char *name = spec->names[i];
        size_t len = address_bytes(name, bytes);
        ok = push_name(names, GEN_DNS, name, strlen(name));
        if (ok && len != 0)
            ok = push_name(names, GEN_IPADD, bytes, len);
    }
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return ok;
}

/* ---- making ---- */

static int
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    int ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static int
add_extensions(X509 *cert, X509 *issuer, const struct certs_spec *spec)
{
    bool ca = spec->role == CERTS_CA;
    const char *usage =
        spec->role == CERTS_CLIENT ? "clientAuth" : "serverAuth";
    return add_extension(cert, issuer, NID_basic_constraints,
               ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
           add_extension(cert, issuer, NID_key_usage,
               ca ? "critical,keyCertSign,cRLSign"
                  : "critical,digitalSignature,keyAgreement") &&
           add_extension(cert, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(
               cert, issuer, NID_authority_key_identifier, "keyid:always") &&
           (ca || add_extension(cert, issuer, NID_ext_key_usage, usage)) &&
           add_names(cert, spec);
}

static int
set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    int ok = number != NULL &&
             BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE,
                 BN_RAND_BOTTOM_ANY) == 1 &&
             BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok;
}

static int
set_subject(X509 *cert, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
               (const unsigned char *)"Risoluto", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
               (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static int
fill(X509 *cert, EVP_PKEY *key, const struct certs_spec *spec,
    const struct certs_pair *ca)
{
    X509 *issuer = ca != NULL ? ca->cert : cert;
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_SECONDS) !=
               NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert),
               (long)spec->days * DAY_SECONDS) != NULL &&
           X509_set_pubkey(cert, key) == 1 &&
           set_subject(cert, spec->common_name) &&
           X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
           add_extensions(cert, issuer, spec) &&
           X509_sign(cert, ca != NULL ? ca->key : key, EVP_sha256()) > 0;
}

int
certs_make(struct certs_pair **out, const struct certs_spec *spec,
    const struct certs_pair *ca, struct err *err)
{
    *out = NULL;
    AUTO(certs_free_ptr) struct certs_pair *pair = calloc(1, sizeof(*pair));
    if (pair == NULL)
        return err_no_memory(err);
    pair->key = EVP_EC_gen("P-256");
    if (pair->key == NULL)
        return openssl_failed(err, "make a P-256 key");
    pair->cert = X509_new();
    if (pair->cert == NULL || !fill(pair->cert, pair->key, spec, ca))
        return openssl_failed(err, "make a certificate");
    *out = STEAL(pair);
    return 0;
}

/* ---- files ---- */

/* There is nobody to type one: an encrypted key is refused, not asked about. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static BIO *
open_pem(const char *path, struct buf *text, struct err *err)
{
    if (file_read(path, text, err) != 0)
        return NULL;
    BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
    if (bio == NULL)
        (void)err_no_memory(err);
    return bio;
}

static int
read_cert(const char *path, X509 **out, struct err *err)
{
    AUTO(buf_free) struct buf text = {0};
    buf_init(&text, PEM_MAX);
    BIO *bio = open_pem(path, &text, err);
    if (bio == NULL)
        return -1;
    *out = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (*out == NULL)
        return err_set(err, ERR_CONFIG,
            "%s is not a certificate; move it away and run this again", path);
    return 0;
}

static int
read_key(const char *path, EVP_PKEY **out, struct err *err)
{
    AUTO(buf_free) struct buf text = {0};
    buf_init_secret(&text, PEM_MAX);
    BIO *bio = open_pem(path, &text, err);
    if (bio == NULL)
        return -1;
    *out = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (*out == NULL)
        return err_set(err, ERR_CONFIG,
            "%s is not a private key; move it away and run this again", path);
    return 0;
}

/* A file that does not exist is no error. */
static int
forgive_missing(int rc, struct err *err)
{
    if (rc == 0 || err->code != ERR_NOT_FOUND)
        return rc;
    err_clear(err);
    return 0;
}

int
certs_read(struct certs_pair **out, const char *cert_path, const char *key_path,
    struct err *err)
{
    *out = NULL;
    AUTO(certs_free_ptr) struct certs_pair *pair = calloc(1, sizeof(*pair));
    if (pair == NULL)
        return err_no_memory(err);
    if (forgive_missing(read_cert(cert_path, &pair->cert, err), err) != 0)
        return -1;
    if (pair->cert == NULL)
        return 0;
    if (forgive_missing(read_key(key_path, &pair->key, err), err) != 0)
        return -1;
    *out = STEAL(pair);
    return 0;
}

static int
write_bio(BIO *bio, const char *path, mode_t mode, struct err *err)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    if (len <= 0)
        return err_set(err, ERR_INTERNAL, "nothing to write to %s", path);
    return file_write_atomic(path, data, (size_t)len, mode, err);
}

int
certs_write(const struct certs_pair *pair, const char *cert_path,
    const char *key_path, struct err *err)
{
    /* Key first: a certificate without its key would look complete. */
    BIO *key = BIO_new(BIO_s_secmem());
    BIO *cert = BIO_new(BIO_s_mem());
    int rc = -1;
    if (key == NULL || cert == NULL ||
        PEM_write_bio_PrivateKey(key, pair->key, NULL, NULL, 0, NULL, NULL) !=
            1 ||
        PEM_write_bio_X509(cert, pair->cert) != 1)
        (void)openssl_failed(err, "encode a certificate");
    else if (write_bio(key, key_path, 0600, err) == 0)
        rc = write_bio(cert, cert_path, 0644, err);
    BIO_free(key);
    BIO_free(cert);
    return rc;
}

/* ---- checking ---- */

bool
certs_has_key(const struct certs_pair *pair)
{
    bool fits =
        pair->key != NULL && X509_check_private_key(pair->cert, pair->key) == 1;
    ERR_clear_error();
    return fits;
}

bool
certs_is_signed_by(const struct certs_pair *pair, const struct certs_pair *ca)
{
    bool ok = X509_check_issued(ca->cert, pair->cert) == X509_V_OK &&
              X509_verify(pair->cert, X509_get0_pubkey(ca->cert)) == 1;
    ERR_clear_error();
    return ok;
}

bool
certs_has_role(const struct certs_pair *pair, enum certs_role role)
{
    if (role == CERTS_CA)
        return X509_check_ca(pair->cert) == 1;
    return X509_check_purpose(pair->cert,
               role == CERTS_CLIENT ? X509_PURPOSE_SSL_CLIENT
                                    : X509_PURPOSE_SSL_SERVER,
               0) == 1;
}

int
certs_each_name(const struct certs_pair *pair,
    int (*each)(void *arg, const char *name), void *arg)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(pair->cert, NID_subject_alt_name, NULL, NULL);
    int rc = 0;
    for (int i = 0; rc == 0 && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char text[256];
        if (name->type != GEN_DNS) /* each address is there as DNS too */
            continue;
        int len = ASN1_STRING_length(name->d.dNSName);
        if (len <= 0 || (size_t)len >= sizeof(text))
            continue;
        memcpy(text, ASN1_STRING_get0_data(name->d.dNSName), (size_t)len);
        text[len] = '\0';
        if (certs_is_name(text))
            rc = each(arg, text);
    }
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return rc;
}

static int
is_same_name(void *arg, const char *name)
{
    return strcasecmp(arg, name) == 0 ? 1 : 0;
}

bool
certs_has_name(const struct certs_pair *pair, const char *name)
{
    AUTO_FREE char *wanted = strdup(name);
    return wanted != NULL && certs_each_name(pair, is_same_name, wanted) != 0;
}

bool
certs_is_valid_at(const struct certs_pair *pair, time_t when)
{
    return X509_cmp_time(X509_get0_notBefore(pair->cert), &when) < 0 &&
           X509_cmp_time(X509_get0_notAfter(pair->cert), &when) > 0;
}

void
certs_expiry(const struct certs_pair *pair, char out[11])
{
    struct tm tm;
    (void)snprintf(out, 11, "?");
    if (ASN1_TIME_to_tm(X509_get0_notAfter(pair->cert), &tm) == 1)
        (void)strftime(out, 11, "%Y-%m-%d", &tm);
}
