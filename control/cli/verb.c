/* SPDX-License-Identifier: Apache-2.0
 * Finds the verb, parses its command line, runs it, and says what went
 * wrong. */
#include "control/cli/verb.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "control/cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 24, PROGRAM_MAX = 48 };

static const char default_url[] = "http://127.0.0.1:4000";

static const char environment[] =
    "Environment:\n"
    "  RISOLUTO_URL                address of the API (http://127.0.0.1:4000)\n"
    "  RISOLUTO_WRITE_TOKEN_FILE   file with the token that writes need\n"
    "  RISOLUTO_WRITE_TOKEN        the token itself\n"
    "  NO_COLOR                    no colours, whatever the terminal\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 the command line is wrong.";

static const struct verb *const verbs[] = {
#define X(name) &verb_##name,
    VERBS(X)
#undef X
};

/* ---- the command line of one verb ---- */

struct parser {
    const struct verb *verb;
    struct verb_call *call;
    struct cli cli;
    struct cli_option options[OPTIONS_MAX];
    char program[PROGRAM_MAX];
};

static void
parser_init(
    struct parser *parser, const struct verb *verb, struct verb_call *call)
{
    const struct cli_option remote[] = {
        {"url", "URL", "address of the control plane's API", &call->url},
        {"token-file", "FILE", "file with the write token", &call->token_file},
    };
    size_t count = 0;
    for (size_t i = 0; i < verb->option_count; i++)
        parser->options[count++] = verb->options[i];
    for (size_t i = 0; verb->remote && i < ARRAY_LEN(remote); i++)
        parser->options[count++] = remote[i];
    (void)snprintf(
        parser->program, sizeof(parser->program), "risoluto %s", verb->name);
    parser->verb = verb;
    parser->call = call;
    parser->cli = (struct cli){
        .program = parser->program,
        .summary = verb->summary,
        .usage = verb->usage,
        .options = parser->options,
        .count = count,
        .epilog = verb->epilog != NULL ? verb->epilog
                  : verb->remote       ? environment
                                       : NULL,
    };
}

/* The option that word names, NULL when it is none of ours. */
static const struct cli_option *
find_option(const struct parser *parser, const char *word)
{
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    size_t len = strcspn(word + 2, "=");
    for (size_t i = 0; i < parser->cli.count; i++) {
        const char *name = parser->options[i].name;
        if (strlen(name) == len && strncmp(name, word + 2, len) == 0)
            return &parser->options[i];
    }
    return NULL;
}

/* Hands one option with its value to the common parser, which stops at the
 * first operand. Returns how many words it took, or -1. */
static int
take_option(struct parser *parser, char **words, int left, struct err *err)
{
    struct verb_call *call = parser->call;
    const struct cli_option *option = find_option(parser, words[0]);
    bool two = option != NULL && option->argname != NULL &&
               strchr(words[0], '=') == NULL && left > 1;
    char *argv[] = {parser->program, words[0], two ? words[1] : NULL, NULL};
    int rest = 0;
    if (cli_parse(&parser->cli, two ? 3 : 2, argv, &rest, err) != 0)
        return -1;
    const char *repeatable = parser->verb->repeatable;
    if (option != NULL && repeatable != NULL &&
        strcmp(option->name, repeatable) == 0) {
        if (call->repeated_count == VERB_OPERANDS_MAX)
            return err_set(err, ERR_INVALID, "too many --%s", repeatable);
        call->repeated[call->repeated_count++] = *option->value;
    }
    return two ? 2 : 1;
}

static int
take_operand(struct parser *parser, const char *word, struct err *err)
{
    struct verb_call *call = parser->call;
    if (call->count >= parser->verb->max_operands ||
        call->count >= VERB_OPERANDS_MAX)
        return err_set(err, ERR_INVALID, "unexpected \"%.64s\": see %s --help",
            word, parser->program);
    call->operands[call->count++] = word;
    return 0;
}

int
verb_parse(const struct verb *verb, int argc, char **argv, int from,
    struct verb_call *call, struct err *err)
{
    struct parser parser;
    bool options = true;
    parser_init(&parser, verb, call);
    for (int at = from; at < argc;) {
        if (options && strcmp(argv[at], "--") == 0) {
            options = false;
            at++;
        } else if (options && argv[at][0] == '-' && argv[at][1] != '\0') {
            int used = take_option(&parser, argv + at, argc - at, err);
            if (used < 0)
                return -1;
            at += used;
        } else if (take_operand(&parser, argv[at++], err) != 0) {
            return -1;
        }
    }
    if (call->count < verb->min_operands)
        return err_set(
            err, ERR_INVALID, "usage: %s %s", parser.program, verb->usage);
    return 0;
}

/* ---- which verb ---- */

/* The verb at argv[at], of one word or two; *used is how many. */
static const struct verb *
find_verb(int argc, char **argv, int at, int *used)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *name = verbs[i]->name;
        const char *space = strchr(name, ' ');
        size_t first = space != NULL ? (size_t)(space - name) : strlen(name);
        if (strlen(argv[at]) != first || strncmp(argv[at], name, first) != 0)
            continue;
        *used = space != NULL ? 2 : 1;
        if (space == NULL ||
            (at + 1 < argc && strcmp(argv[at + 1], space + 1) == 0))
            return verbs[i];
    }
    return NULL;
}

/* "create, show, move": the second words of the verbs that begin with word;
 * empty when there are none. */
static void
second_words(const char *word, struct buf *out)
{
    size_t len = strlen(word);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *name = verbs[i]->name;
        if (strncmp(name, word, len) == 0 && name[len] == ' ')
            buf_printf(out, "%s%s", out->len > 0 ? ", " : "", name + len + 1);
    }
}

static int
unknown_verb(const char *word, struct err *err)
{
    const char *names[ARRAY_LEN(verbs)];
    AUTO(buf_free) struct buf seconds = {0};
    buf_init(&seconds, 256);
    second_words(word, &seconds);
    if (seconds.len > 0)
        return err_set(err, ERR_INVALID,
            "risoluto %s is followed by one of: %s", word, buf_str(&seconds));
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[i] = verbs[i]->name;
    const char *near = cli_nearest(word, names, ARRAY_LEN(names));
    if (near != NULL)
        return err_set(err, ERR_INVALID,
            "unknown command \"%.40s\": did you mean \"%s\"?", word, near);
    return err_set(err, ERR_INVALID,
        "unknown command \"%.40s\": see risoluto --help", word);
}

/* The list of verbs, as the epilog of the general help. */
static char *
describe_verbs(void)
{
    struct buf text;
    buf_init(&text, 16384);
    buf_puts(&text, "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        buf_printf(&text, "  %-24s %s\n", verbs[i]->name, verbs[i]->summary);
    buf_puts(&text, "\nrisoluto COMMAND --help tells more about each.\n\n");
    buf_puts(&text, environment);
    return buf_steal(&text);
}

static int
run(int argc, char **argv, struct err *err)
{
    struct verb_call call = {.count = 0};
    AUTO_FREE char *epilog = describe_verbs();
    if (epilog == NULL)
        return err_no_memory(err);
    const struct cli_option options[] = {
        {"url", "URL", "address of the control plane's API", &call.url},
        {"token-file", "FILE", "file with the write token", &call.token_file},
    };
    const struct cli cli = {
        .program = "risoluto",
        .summary = "Files issues, watches agents work on them, shows results.",
        .usage = "[OPTION..] COMMAND [..]",
        .options = options,
        .count = ARRAY_LEN(options),
        .epilog = epilog,
    };
    int at = 0;
    int used = 0;
    if (cli_parse(&cli, argc, argv, &at, err) != 0)
        return -1;
    if (at >= argc) {
        cli_help(&cli, stderr);
        return VERB_USAGE;
    }
    const struct verb *verb = find_verb(argc, argv, at, &used);
    if (verb == NULL)
        return unknown_verb(argv[at], err);
    if (verb_parse(verb, argc, argv, at + used, &call, err) != 0)
        return -1;
    const char *url = getenv("RISOLUTO_URL");
    if (call.url == NULL)
        call.url = url != NULL && url[0] != '\0' ? url : default_url;
    return verb->run(&call, err);
}

int
verb_main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    int rc = run(argc, argv, &err);
    if (fflush(stdout) != 0 && rc == VERB_DONE) {
        (void)fputs("risoluto: cannot write to stdout\n", stderr);
        return VERB_FAILED;
    }
    if (rc >= 0)
        return rc;
    /* Part of a message may come from the other end. */
    (void)fputs("risoluto: ", stderr);
    text_line(stderr, err.message);
    (void)fputc('\n', stderr);
    return err.code == ERR_INVALID ? VERB_USAGE : VERB_FAILED;
}
