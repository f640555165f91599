#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: files an issue and follows it to its end.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

[ -s "$TOKEN_FILE" ] || die "nothing runs here: \`make up\` first"
if rehearsing; then
    say "This is a rehearsal: no OPENAI_API_KEY is set, so a scripted stand-in for"
    say "the model answers. All else is real: Codex, its sandbox, Docker, git."
    say "For the real thing:  make up OPENAI_API_KEY=...  or with the variable set."
    say ""
fi
export RISOLUTO_URL=http://127.0.0.1:$PORT
export RISOLUTO_WRITE_TOKEN_FILE=$TOKEN_FILE
exec "$BIN/risoluto" demo "$@"
