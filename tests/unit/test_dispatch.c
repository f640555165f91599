/* SPDX-License-Identifier: Apache-2.0
 * From an issue to a dispatch that the protocol accepts. */
#include "common/borrow.h"
#include "common/cleanup.h"
#include "control/orchestrator/dispatch.h"
#include "proto/frame.h"
#include "proto/limits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char dir[] = "/tmp/risoluto-test-dispatch-XXXXXX";
static struct config *config;

static void
load(void)
{
    struct config_sources sources = {.data_dir = dir};
    struct err err = ERR_INIT;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(config_load(&config, &sources, &err), 0, "%s", err.message);
}

static void
unload(void)
{
    config_release(config);
    (void)rmdir(dir);
}

TestSuite(dispatch, .init = load, .fini = unload);

static char attempt_id[] = "0123456789abcdef0123456789abcdef";
static struct attempt attempt = {
    .attempt_id = attempt_id, .fence = 1, .number = 1};

/* Builds it and takes it through the protocol's own encoder and decoder. */
static struct dispatch_request *
through_the_wire(const char *identifier, const char *title)
{
    static char id[] = "i-1";
    struct issue issue = {.id = id,
        .identifier = borrow_text(identifier),
        .title = borrow_text(title),
        .state = id};
    struct dispatch dispatch;
    struct err err = ERR_INIT;
    struct buf frame;
    enum proto_op op;
    void *body = NULL;

    buf_init_secret(&frame, PROTO_FRAME_MAX);
    cr_assert_eq(dispatch_build(&dispatch, config, &issue, &attempt, &err), 0,
        "%s", err.message);
    cr_assert_eq(
        proto_encode_request(OP_DISPATCH, &dispatch.request, &frame, &err), 0,
        "%s", err.message);
    cr_assert_eq(proto_decode_request(frame.data, frame.len, &op, &body, &err),
        0, "%s", err.message);
    dispatch_release(&dispatch);
    buf_free(&frame);
    return body;
}

Test(dispatch, the_prompt_holds_the_issue_and_the_branch_its_identifier)
{
    struct dispatch_request *request =
        through_the_wire("RIS-7", "Mend the fence");

    cr_expect_not_null(strstr(request->prompt, "Mend the fence"));
    cr_expect_str_eq(request->workspace.key, "RIS-7");
    cr_expect_str_eq(request->workspace.branch, "risoluto/RIS-7");
    cr_expect_str_eq(
        request->workspace.commit_message, "RIS-7: Mend the fence\n");
    proto_free_request(OP_DISPATCH, request);
}

Test(dispatch, a_title_of_any_length_still_fits_the_protocol)
{
    char title[4001];
    struct dispatch_request *request;

    for (size_t i = 0; i < 4000; i += 2)
        memcpy(title + i, "\xc3\xa9", 2);
    title[4000] = '\0';
    request = through_the_wire("RIS-8", title);
    cr_expect_leq(strlen(request->issue.title), (size_t)PROTO_TITLE_MAX);
    cr_expect_leq(strlen(request->workspace.commit_message), (size_t)220);
    proto_free_request(OP_DISPATCH, request);
}

Test(dispatch, a_title_of_many_lines_is_one_subject_line)
{
    struct dispatch_request *request =
        through_the_wire("RIS-9", "One\nTwo\r\nThree");

    cr_expect_str_eq(
        request->workspace.commit_message, "RIS-9: One Two  Three\n");
    proto_free_request(OP_DISPATCH, request);
}

struct hostile_row {
    const char *identifier;
};

Test(dispatch, hostile_identifiers_make_harmless_names)
{
    static const struct hostile_row rows[] = {{"../../etc"}, {"a/b"}, {".."},
        {"."}, {".git"}, {"x..y"}, {"end."}, {"name.lock"}, {"-rf"}, {"a b\tc"},
        {"\xc3\xa9"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dispatch_request *request =
            through_the_wire(rows[i].identifier, "t");
        const char *key = request->workspace.key;
        const char *branch = request->workspace.branch;
        size_t len = strlen(branch);

        cr_expect_neq(key[0], '.', "%s", key);
        cr_expect_null(strchr(key, '/'), "%s", key);
        cr_expect_null(strstr(branch, ".."), "%s", branch);
        cr_expect_neq(branch[len - 1], '.', "%s", branch);
        cr_expect(len < 5 || strcmp(branch + len - 5, ".lock") != 0);
        proto_free_request(OP_DISPATCH, request);
    }
}
