/* SPDX-License-Identifier: Apache-2.0
 * The normalised issue (Symphony specification 4.1.1). */
#ifndef CONTROL_TRACKER_ISSUE_H
#define CONTROL_TRACKER_ISSUE_H

#include "common/err.h"
#include "common/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ISSUE_PRIORITY_NONE = 0, ISSUE_LABELS_MAX = 250 };

struct blocker {
    char *id;
    char *identifier;
    char *state;
};

struct issue {
    char *id;
    char *identifier;
    char *title;
    char *description; /* NULL: none */
    char *state;
    char *branch_name;
    char *url;
    char *assignee_id;
    char *native_ref; /* JSON text, or NULL */
    int64_t priority; /* 1 (urgent) .. 4; ISSUE_PRIORITY_NONE */
    char **labels;    /* lower case */
    size_t label_count;
    struct blocker *blocked_by;
    size_t blocked_by_count;
    bool dispatchable;
    bool own_writes_show;  /* our own comments and moves change updated_at */
    int64_t created_at_ms; /* -1: unknown */
    int64_t updated_at_ms; /* -1: unknown */
    int64_t fetched_at_ms; /* our clock when it was asked for; 0: just now */
};

struct issue_list {
    struct issue *items;
    size_t len;
    size_t cap;
};

/* Frees what the issue owns and zeroes it. */
void issue_release(struct issue *issue);
int issue_copy(struct issue *out, const struct issue *from, struct err *err);

/* Moves *issue into the list (it is zeroed on success). */
int issue_list_push(
    struct issue_list *list, struct issue *issue, struct err *err);
void issue_list_release(struct issue_list *list);

/* JSON with the field names of the specification, and back. */
void issue_write(const struct issue *issue, struct jw *w, const char *key);
int issue_read(const struct json *node, struct issue *out, struct err *err);

/* Equal after trimming and lower-casing (specification 4.2). */
bool issue_state_equal(const char *a, const char *b);
bool issue_state_in(const char *state, char *const *states, size_t count);
/* The form in which states are compared. Free it; NULL: out of memory. */
char *issue_state_key(const char *state);

/* Any of the texts may be NULL. ERR_TOO_LARGE past some hundreds. */
int issue_add_blocker(struct issue *issue, const char *id,
    const char *identifier, const char *state, struct err *err);

/* Adds a label: trimmed, lower-cased; blank ones and duplicates are dropped.
 * ERR_TOO_LARGE past ISSUE_LABELS_MAX. */
int issue_add_label(struct issue *issue, const char *label, struct err *err);

/* Dispatch order: priority 1..4 first, then oldest, then identifier. */
int issue_compare(const void *a, const void *b);

/* The workspace's folder name: [A-Za-z0-9._-], with a hash of the identifier
 * when sanitising changed it (specification 4.2). Free it. */
char *issue_workspace_key(const char *identifier, struct err *err);

#endif
