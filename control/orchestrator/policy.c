/* SPDX-License-Identifier: Apache-2.0
 * Endings: a success moves the issue on, a failure is tried again with growing
 * pauses while that can help, and people are told what they need to know. */
#include "control/orchestrator/policy.h"

#include <stdio.h>
#include <string.h>

enum { CONTINUATION_MS = 1000, BACKOFF_MS = 10000 };

int64_t
policy_backoff_ms(int64_t failures, int64_t max_ms)
{
    int64_t ms = BACKOFF_MS;

    for (int64_t i = 1; i < failures && ms < max_ms; i++)
        ms *= 2;
    return ms < max_ms ? ms : max_ms;
}

static const char *
text_or(const char *text, const char *fallback)
{
    return text != NULL && text[0] != '\0' ? text : fallback;
}

static void
comment_success(const struct attempt *attempt, struct ending *out)
{
    (void)snprintf(out->comment, sizeof(out->comment),
        "Risoluto: the agent is done (attempt %lld, %lld turn%s, %lld "
        "tokens).\n\n%s%s%s%s%s\n",
        (long long)attempt->number, (long long)attempt->turns,
        attempt->turns == 1 ? "" : "s", (long long)attempt->total_tokens,
        attempt->commit != NULL ? "The change is commit `"
                                : "It changed nothing in the workspace.",
        attempt->commit != NULL ? attempt->commit : "",
        attempt->commit != NULL ? "` on branch `" : "",
        attempt->commit != NULL ? text_or(attempt->branch, "?") : "",
        attempt->commit != NULL ? "`, ready for review." : "");
}

static void
comment_failure(const struct attempt *attempt, enum outcome outcome,
    const char *what_next, struct ending *out)
{
    (void)snprintf(out->comment, sizeof(out->comment),
        "Risoluto: attempt %lld ended with `%s`: %.2000s\n\n%s\n",
        (long long)attempt->number, outcome_name(outcome),
        text_or(attempt->message, outcome_text(outcome)), what_next);
}

/* The agent worked to its limit and did not say that it is done. */
static void
decide_continuation(const struct config *config, const struct attempt *attempt,
    int64_t failures, int64_t now_ms, struct ending *out)
{
    if (failures <= config->agent_max_continuation_attempts) {
        out->retry_at_ms = now_ms + CONTINUATION_MS;
        out->continuation = true;
        return;
    }
    comment_failure(attempt, OUTCOME_TURNS_EXHAUSTED,
        "It has used up its continuations. Change the issue, or raise "
        "agent.max_turns, to let it run again.",
        out);
}

static void
decide_failure(const struct config *config, const struct attempt *attempt,
    enum outcome outcome, int64_t failures, int64_t now_ms, struct ending *out)
{
    if (!outcome_is_retryable(outcome)) {
        comment_failure(attempt, outcome,
            "This does not mend itself: it runs again when the issue is "
            "changed.",
            out);
        return;
    }
    out->retry_at_ms = now_ms + policy_backoff_ms(failures,
                                    config->agent_max_retry_backoff_ms);
    if (failures == 1) /* once per series: trackers are no logs */
        comment_failure(attempt, outcome, "It is tried again by itself.", out);
}

void
policy_decide(const struct config *config, const struct attempt *attempt,
    enum outcome outcome, int64_t failures, int64_t now_ms, struct ending *out)
{
    memset(out, 0, sizeof(*out));
    switch ((int)outcome) {
    case OUTCOME_SUCCEEDED:
        comment_success(attempt, out);
        (void)snprintf(out->transition_to, sizeof(out->transition_to), "%s",
            config->agent_success_state);
        break;
    case OUTCOME_ABORTED:
    case OUTCOME_SUPERSEDED:
        break; /* somebody's own doing: nothing to tell them */
    case OUTCOME_TURNS_EXHAUSTED:
        decide_continuation(config, attempt, failures, now_ms, out);
        break;
    default:
        decide_failure(config, attempt, outcome, failures, now_ms, out);
        break;
    }
}
