/* SPDX-License-Identifier: Apache-2.0
 * dataplane/init/oom: the counters of both cgroup versions. */
#include "dataplane/init/oom.h"

#include "common/cleanup.h"
#include "common/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 128 };

static char root[64];
static struct err err;

static void
begin(void)
{
    char sub[PATH_SIZE];

    (void)snprintf(root, sizeof(root), "/tmp/risoluto-oom-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    (void)snprintf(sub, sizeof(sub), "%s/memory", root);
    cr_assert_eq(mkdir(sub, 0700), 0);
}

static void
end(void)
{
    cr_assert_eq(file_remove_tree(root, &err), 0);
}

TestSuite(oom, .init = begin, .fini = end);

static bool
with(const char *name, const char *text)
{
    char path[PATH_SIZE];
    bool result;

    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0600, &err), 0);
    result = oom_happened(root);
    cr_assert_eq(unlink(path), 0);
    return result;
}

Test(oom, reads_the_counter_of_either_version)
{
    static const struct {
        const char *name;
        const char *text;
        bool happened;
    } cases[] = {
        {"memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n", true},
        {"memory.events", "low 0\nmax 3\noom 1\noom_kill 0\n", false},
        {"memory.events", "oom_kill 12", true},
        {"memory.events", "oom_group_kill 1\n", false},
        {"memory.events", "", false},
        {"memory.events", "oom_kill", false},
        {"memory/memory.oom_control",
            "oom_kill_disable 1\nunder_oom 1\noom_kill 0\n", false},
        {"memory/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(with(cases[i].name, cases[i].text), cases[i].happened,
            "%s", cases[i].text);
}

Test(oom, no_counter_is_no_shortage)
{
    cr_expect_not(oom_happened(root));
    cr_expect_not(oom_happened("/nonexistent"));
}
