/* SPDX-License-Identifier: Apache-2.0
 * The command line parser, its help, and did-you-mean. */
#include "common/cli.h"

#include "common/version.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 63, OPTIONS_MAX = 64 };

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance, with a row of the matrix at a time. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t above = row[j + 1];
            row[j + 1] =
                min3(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *
cli_nearest(const char *word, const char *const *names, size_t n)
{
    size_t len = strlen(word);
    if (len == 0 || len > WORD_MAX)
        return NULL;
    const char *best = NULL;
    /* Two slips, or a third of a long word; never the whole word. */
    size_t limit = len / 3 > 2 ? len / 3 : 2;
    size_t least = limit < len ? limit + 1 : len;
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) > WORD_MAX)
            continue;
        size_t d = distance(word, names[i]);
        /* A word that was cut short is near, however long the rest is. */
        if (d > 2 && len > 2 && strncmp(names[i], word, len) == 0)
            d = 2;
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

static void
print_option(FILE *out, const char *name, const char *argname, const char *help)
{
    char left[64];
    (void)snprintf(left, sizeof(left), "--%s%s%s", name,
        argname != NULL ? " " : "", argname != NULL ? argname : "");
    (void)fprintf(out, "  %-24s %s\n", left, help);
}

void
cli_help(const struct cli *cli, FILE *out)
{
    (void)fprintf(out, "Usage: %s %s\n%s\n\nOptions:\n", cli->program,
        cli->usage, cli->summary);
    for (size_t i = 0; i < cli->count; i++) {
        const struct cli_option *option = &cli->options[i];
        print_option(out, option->name, option->argname, option->help);
    }
    print_option(out, "help", NULL, "show this text and exit");
    print_option(out, "version", NULL, "show the version and exit");
    if (cli->epilog != NULL)
        (void)fprintf(out, "\n%s\n", cli->epilog);
}

/* Prints and exits when it is --help or --version. */
static void
maybe_exit(const struct cli *cli, const char *name)
{
    if (strcmp(name, "help") == 0)
        cli_help(cli, stdout);
    else if (strcmp(name, "version") == 0)
        (void)printf("%s %s\n", cli->program, RISOLUTO_VERSION);
    else
        return;
    exit(fflush(stdout) == 0 ? 0 : 1);
}

static int
unknown(const struct cli *cli, const char *arg, struct err *err)
{
    char name[WORD_MAX + 2]; /* a longer one is near to nothing */
    const char *start = arg + strspn(arg, "-");
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(start, "="), start);
    const char *names[OPTIONS_MAX] = {"help", "version"};
    size_t count = 2;
    for (size_t i = 0; i < cli->count && count < OPTIONS_MAX; i++)
        names[count++] = cli->options[i].name;
    const char *near = cli_nearest(name, names, count);
    if (near != NULL)
        return err_set(err, ERR_INVALID,
            "unknown option %s: did you mean --%s?", arg, near);
    return err_set(err, ERR_INVALID, "unknown option %s: see %s --help", arg,
        cli->program);
}

static const struct cli_option *
find(const struct cli *cli, const char *name, size_t len)
{
    for (size_t i = 0; i < cli->count; i++) {
        const char *known = cli->options[i].name;
        if (strlen(known) == len && strncmp(known, name, len) == 0)
            return &cli->options[i];
    }
    return NULL;
}

/* Handles the option at argv[*at]; *at is moved over what it used. */
static int
take_option(
    const struct cli *cli, int argc, char **argv, int *at, struct err *err)
{
    const char *arg = argv[(*at)++];
    const char *name = arg + (arg[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    if (arg[1] == '-')
        maybe_exit(cli, name);
    const struct cli_option *option =
        arg[1] == '-' ? find(cli, name, len) : NULL;
    if (option == NULL)
        return unknown(cli, arg, err);
    if (option->argname == NULL) {
        if (equals != NULL)
            return err_set(
                err, ERR_INVALID, "--%s takes no value", option->name);
        *option->value = "1";
        return 0;
    }
    if (equals == NULL && *at >= argc)
        return err_set(err, ERR_INVALID, "--%s needs a value: --%s %s",
            option->name, option->name, option->argname);
    *option->value = equals != NULL ? equals + 1 : argv[(*at)++];
    return 0;
}

int
cli_parse(
    const struct cli *cli, int argc, char **argv, int *rest, struct err *err)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (take_option(cli, argc, argv, &at, err) != 0)
            return -1;
    }
    *rest = at < argc ? at : argc;
    return 0;
}
