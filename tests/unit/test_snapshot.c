/* SPDX-License-Identifier: Apache-2.0
 * The shared body: rendered once per change, and never given away while
 * somebody still sends it. */
#include "control/http/snapshot.h"

#include <criterion/criterion.h>
#include <string.h>

struct source {
    int renders;
    int64_t version;
    const char *content;
    bool fails;
};

static int
render(void *arg, struct buf *out, struct err *err)
{
    struct source *source = arg;

    if (source->fails)
        return err_set(err, ERR_STORE, "gone");
    buf_printf(out, "%08d", ++source->renders); /* the time, so to speak */
    buf_puts(out, source->content);
    return 8;
}

static int64_t
version(void *arg)
{
    const struct source *source = arg;

    return source->version;
}

static struct snapshot *
make(struct source *source, int64_t max_age_ms)
{
    const struct snapshot_source from = {.render = render,
        .version = version,
        .arg = source,
        .max_age_ms = max_age_ms};
    struct snapshot *snapshot = NULL;
    struct err err = ERR_INIT;

    cr_assert_eq(snapshot_new(&snapshot, &from, &err), 0);
    return snapshot;
}

static struct shared_body *
get(struct snapshot *snapshot)
{
    struct shared_body *body = NULL;
    struct err err = ERR_INIT;

    cr_assert_eq(snapshot_get(snapshot, &body, &err), 0, "%s", err.message);
    return body;
}

/* A body that was costly to render is held for a moment: ask until it is
 * rendered anew. */
static struct shared_body *
get_rendered(struct snapshot *snapshot, const struct source *source, int times)
{
    struct shared_body *body = get(snapshot);

    for (int i = 0; i < 1000000 && source->renders < times; i++) {
        shared_body_release(body);
        body = get(snapshot);
    }
    return body;
}

Test(snapshot, is_rendered_once_per_change)
{
    struct source source = {.content = "a"};
    struct snapshot *snapshot = make(&source, 60000);
    struct shared_body *first = get(snapshot);
    struct shared_body *second = get(snapshot);

    cr_expect_eq(first, second);
    cr_expect_eq(source.renders, 1);
    source.version = 1;
    source.content = "b";
    struct shared_body *third = get_rendered(snapshot, &source, 2);
    size_t len = 0;

    cr_expect_eq(source.renders, 2);
    cr_expect_str_neq(shared_body_etag(first), shared_body_etag(third));
    /* The old one is still whole for whoever holds it. */
    cr_expect_str_eq(shared_body_data(first, &len), "00000001a");
    cr_expect_str_eq(shared_body_data(third, &len), "00000002b");
    cr_expect_eq(len, 9);
    shared_body_release(first);
    shared_body_release(second);
    shared_body_release(third);
    snapshot_free(snapshot);
}

Test(snapshot, keeps_its_etag_when_only_the_time_differs)
{
    struct source source = {.content = "a"};
    struct snapshot *snapshot = make(&source, 60000);
    struct shared_body *first = get(snapshot);

    source.version = 1;
    struct shared_body *second = get_rendered(snapshot, &source, 2);

    cr_expect_eq(source.renders, 2);
    cr_expect_eq(first, second, "the same content is the same body");
    shared_body_release(first);
    shared_body_release(second);
    snapshot_free(snapshot);
}

Test(snapshot, a_failure_is_told_and_not_kept)
{
    struct source source = {.content = "a", .fails = true};
    struct snapshot *snapshot = make(&source, 60000);
    struct shared_body *body = NULL;
    struct err err = ERR_INIT;

    cr_expect_eq(snapshot_get(snapshot, &body, &err), -1);
    cr_expect_eq(err.code, ERR_STORE);
    cr_expect_null(body);
    source.fails = false;
    shared_body_release(get(snapshot));
    snapshot_free(snapshot);
}
