#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: files an issue and follows it to its end.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

[ -s "$TOKEN_FILE" ] || die "nothing runs here: \`make up\` first"
export RISOLUTO_URL=http://127.0.0.1:$PORT
export RISOLUTO_WRITE_TOKEN_FILE=$TOKEN_FILE
exec "$BIN/risoluto" demo "$@"
