/* SPDX-License-Identifier: Apache-2.0
 * For tests of the store: one in a folder of its own, issues, events, and a
 * policy that answers what the test has set. */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include "control/store/store.h"

struct store_fixture {
    char dir[64];
    struct store *store;
    struct ending_policy policy;
    struct ending ending; /* what the policy answers */
    int64_t failures;     /* what it was told */
    enum outcome outcome; /* what it was told */
    int64_t decisions;    /* how often it was asked */
    int64_t pos;          /* of the last event made by store_fixture_event */
};

/* Both abort the test when something fails. */
void store_fixture_open(struct store_fixture *fixture);
void store_fixture_close(struct store_fixture *fixture);
/* As after a restart of the process. */
void store_fixture_reopen(struct store_fixture *fixture);

/* An issue of a tracker, with updated_at 1000; release it. */
struct issue store_fixture_issue(const char *identifier, const char *state);

/* Claims and returns the attempt; release it. */
struct attempt store_fixture_claim(
    struct store_fixture *fixture, const struct issue *issue);

/* One event of the data plane "host-a", applied at once. */
int store_fixture_event(struct store_fixture *fixture, const char *attempt_id,
    int64_t seq, const char *type, const char *data, struct err *err);

/* How many events of this type are stored. */
size_t store_fixture_count(struct store_fixture *fixture, const char *type);

bool store_fixture_claimable(
    struct store_fixture *fixture, const struct issue *issue);

/* Delivers the next outbox entry; its kind, or -1 when none is due. */
int store_fixture_deliver(struct store_fixture *fixture);

#endif
