/* SPDX-License-Identifier: Apache-2.0
 * From a checked selection to the fake Linear's answer: filters, pages,
 * mutations, and the errors that Linear gives. */
#include "tests/fakes/lib/linear_model.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEAM_ID "7ea00000-0000-4000-8000-000000000001"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 250 };

struct run {
    struct fake_linear *linear;
    struct jw *w;
    struct fake_error *error;
};

static void
fail(struct run *run, const char *code, const char *type, const char *message,
    const char *for_people)
{
    if (run->error->set)
        return;
    run->error->set = true;
    (void)snprintf(run->error->code, sizeof(run->error->code), "%s", code);
    (void)snprintf(run->error->type, sizeof(run->error->type), "%s", type);
    (void)snprintf(
        run->error->message, sizeof(run->error->message), "%s", message);
    (void)snprintf(run->error->for_people, sizeof(run->error->for_people), "%s",
        for_people);
}

static void
fail_not_found(struct run *run, const char *entity)
{
    char message[128];
    char people[128];

    (void)snprintf(message, sizeof(message), "Entity not found: %s", entity);
    (void)snprintf(
        people, sizeof(people), "Could not find referenced %s.", entity);
    fail(run, "INPUT_ERROR", "invalid input", message, people);
}

/* ---- filters ---- */

static bool
in_list(const struct json *list, const char *value)
{
    json_each (item, list) {
        if (strcmp(json_str(item, ""), value) == 0)
            return true;
    }
    return false;
}

static bool
compare_matches(const struct json *comparator, const char *value)
{
    json_each (test, comparator) {
        const char *key = json_key(test);
        const char *operand = json_str(test, "");
        bool holds = true;
        if (strcmp(key, "eq") == 0)
            holds = strcmp(operand, value) == 0;
        else if (strcmp(key, "neq") == 0)
            holds = strcmp(operand, value) != 0;
        else if (strcmp(key, "in") == 0)
            holds = in_list(test, value);
        else if (strcmp(key, "nin") == 0)
            holds = !in_list(test, value);
        else if (strcmp(key, "eqIgnoreCase") == 0)
            holds = strcasecmp(operand, value) == 0;
        else if (strcmp(key, "neqIgnoreCase") == 0)
            holds = strcasecmp(operand, value) != 0;
        if (!holds)
            return false;
    }
    return true;
}

typedef bool matcher(const struct json *filter, const struct fake_issue *issue);

static bool
all_match(
    const struct json *list, const struct fake_issue *issue, matcher *match)
{
    json_each (filter, list) {
        if (!match(filter, issue))
            return false;
    }
    return true;
}

static bool
any_matches(
    const struct json *list, const struct fake_issue *issue, matcher *match)
{
    json_each (filter, list) {
        if (match(filter, issue))
            return true;
    }
    return list == NULL;
}

static bool
state_matches(const struct json *filter, const struct fake_issue *issue)
{
    return compare_matches(json_get(filter, "name"), issue->state->name) &&
           compare_matches(json_get(filter, "type"), issue->state->type) &&
           all_match(json_get(filter, "and"), issue, state_matches) &&
           any_matches(json_get(filter, "or"), issue, state_matches);
}

static bool
issue_matches(const struct json *filter, const struct fake_issue *issue)
{
    return compare_matches(json_get(filter, "id"), issue->id) &&
           compare_matches(
               json_path(filter, "project.slugId"), issue->project) &&
           state_matches(json_get(filter, "state"), issue) &&
           all_match(json_get(filter, "and"), issue, issue_matches) &&
           any_matches(json_get(filter, "or"), issue, issue_matches);
}

/* ---- pages ---- */

struct page {
    size_t first;
    size_t skip;
    size_t total;
    bool broken_end; /* a fault: no endCursor though there are more */
    bool stuck_end;  /* a fault: the cursor that was given */
};

static struct page
page_of(struct run *run, const struct json *args, size_t total)
{
    int64_t first = json_int(json_get(args, "first"), PAGE_DEFAULT);
    const char *after = json_str(json_get(args, "after"), "");
    struct page page = {.total = total};

    if (first < 1 || first > PAGE_MAX)
        fail(run, "INVALID_INPUT", "invalid input", "Argument Validation Error",
            "first must be between 1 and 250.");
    page.first = first < 1 ? 1 : (size_t)first;
    if (strncmp(after, "cursor-", 7) == 0)
        page.skip = strtoul(after + 7, NULL, 10);
    else if (after[0] != '\0')
        fail(run, "INVALID_INPUT", "invalid input", "Argument Validation Error",
            "after must be a valid cursor.");
    return page;
}

static bool
page_has(const struct page *page, size_t index)
{
    return index >= page->skip && index < page->skip + page->first;
}

static void
write_cursor(struct jw *w, const char *key, size_t index)
{
    char cursor[32];

    (void)snprintf(cursor, sizeof(cursor), "cursor-%zu", index);
    jw_str(w, key, cursor);
}

static void
write_page_info(struct run *run, const struct gql_selection *selection,
    const struct page *page)
{
    struct jw *w = run->w;
    size_t end = page->skip + page->first;
    bool more = end < page->total;

    jw_obj(w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "hasNextPage") == 0)
            jw_bool(w, s->key, more);
        else if (strcmp(s->name, "hasPreviousPage") == 0)
            jw_bool(w, s->key, page->skip > 0);
        else if (strcmp(s->name, "startCursor") == 0)
            write_cursor(w, s->key, page->skip);
        else if (page->broken_end && more)
            jw_null(w, s->key);
        else if (page->stuck_end && more)
            write_cursor(w, s->key, page->skip == 0 ? end : page->skip);
        else
            write_cursor(w, s->key, more ? end : page->total);
    }
    jw_end_obj(w);
}

/* ---- objects ---- */

static void write_issue(struct run *run, const struct gql_selection *selection,
    const char *key, const struct fake_issue *issue);

static void
write_state(struct run *run, const struct gql_selection *selection,
    const char *key, const struct fake_state *state)
{
    jw_obj(run->w, key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next)
        jw_str(run->w, s->key,
            strcmp(s->name, "id") == 0     ? state->id
            : strcmp(s->name, "name") == 0 ? state->name
                                           : state->type);
    jw_end_obj(run->w);
}

static void
write_named(struct run *run, const struct gql_selection *selection,
    const char *key, const char *id, const char *name)
{
    if (id == NULL) {
        jw_null(run->w, key);
        return;
    }
    jw_obj(run->w, key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next)
        jw_str(run->w, s->key, strcmp(s->name, "id") == 0 ? id : name);
    jw_end_obj(run->w);
}

static void
write_states(struct run *run, const struct gql_selection *selection)
{
    size_t count = 0;
    const struct fake_state *states = fake_states(&count);
    struct page page = page_of(run, selection->args, count);

    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "pageInfo") == 0) {
            write_page_info(run, s, &page);
            continue;
        }
        jw_arr(run->w, s->key);
        for (size_t i = 0; i < count; i++) {
            if (page_has(&page, i))
                write_state(run, s, NULL, &states[i]);
        }
        jw_end_arr(run->w);
    }
    jw_end_obj(run->w);
}

static void
write_team(struct run *run, const struct gql_selection *selection)
{
    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "states") == 0)
            write_states(run, s);
        else
            jw_str(
                run->w, s->key, strcmp(s->name, "id") == 0 ? TEAM_ID : "ENG");
    }
    jw_end_obj(run->w);
}

static void
write_labels(struct run *run, const struct gql_selection *selection,
    const struct fake_issue *issue)
{
    struct page page = page_of(run, selection->args, issue->label_count);

    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "pageInfo") == 0) {
            write_page_info(run, s, &page);
            continue;
        }
        jw_arr(run->w, s->key);
        for (size_t i = 0; i < issue->label_count; i++) {
            if (page_has(&page, i))
                write_named(run, s, NULL, issue->labels[i], issue->labels[i]);
        }
        jw_end_arr(run->w);
    }
    jw_end_obj(run->w);
}

static void
write_relation(struct run *run, const struct gql_selection *selection,
    const struct fake_issue *blocker, const struct fake_issue *issue)
{
    jw_obj(run->w, NULL);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "issue") == 0)
            write_issue(run, s, s->key, blocker);
        else if (strcmp(s->name, "relatedIssue") == 0)
            write_issue(run, s, s->key, issue);
        else
            jw_str(run->w, s->key,
                strcmp(s->name, "type") == 0 ? "blocks" : blocker->id);
    }
    jw_end_obj(run->w);
}

static void
write_relations(struct run *run, const struct gql_selection *selection,
    const struct fake_issue *issue)
{
    struct page page = page_of(run, selection->args, issue->blocker_count);

    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "pageInfo") == 0) {
            write_page_info(run, s, &page);
            continue;
        }
        jw_arr(run->w, s->key);
        for (size_t i = 0; i < issue->blocker_count; i++) {
            if (page_has(&page, i))
                write_relation(
                    run, s, run->linear->issues[issue->blockers[i]], issue);
        }
        jw_end_arr(run->w);
    }
    jw_end_obj(run->w);
}

static void
write_comment(struct run *run, const struct gql_selection *selection,
    const char *key, const struct fake_comment *comment)
{
    char at[CLOCK_ISO_SIZE];

    jw_obj(run->w, key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "issue") == 0)
            write_issue(run, s, s->key, run->linear->issues[comment->issue]);
        else
            jw_str(run->w, s->key,
                strcmp(s->name, "id") == 0 ? comment->id
                : strcmp(s->name, "body") == 0
                    ? comment->body
                    : clock_iso(comment->created_at, at));
    }
    jw_end_obj(run->w);
}

static void
write_comments(struct run *run, const struct gql_selection *selection,
    const struct fake_issue *issue)
{
    struct fake_linear *linear = run->linear;
    struct page page = page_of(run, selection->args, linear->comment_count);

    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "pageInfo") == 0) {
            write_page_info(run, s, &page);
            continue;
        }
        jw_arr(run->w, s->key);
        for (size_t i = 0; i < linear->comment_count; i++) {
            if (linear->issues[linear->comments[i].issue] == issue)
                write_comment(run, s, NULL, &linear->comments[i]);
        }
        jw_end_arr(run->w);
    }
    jw_end_obj(run->w);
}

static bool
write_issue_object(struct run *run, const struct gql_selection *s,
    const struct fake_issue *issue)
{
    if (strcmp(s->name, "state") == 0)
        write_state(run, s, s->key, issue->state);
    else if (strcmp(s->name, "assignee") == 0)
        write_named(run, s, s->key, issue->assignee, "Somebody");
    else if (strcmp(s->name, "project") == 0)
        write_named(run, s, s->key, issue->project, issue->project);
    else if (strcmp(s->name, "team") == 0)
        write_team(run, s);
    else if (strcmp(s->name, "labels") == 0)
        write_labels(run, s, issue);
    else if (strcmp(s->name, "inverseRelations") == 0)
        write_relations(run, s, issue);
    else if (strcmp(s->name, "comments") == 0)
        write_comments(run, s, issue);
    else
        return false;
    return true;
}

static void
write_issue_scalar(struct run *run, const struct gql_selection *s,
    const struct fake_issue *issue)
{
    char text[128];
    struct jw *w = run->w;

    if (strcmp(s->name, "id") == 0) {
        jw_str(w, s->key, issue->id);
    } else if (strcmp(s->name, "identifier") == 0) {
        jw_str(w, s->key, issue->identifier);
    } else if (strcmp(s->name, "title") == 0) {
        jw_str(w, s->key, issue->title);
    } else if (strcmp(s->name, "description") == 0) {
        jw_str(w, s->key, issue->description);
    } else if (strcmp(s->name, "priority") == 0) {
        jw_int(w, s->key, issue->priority);
    } else if (strcmp(s->name, "createdAt") == 0) {
        jw_str(w, s->key, clock_iso(issue->created_at, text));
    } else if (strcmp(s->name, "updatedAt") == 0) {
        jw_str(w, s->key, clock_iso(issue->updated_at, text));
    } else if (strcmp(s->name, "branchName") == 0) {
        (void)snprintf(text, sizeof(text), "somebody/%s", issue->identifier);
        jw_str(w, s->key, text);
    } else if (strcmp(s->name, "url") == 0) {
        (void)snprintf(text, sizeof(text), "https://linear.app/demo/issue/%s",
            issue->identifier);
        jw_str(w, s->key, text);
    } else {
        jw_str(w, s->key, "Issue"); /* __typename */
    }
}

static void
write_issue(struct run *run, const struct gql_selection *selection,
    const char *key, const struct fake_issue *issue)
{
    jw_obj(run->w, key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (!write_issue_object(run, s, issue))
            write_issue_scalar(run, s, issue);
    }
    jw_end_obj(run->w);
}

/* ---- operations ---- */

static size_t
count_matching(const struct run *run, const struct json *filter)
{
    size_t count = 0;

    for (size_t i = 0; i < run->linear->issue_count; i++)
        count += issue_matches(filter, run->linear->issues[i]) ? 1 : 0;
    return count;
}

static void
write_nodes(struct run *run, const struct gql_selection *selection,
    const struct json *filter, const struct page *page)
{
    size_t index = 0;

    jw_arr(run->w, selection->key);
    for (size_t i = 0; i < run->linear->issue_count; i++) {
        const struct fake_issue *issue = run->linear->issues[i];
        if (!issue_matches(filter, issue))
            continue;
        if (page_has(page, index))
            write_issue(run, selection, NULL, issue);
        index++;
    }
    jw_end_arr(run->w);
}

static void
run_issues(struct run *run, const struct gql_selection *selection)
{
    const struct json *filter = json_get(selection->args, "filter");
    size_t total = count_matching(run, filter);
    struct page page = page_of(run, selection->args, total);
    bool more = page.skip + page.first < total;

    page.broken_end = run->linear->drop_end_cursor && more;
    page.stuck_end = run->linear->repeat_end_cursor && more;
    if (more)
        run->linear->drop_end_cursor = false;
    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "pageInfo") == 0)
            write_page_info(run, s, &page);
        else
            write_nodes(run, s, filter, &page);
    }
    jw_end_obj(run->w);
}

static void
run_issue(struct run *run, const struct gql_selection *selection)
{
    const struct fake_issue *issue = fake_issue_find(
        run->linear, json_str(json_get(selection->args, "id"), ""));

    if (issue == NULL)
        fail_not_found(run, "Issue");
    else
        write_issue(run, selection, selection->key, issue);
}

static struct fake_comment *
find_comment(struct fake_linear *linear, const char *id)
{
    for (size_t i = 0; i < linear->comment_count; i++) {
        if (strcmp(linear->comments[i].id, id) == 0)
            return &linear->comments[i];
    }
    return NULL;
}

static void
run_comment(struct run *run, const struct gql_selection *selection)
{
    const struct fake_comment *comment = find_comment(
        run->linear, json_str(json_get(selection->args, "id"), ""));

    if (comment == NULL)
        fail_not_found(run, "Comment");
    else
        write_comment(run, selection, selection->key, comment);
}

static void
write_payload(struct run *run, const struct gql_selection *selection,
    const struct fake_issue *issue, const struct fake_comment *comment)
{
    jw_obj(run->w, selection->key);
    for (const struct gql_selection *s = selection->children; s != NULL;
         s = s->next) {
        if (strcmp(s->name, "success") == 0)
            jw_bool(run->w, s->key, true);
        else if (strcmp(s->name, "issue") == 0)
            write_issue(run, s, s->key, issue);
        else if (strcmp(s->name, "comment") == 0)
            write_comment(run, s, s->key, comment);
        else
            jw_int(run->w, s->key, run->linear->mutations);
    }
    jw_end_obj(run->w);
}

static void
run_issue_update(struct run *run, const struct gql_selection *selection)
{
    struct fake_issue *issue = fake_issue_find(
        run->linear, json_str(json_get(selection->args, "id"), ""));
    const char *state_id =
        json_str(json_path(selection->args, "input.stateId"), NULL);

    if (issue == NULL) {
        fail_not_found(run, "Issue");
        return;
    }
    if (state_id != NULL && fake_state_by_id(state_id) == NULL) {
        fail_not_found(run, "WorkflowState");
        return;
    }
    if (state_id != NULL)
        issue->state = fake_state_by_id(state_id);
    fake_issue_touch(issue);
    run->linear->mutations++;
    write_payload(run, selection, issue, NULL);
}

static bool
is_uuid4(const char *id)
{
    static const char form[] = "hhhhhhhh-hhhh-4hhh-vhhh-hhhhhhhhhhhh";

    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == 'h'   ? !isxdigit((unsigned char)id[i])
            : form[i] == 'v' ? id[i] == '\0' || strchr("89ab", id[i]) == NULL
                             : id[i] != form[i])
            return false;
    }
    return id[sizeof(form) - 1] == '\0';
}

static bool
check_comment(struct run *run, const char *id, const char *body)
{
    char people[128];

    if (!is_uuid4(id)) {
        fail(run, "INVALID_INPUT", "invalid input", "Argument Validation Error",
            "id must be a UUID.");
        return false;
    }
    if (find_comment(run->linear, id) != NULL) {
        (void)snprintf(people, sizeof(people),
            "Entity Comment with id %s already exists.", id);
        fail(run, "INPUT_ERROR", "invalid input",
            "conflict on insert of Comment", people);
        return false;
    }
    if (body[0] == '\0' || run->linear->comment_count == FAKE_COMMENTS_MAX) {
        fail(run, "INVALID_INPUT", "invalid input", "Argument Validation Error",
            "body must not be empty.");
        return false;
    }
    return true;
}

static void
run_comment_create(struct run *run, const struct gql_selection *selection)
{
    const struct json *input = json_get(selection->args, "input");
    struct fake_linear *linear = run->linear;
    struct fake_issue *issue =
        fake_issue_find(linear, json_str(json_get(input, "issueId"), ""));
    const char *id = json_str(json_get(input, "id"), "");
    const char *body = json_str(json_get(input, "body"), "");

    if (issue == NULL) {
        fail_not_found(run, "Issue");
        return;
    }
    if (!check_comment(run, id, body))
        return;
    struct fake_comment *comment = &linear->comments[linear->comment_count++];
    (void)snprintf(comment->id, sizeof(comment->id), "%s", id);
    comment->body = strdup(body);
    comment->created_at = clock_wall_ms();
    while (linear->issues[comment->issue] != issue)
        comment->issue++;
    fake_issue_touch(issue);
    linear->mutations++;
    write_payload(run, selection, NULL, comment);
}

void
fake_linear_run(struct fake_linear *linear, const struct gql_selection *root,
    struct jw *w, struct fake_error *error)
{
    static const struct {
        const char *name;
        void (*run)(struct run *, const struct gql_selection *);
    } operations[] = {
        {"issues", run_issues},
        {"issue", run_issue},
        {"comment", run_comment},
        {"issueUpdate", run_issue_update},
        {"commentCreate", run_comment_create},
    };
    struct run run = {linear, w, error};

    for (; root != NULL && !error->set; root = root->next) {
        if (strcmp(root->name, "viewer") == 0)
            write_named(&run, root, root->key, "viewer", "Viewer");
        for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
            if (strcmp(operations[i].name, root->name) == 0)
                operations[i].run(&run, root);
        }
    }
}
