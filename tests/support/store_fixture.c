/* SPDX-License-Identifier: Apache-2.0
 * A store in a folder of its own, for tests. */
#include "tests/support/store_fixture.h"

#include "common/clock.h"
#include "common/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err.message)

static void
decide(void *arg, const struct attempt *attempt, enum outcome outcome,
    int64_t failures, struct ending *out)
{
    struct store_fixture *fixture = arg;

    cr_assert_eq(attempt->status, ATTEMPT_ENDED);
    fixture->outcome = outcome;
    fixture->failures = failures;
    fixture->decisions++;
    *out = fixture->ending;
}

void
store_fixture_open(struct store_fixture *fixture)
{
    struct err err = ERR_INIT;

    memset(fixture, 0, sizeof(*fixture));
    (void)snprintf(
        fixture->dir, sizeof(fixture->dir), "/tmp/risoluto-store-XXXXXX");
    cr_assert_not_null(mkdtemp(fixture->dir));
    fixture->policy = (struct ending_policy){.decide = decide, .arg = fixture};
    OK(store_open(&fixture->store, fixture->dir, &err));
}

void
store_fixture_close(struct store_fixture *fixture)
{
    struct err err = ERR_INIT;

    store_close(fixture->store);
    fixture->store = NULL;
    OK(file_remove_tree(fixture->dir, &err));
}

void
store_fixture_reopen(struct store_fixture *fixture)
{
    struct err err = ERR_INIT;

    store_close(fixture->store);
    OK(store_open(&fixture->store, fixture->dir, &err));
}

struct issue
store_fixture_issue(const char *identifier, const char *state)
{
    struct issue issue = {
        .dispatchable = true, .created_at_ms = 500, .updated_at_ms = 1000};
    char id[64];

    (void)snprintf(id, sizeof(id), "id-of-%s", identifier);
    issue.id = strdup(id);
    issue.identifier = strdup(identifier);
    issue.title = strdup("A title");
    issue.state = strdup(state);
    return issue;
}

struct attempt
store_fixture_claim(struct store_fixture *fixture, const struct issue *issue)
{
    struct err err = ERR_INIT;
    struct attempt attempt;

    OK(store_claim(fixture->store, issue, "host-a", "model-x", &attempt, &err));
    return attempt;
}

int
store_fixture_event(struct store_fixture *fixture, const char *attempt_id,
    int64_t seq, const char *type, const char *data, struct err *err)
{
    char id[64];
    char name[64];
    char json[4096];
    struct event_message event = {.pos = ++fixture->pos,
        .attempt_id = id,
        .seq = seq,
        .at_ms = 1700000000000 + seq,
        .type = name,
        .data = json};
    struct slice events = {&event, 1};

    (void)snprintf(id, sizeof(id), "%s", attempt_id);
    (void)snprintf(name, sizeof(name), "%s", type);
    (void)snprintf(json, sizeof(json), "%s", data);
    return store_apply_events(
        fixture->store, "host-a", "journal-1", &events, &fixture->policy, err);
}

size_t
store_fixture_count(struct store_fixture *fixture, const char *type)
{
    struct err err = ERR_INIT;
    struct event_list list;
    size_t count = 0;

    OK(store_events(fixture->store, NULL, 0, 1000, &list, &err));
    for (size_t i = 0; i < list.len; i++)
        count += strcmp(list.items[i].type, type) == 0 ? 1 : 0;
    event_list_release(&list);
    return count;
}

bool
store_fixture_claimable(
    struct store_fixture *fixture, const struct issue *issue)
{
    struct err err = ERR_INIT;
    bool answer = false;

    OK(store_is_claimable(
        fixture->store, issue, clock_wall_ms(), &answer, &err));
    return answer;
}

int
store_fixture_deliver(struct store_fixture *fixture)
{
    struct err err = ERR_INIT;
    struct outbox_entry entry;

    if (store_outbox_next(fixture->store, clock_wall_ms(), &entry, &err) < 0) {
        cr_assert_eq(err.code, ERR_NOT_FOUND, "%s", err.message);
        return -1;
    }
    int kind = (int)entry.kind;
    OK(store_outbox_done(fixture->store, &entry, &err));
    outbox_entry_release(&entry);
    return kind;
}
