/* SPDX-License-Identifier: Apache-2.0
 * common/cli: parsing, help, did-you-mean. */
#include "common/cleanup.h"
#include "common/cli.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

static const char *port;
static const char *quiet;

static const struct cli_option options[] = {
    {"port", "N", "the port", &port}, {"quiet", NULL, "say less", &quiet}};

static const struct cli cli = {.program = "prog",
    .summary = "Does things.",
    .usage = "[options] [file]",
    .options = options,
    .count = ARRAY_LEN(options),
    .epilog = "Exit codes: 0"};

enum { ARGS_MAX = 6 };

/* Parses "prog" and args; the index of the first operand, or -1. The values
 * are valid until the next call. */
static int
parse(const char *const args[ARGS_MAX], struct err *err)
{
    static char copies[ARGS_MAX + 1][64];
    char *argv[ARGS_MAX + 2] = {copies[0]};
    int argc = 1;
    (void)snprintf(copies[0], sizeof(copies[0]), "prog");
    for (int i = 0; i < ARGS_MAX && args[i] != NULL; i++) {
        (void)snprintf(copies[argc], sizeof(copies[0]), "%s", args[i]);
        argv[argc] = copies[argc];
        argc++;
    }
    int rest = -1;
    port = NULL;
    quiet = NULL;
    return cli_parse(&cli, argc, argv, &rest, err) == 0 ? rest : -1;
}

Test(cli, options_are_understood_in_both_forms)
{
    struct err err = ERR_INIT;
    cr_assert_eq(parse((const char *[ARGS_MAX]){"--port", "80", "x"}, &err), 3);
    cr_assert_str_eq(port, "80");
    cr_assert_null(quiet);
    cr_assert_eq(
        parse((const char *[ARGS_MAX]){"--port=81", "--quiet"}, &err), 3);
    cr_assert_str_eq(port, "81");
    cr_assert_str_eq(quiet, "1");
    cr_assert_eq(parse((const char *[ARGS_MAX]){"--port="}, &err), 2);
    cr_assert_str_eq(port, "");
    cr_assert_eq(parse((const char *[ARGS_MAX]){NULL}, &err), 1);
}

Test(cli, operands_end_the_options)
{
    struct err err = ERR_INIT;
    cr_assert_eq(parse((const char *[ARGS_MAX]){"run", "--quiet"}, &err), 1);
    cr_assert_null(quiet);
    cr_assert_eq(parse((const char *[ARGS_MAX]){"--", "--quiet"}, &err), 2);
    cr_assert_null(quiet);
    cr_assert_eq(parse((const char *[ARGS_MAX]){"-"}, &err), 1);
    cr_assert_eq(parse((const char *[ARGS_MAX]){"--port", "--", "x"}, &err), 3);
    cr_assert_str_eq(port, "--");
}

Test(cli, mistakes_say_what_to_do)
{
    static const struct {
        const char *args[ARGS_MAX];
        const char *says;
    } cases[] = {{{"--prot", "80"}, "did you mean --port?"},
        {{"--prot=80"}, "did you mean --port?"},
        {{"-port"}, "did you mean --port?"}, {{"--hlep"}, "--help?"},
        {{"--zzzzzzzz"}, "prog --help"}, {{"-x"}, "prog --help"},
        {{"--port"}, "needs a value"}, {{"--quiet=1"}, "takes no value"},
        {{"--por"}, "did you mean --port?"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_INIT;
        cr_expect_eq(parse(cases[i].args, &err), -1, "%s", cases[i].args[0]);
        cr_expect_eq(err.code, ERR_INVALID);
        cr_expect_not_null(strstr(err.message, cases[i].says), "%s: %s",
            cases[i].args[0], err.message);
    }
}

Test(cli, help_exits_with_success, .init = cr_redirect_stdout, .exit_code = 0)
{
    struct err err = ERR_INIT;
    (void)parse((const char *[ARGS_MAX]){"--help"}, &err);
    cr_assert_fail("--help must exit");
}

static char *
help_text(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_not_null(out);
    cli_help(&cli, out);
    (void)fclose(out);
    return text;
}

Test(cli, help_comes_from_the_table)
{
    AUTO_FREE char *text = help_text();
    static const char *const parts[] = {"Usage: prog [options] [file]\n",
        "Does things.\n", "--port N ", "the port\n", "--quiet ", "say less\n",
        "--help ", "--version ", "Exit codes: 0\n"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        cr_expect_not_null(
            strstr(text, parts[i]), "%s in:\n%s", parts[i], text);
}

Test(
    cli, version_exits_with_success, .init = cr_redirect_stdout, .exit_code = 0)
{
    struct err err = ERR_INIT;
    (void)parse((const char *[ARGS_MAX]){"--version"}, &err);
    cr_assert_fail("--version must exit");
}

Test(cli, the_nearest_name_is_near)
{
    static const char *const names[] = {
        "max_turns", "max_retries", "timeout_ms", "id"};

    static const struct {
        const char *word;
        const char *nearest;
    } cases[] = {{"max_turn", "max_turns"}, {"maxturns", "max_turns"},
        {"timeout", "timeout_ms"}, {"tiemout_ms", "timeout_ms"}, {"ID", NULL},
        {"ie", "id"}, {"", NULL}, {"completely_else", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *near = cli_nearest(cases[i].word, names, ARRAY_LEN(names));
        if (cases[i].nearest == NULL)
            cr_expect_null(near, "%s: %s", cases[i].word, near);
        else
            cr_expect(near != NULL && strcmp(near, cases[i].nearest) == 0,
                "%s: %s", cases[i].word, near != NULL ? near : "(none)");
    }
    char word[400];
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    cr_assert_null(cli_nearest(word, names, ARRAY_LEN(names)));
}
