/* SPDX-License-Identifier: Apache-2.0
 * Writes the page of all configuration keys. */
#include "control/config/doc.h"

#include "control/config/keys.h"

#include <inttypes.h>
#include <string.h>

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `make docs` from control/config/keys.def and doc.c; do not "
    "edit. -->\n"
    "\n"
    "## Where a value comes from\n"
    "\n"
    "Layers, the last one wins:\n"
    "\n"
    "1. the defaults below\n"
    "2. the front matter of `WORKFLOW.md`: `--workflow FILE`, or "
    "`DATA_DIR/WORKFLOW.md` if it exists\n"
    "3. the overlay, `DATA_DIR/config/overlay.yaml`\n"
    "4. the environment, for keys that have a variable; an empty variable "
    "counts as unset\n"
    "5. `--port`, for `server.port`\n"
    "\n"
    "`risoluto-control --print-config` shows the result, with secrets as "
    "`[REDACTED]`.\n"
    "\n"
    "## Rules\n"
    "\n"
    "- Keys are written in snake_case; camelCase is accepted too. Both at once "
    "with different values is an error.\n"
    "- An unknown key is an error with file, line and the nearest known key:\n"
    "  `WORKFLOW.md:7: unknown key \"agent.max_turn\"; did you mean "
    "\"agent.max_turns\"?`\n"
    "- A string that is exactly `$NAME` is taken from the environment; a "
    "variable that is unset or empty is an error.\n"
    "- A secret never stands in a file of the configuration: write `$NAME`, or "
    "set the variable of its key. Every variable\n"
    "  of a secret may be replaced by `NAME_FILE`, the path of a file that "
    "holds it. Secrets are removed from the\n"
    "  process's environment when they are read.\n"
    "- `null` counts as absent. Lists may also be written as one string with "
    "commas.\n"
    "- YAML anchors, aliases, tags, merge keys and duplicate keys are refused; "
    "files are at most 1 MiB.\n"
    "- Both files are looked at before each poll. A bad edit is reported and "
    "the last good configuration stays; so does it\n"
    "  when `WORKFLOW.md` vanishes. A missing file named by `--workflow` is an "
    "error at start.\n"
    "- Takes effect: *at once* is the next poll, *next attempt* leaves running "
    "attempts alone, *restart* is read at start only.\n"
    "\n"
    "## WORKFLOW.md\n"
    "\n"
    "```\n"
    "---\n"
    "tracker:\n"
    "  active_states: [Todo, In Progress]\n"
    "agent:\n"
    "  max_turns: 10\n"
    "hooks:\n"
    "  after_create: |\n"
    "    npm ci\n"
    "---\n"
    "Work on {{ issue.identifier }}: {{ issue.title }}\n"
    "{% if issue.description %}{{ issue.description }}{% endif %}\n"
    "```\n"
    "\n"
    "What follows the second `---` is the prompt, a strict Liquid template; an "
    "empty one means the built-in prompt.\n"
    "\n"
    "- Variables: `issue` (`id`, `identifier`, `title`, `description`, "
    "`priority`, `state`, `branch_name`, `url`, `assignee_id`,\n"
    "  `labels`, `blocked_by`, `native_ref`, `created_at`, `updated_at`) and "
    "`attempt` (null at first, then a number).\n"
    "- Tags: `if`/`elsif`/`else`, `unless`, `for` (with `else` and `forloop`), "
    "`comment`, `raw`; `{%-` and `-%}` trim blanks.\n"
    "- Operators: `==` `!=` `<` `>` `<=` `>=` `contains` `and` `or`; as in "
    "Liquid, `and` and `or` bind from the right.\n"
    "- Filters: `default` `upcase` `downcase` `capitalize` `strip` `join` "
    "`size` `first` `last` `escape` `truncate` `replace` `json`.\n"
    "- An unknown variable or filter fails the attempt "
    "(`template_render_error`), with its line.\n"
    "\n"
    "The agent's final message ends with the line `RISOLUTO_STATUS: DONE`, or "
    "`RISOLUTO_STATUS: BLOCKED` when it needs a\n"
    "person. A prompt of your own should ask for it: an agent that leaves it "
    "out is asked at the start of its next turn.\n"
    "\n"
    "## Structured values\n"
    "\n"
    "- `repos`: the first entry whose conditions (`identifier_prefix`, "
    "`label`) all hold is the issue's repository; an entry\n"
    "  without conditions fits every issue. Without any that fits, the "
    "workspace is an empty repository.\n"
    "- `agent.max_concurrent_agents_by_state`: entries that are not positive "
    "whole numbers are ignored, as the Symphony\n"
    "  specification asks; states are compared in lower case.\n"
    "- `codex.approval_policy`: `never`, `on-request`, `untrusted`, or Codex's "
    "granular form as a map.\n"
    "- `codex.turn_sandbox_policy`: Codex's own form, for example `{type: "
    "workspaceWrite, networkAccess: false}`.\n"
    "\n"
    "## Keys\n";

/* The first segment of a path. */
static size_t
section_len(const char *path)
{
    return strcspn(path, ".");
}

static bool
same_section(const struct keys_row *a, const struct keys_row *b)
{
    size_t len = section_len(a->path);
    return len == section_len(b->path) && strncmp(a->path, b->path, len) == 0;
}

/* A bar would end the cell. */
static void
put_text(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '|')
            buf_putc(out, '\\');
        buf_putc(out, *p);
    }
}

static void
put_default(struct buf *out, const struct keys_row *row)
{
    if (row->fallback == NULL)
        buf_puts(out, "none");
    else if (row->fallback[0] == '\0')
        buf_puts(out, row->type == KEYS_STRS ? "`[]`" : "`\"\"`");
    else
        buf_printf(out, "`%s`", row->fallback);
}

static void
put_bounds(struct buf *out, const struct keys_row *row)
{
    if (row->type == KEYS_INT)
        buf_printf(out, " %" PRId64 "..%" PRId64, row->min, row->max);
    else if (row->type == KEYS_STRS)
        buf_printf(out, ", at most %" PRId64, row->max);
    else if (row->type == KEYS_SECRET)
        buf_printf(out, ", %" PRId64 "..%" PRId64 " bytes", row->min, row->max);
}

static void
put_row(struct buf *out, const struct keys_row *row)
{
    buf_printf(out, "| `%s` | %s", row->path, keys_type_name(row->type));
    put_bounds(out, row);
    buf_puts(out, " | ");
    put_default(out, row);
    buf_puts(out, " | ");
    if (row->env != NULL)
        buf_printf(out, "`%s`", row->env);
    buf_printf(out, " | %s | ", keys_effect_text(row->effect));
    put_text(out, row->help);
    buf_puts(out, " |\n");
}

void
doc_configuration(struct buf *out)
{
    const struct keys_row *previous = NULL;
    buf_puts(out, introduction);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const struct keys_row *row = keys_at(i);
        if (previous == NULL || !same_section(previous, row))
            buf_printf(out,
                "\n### %.*s\n\n"
                "| key | type | default | variable | takes effect | meaning "
                "|\n|---|---|---|---|---|---|\n",
                (int)section_len(row->path), row->path);
        put_row(out, row);
        previous = row;
    }
}
