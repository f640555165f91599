/* SPDX-License-Identifier: Apache-2.0
 * Hooks: the operator's scripts, run where the agent's code runs. */
#include "dataplane/workspace/workspace.h"

#include <string.h>

enum { TAIL = 300, DEFAULT_TIMEOUT_MS = 60 * 1000 };

/* The end of what it printed, where the reason usually stands. */
static const char *
tail_of(const struct buf *output)
{
    const char *text = buf_str(output);
    size_t len = output->len;

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    return len > TAIL ? text + len - TAIL : text;
}

int
workspace_hook(const struct workspace_job *job, const char *name,
    const char *script, int64_t timeout_ms, struct buf *output, struct err *err)
{
    const char *const command[] = {"-lc", script, NULL};
    const struct worker_job what = {.name = name, .command = command};
    struct docker_job_result result = {0};
    struct worker_spec spec;

    if (script == NULL || script[0] == '\0')
        return 0;
    if (timeout_ms <= 0)
        timeout_ms = DEFAULT_TIMEOUT_MS;
    worker_job_spec(&spec, job->place, &what);
    if (docker_job(job->docker, &spec.create, timeout_ms, job->cancel_fd,
            output, &result, err) != 0)
        return err_wrap(err, "hook %s", name);
    if (result.timed_out)
        return err_set(err, ERR_TIMEOUT,
            "hook %s took longer than hooks.timeout_ms (%lld ms)", name,
            (long long)timeout_ms);
    if (result.oom_killed)
        return err_set(
            err, ERR_INVALID, "hook %s ran out of memory and was killed", name);
    if (result.exit_code != 0)
        return err_set(err, ERR_INVALID, "hook %s ended with code %lld: %s",
            name, (long long)result.exit_code, tail_of(output));
    return 0;
}
