/* SPDX-License-Identifier: Apache-2.0
 * risoluto pki, risoluto token: what the planes need before they can trust
 * each other and their operator. */
#include "control/cli/verb.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/id.h"
#include "common/secret.h"
#include "control/cli/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TOKEN_BYTES = 32, DAYS_MAX = 3650 };

/* ---- pki ---- */

static const char *name_option;
static const char *days_option;

static int
parse_days(int *out, struct err *err)
{
    *out = 0;
    if (days_option == NULL)
        return 0;
    char *end = NULL;
    long days = strtol(days_option, &end, 10);
    if (end == days_option || *end != '\0' || days < 1 || days > DAYS_MAX)
        return err_set(err, ERR_INVALID,
            "--days: expected a number from 1 to %d", (int)DAYS_MAX);
    *out = (int)days;
    return 0;
}

static int
run_pki(const struct verb_call *call, struct err *err)
{
    const char *names[2 * VERB_OPERANDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < call->repeated_count; i++)
        names[count++] = call->repeated[i];
    /* `--name a b c`: what follows the first name are names too. */
    if (call->count > 1 && call->repeated_count == 0)
        return err_set(err, ERR_INVALID,
            "unexpected \"%.64s\"; names are given as --name HOST",
            call->operands[1]);
    for (size_t i = 1; i < call->count; i++)
        names[count++] = call->operands[i];
    struct pki_options options = {
        .dir = call->operands[0], .names = names, .name_count = count};
    if (parse_days(&options.leaf_days, err) != 0)
        return -1;
    return pki_ensure(&options, stdout, err) == 0 ? VERB_DONE : -1;
}

static const struct cli_option pki_options[] = {
    {"name", "HOST ...", "name or address of a data plane; may be repeated",
        &name_option},
    {"days", "N", "how long the planes' certificates are valid (365)",
        &days_option},
};

const struct verb verb_pki = {
    .name = "pki",
    .usage = "DIR [--name HOST ...]",
    .summary = "make or renew the certificates of the planes in DIR",
    .options = pki_options,
    .option_count = ARRAY_LEN(pki_options),
    .repeatable = "name",
    .min_operands = 1,
    .max_operands = VERB_OPERANDS_MAX,
    .epilog =
        "Files in DIR:\n"
        "  ca.crt ca.key                 the private CA; only this command\n"
        "                                needs the key\n"
        "  control.crt control.key       of the control plane (client)\n"
        "  dataplane.crt dataplane.key   of the data planes (server), for\n"
        "                                localhost, 127.0.0.1, dataplane and\n"
        "                                every --name\n"
        "\n"
        "A second run keeps what is valid for 30 more days and renews the "
        "rest.",
    .run = run_pki,
};

/* ---- token ---- */

/* A folder stands for the file `write-token` in it. */
static char *
token_path(const char *operand)
{
    struct stat st;
    size_t len = strlen(operand);
    bool folder = (len > 0 && operand[len - 1] == '/') ||
                  (stat(operand, &st) == 0 && S_ISDIR(st.st_mode));
    return folder ? file_join(operand, "write-token") : strdup(operand);
}

static void
make_token(struct buf *out)
{
    unsigned char bytes[TOKEN_BYTES];
    id_random(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        buf_printf(out, "%02x", bytes[i]);
    buf_putc(out, '\n');
    secret_wipe(bytes, sizeof(bytes));
}

static int
make_parent(const char *path, struct err *err)
{
    AUTO_FREE char *parent = strdup(path);
    if (parent == NULL)
        return err_no_memory(err);
    char *slash = strrchr(parent, '/');
    if (slash == NULL || slash == parent)
        return 0;
    *slash = '\0';
    return file_make_dirs(parent, 0700, err);
}

static int
run_token(const struct verb_call *call, struct err *err)
{
    struct stat st;
    AUTO(buf_free) struct buf token = {0};
    AUTO_FREE char *path = token_path(call->operands[0]);
    if (path == NULL)
        return err_no_memory(err);
    if (stat(path, &st) == 0 && st.st_size > 0) {
        (void)printf("kept     %s\n", path);
        return VERB_DONE;
    }
    buf_init_secret(&token, 256);
    make_token(&token);
    if (buf_check(&token, err) != 0 || make_parent(path, err) != 0 ||
        file_write_atomic(path, token.data, token.len, 0600, err) != 0)
        return -1;
    (void)printf("made     %s\n", path);
    return VERB_DONE;
}

const struct verb verb_token = {
    .name = "token",
    .usage = "FILE",
    .summary = "make a random write token in FILE, 0600, unless it is there",
    .min_operands = 1,
    .max_operands = 1,
    .epilog = "FILE may be a folder: then it is FILE/write-token. Give it to "
              "the control plane\nas RISOLUTO_WRITE_TOKEN_FILE, and to this "
              "command likewise.",
    .run = run_token,
};
