/* SPDX-License-Identifier: Apache-2.0
 * common/log: both formats, escaping, levels, bounds. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends[2];
static int saved_stderr;
static char captured[32768];

static void
start(const char *format, const char *level)
{
    struct err err = ERR_INIT;
    if (format != NULL)
        cr_assert_eq(setenv("RISOLUTO_LOG_FORMAT", format, 1), 0);
    if (level != NULL)
        cr_assert_eq(setenv("LOG_LEVEL", level, 1), 0);
    cr_assert_eq(log_init("unit", &err), 0, "%s", err.message);
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    saved_stderr = dup(2);
    cr_assert_geq(dup2(ends[1], 2), 0);
}

/* What was logged since start. */
static const char *
stop(void)
{
    (void)dup2(saved_stderr, 2);
    (void)close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (
        (got = read(ends[0], captured + len, sizeof(captured) - 1 - len)) > 0)
        len += (size_t)got;
    captured[len] = '\0';
    return captured;
}

static const struct log_ctx ctx = {.issue_id = "i1",
    .issue_identifier = "MT-42",
    .attempt_id = "a1",
    .session_id = "s1"};

Test(log, logfmt_has_the_fields_in_order)
{
    start("logfmt", NULL);
    log_info(
        &ctx, "it works", LOG_S("k", "v"), LOG_I("n", -3), LOG_S("none", NULL));
    const char *line = stop();
    cr_assert_eq(strncmp(line, "ts=", 3), 0);
    char stamp[CLOCK_ISO_SIZE];
    memcpy(stamp, line + 3, CLOCK_ISO_SIZE - 1);
    stamp[CLOCK_ISO_SIZE - 1] = '\0';
    cr_assert_gt(clock_parse_iso(stamp), 0, "%s", stamp);
    cr_assert_str_eq(line + 3 + CLOCK_ISO_SIZE - 1,
        " level=info process=unit msg=\"it works\" issue_id=i1 "
        "issue_identifier=MT-42 attempt_id=a1 session_id=s1 k=v n=-3\n");
}

Test(log, json_has_the_same)
{
    start("json", NULL);
    log_warn(&ctx, "it \"works\"", LOG_S("k", "a\nb\xFF\x01"), LOG_I("n", 3));
    const char *line = stop();
    struct err err = ERR_INIT;
    AUTO(json_free_ptr)
    struct json *root = json_parse(line, strlen(line), 10000, &err);
    cr_assert_not_null(root, "%s: %s", err.message, line);
    cr_assert_str_eq(json_str(json_get(root, "level"), ""), "warn");
    cr_assert_str_eq(json_str(json_get(root, "msg"), ""), "it \"works\"");
    cr_assert_str_eq(json_str(json_get(root, "issue_identifier"), ""), "MT-42");
    cr_assert_str_eq(json_str(json_get(root, "k"), ""), "a\nb\xEF\xBF\xBD\x01");
    cr_assert_eq(json_int(json_get(root, "n"), 0), 3);
}

Test(log, a_value_cannot_forge_a_line_or_a_field)
{
    start("logfmt", NULL);
    log_info(NULL, "m", LOG_S("a", "x\nlevel=error msg=fake"),
        LOG_S("b", "x y=z"), LOG_S("c", "say \"hi\" \\"), LOG_S("d", ""),
        LOG_S("e", "\x1B[31m\xFF"));
    const char *line = stop();
    const char *end = strchr(line, '\n');
    cr_assert_not_null(end);
    cr_assert_eq(end[1], '\0', "two lines");
    cr_assert_not_null(
        strstr(line,
            " a=\"x\\nlevel=error msg=fake\" b=\"x y=z\" c=\"say \\\"hi\\\" "
            "\\\\\" d=\"\" e=\"\\u001b[31m\xEF\xBF\xBD\"\n"),
        "%s", line);
}

Test(log, nothing_below_the_threshold_is_written)
{
    start(NULL, "warn");
    log_info(NULL, "no");
    log_debug(NULL, "no");
    log_warn(NULL, "yes");
    log_error(NULL, "yes");
    const char *text = stop();
    cr_assert_null(strstr(text, "msg=no"));
    cr_assert_not_null(strstr(text, "level=warn"));
    cr_assert_not_null(strstr(text, "level=error"));
    cr_assert_eq(log_threshold(), LOG_WARN);
}

Test(log, unknown_settings_are_errors)
{
    struct err err = ERR_INIT;
    cr_assert_eq(setenv("LOG_LEVEL", "loud", 1), 0);
    cr_assert_eq(log_init("unit", &err), -1);
    cr_assert_not_null(strstr(err.message, "loud"));
    cr_assert_eq(setenv("LOG_LEVEL", "", 1), 0);
    cr_assert_eq(setenv("RISOLUTO_LOG_FORMAT", "xml", 1), 0);
    cr_assert_eq(log_init("unit", &err), -1);
    cr_assert_eq(err.code, ERR_CONFIG);
    cr_assert_eq(setenv("RISOLUTO_LOG_FORMAT", "", 1), 0);
    cr_assert_eq(log_init("unit", &err), 0);
}

Test(log, long_values_are_cut_and_the_line_stays_whole)
{
    static char big[20000];
    memset(big, '"', sizeof(big) - 1);
    for (int json = 0; json < 2; json++) {
        start(json ? "json" : "logfmt", NULL);
        log_info(NULL, big, LOG_S("a", big), LOG_S("b", big), LOG_S("c", big),
            LOG_S("d", big), LOG_I("n", 1));
        const char *line = stop();
        size_t len = strlen(line);
        cr_assert_leq(len, 8192);
        cr_assert_eq(line[len - 1], '\n');
        cr_assert_not_null(strstr(line, "\xE2\x80\xA6"));
        cr_assert_not_null(strstr(line, "truncated"));
        struct err err = ERR_INIT;
        AUTO(json_free_ptr)
        struct json *root = json ? json_parse(line, len, len, &err) : NULL;
        cr_assert(!json || root != NULL, "%s", err.message);
    }
}

Test(log, a_failure_is_logged_with_its_code_and_errno_survives)
{
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_DISK_FULL, "no room");
    start("logfmt", NULL);
    errno = EXDEV;
    log_failure(&ctx, "commit failed", &err);
    int after = errno;
    const char *line = stop();
    cr_assert_eq(after, EXDEV);
    cr_assert_not_null(strstr(line, "level=error"));
    cr_assert_not_null(
        strstr(line, "attempt_id=a1 session_id=s1 code=disk_full "
                     "error=\"no room\"\n"));
}
