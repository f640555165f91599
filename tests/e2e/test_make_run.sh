#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make run`: both planes as plain processes; a demo against them; Ctrl-C.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

export RISOLUTO_PROJECT=risoluto-run-$$
RISOLUTO_PORT=$(free_port)
RISOLUTO_DATAPLANE_PORT=$(free_port)
RISOLUTO_MODEL_PORT=$(free_port)
export RISOLUTO_PORT RISOLUTO_DATAPLANE_PORT RISOLUTO_MODEL_PORT
# The planes are plain processes here, and git runs as the workspaces' user: the
# checkout may lie where that user cannot go.
RISOLUTO_WORKSPACES=$(mktemp -d /var/tmp/risoluto-test-workspaces-XXXXXX)
chmod 755 "$RISOLUTO_WORKSPACES"
export RISOLUTO_WORKSPACES DATA_DIR=$TMPDIR/state
unset OPENAI_API_KEY RISOLUTO_PROVIDER_BASE_URL
RUNNER=
LOG=$TMPDIR/run.log

clean_up() {
    [ -z "$RUNNER" ] || kill "$RUNNER" 2>/dev/null || true
    wait 2>/dev/null || true
    make -s -C "$ROOT" purge >/dev/null 2>&1 || true
    rm -rf "$RISOLUTO_WORKSPACES" "$DATA_DIR" "$LOG"
}

# As in a terminal: a process group of its own, which Ctrl-C signals as a whole.
start_run() {
    set -m
    make -s -C "$ROOT" run >"$LOG" 2>&1 </dev/null &
    RUNNER=$!
    set +m
}

serves() { wait_until 300 get /healthz || { cat "$LOG" && return 1; }; }

lines_are_prefixed() {
    if ! grep -q '^control ' "$LOG" || ! grep -q '^dataplane ' "$LOG"; then
        cat "$LOG"
        return 1
    fi
}

demo_succeeds() { make -s -C "$ROOT" demo || { tail -n 40 "$LOG" && return 1; }; }

runner_is_gone() { ! kill -0 "$RUNNER" 2>/dev/null; }

ctrl_c_ends_all() {
    kill -INT -- "-$RUNNER"
    wait_until 15 runner_is_gone || { ps -ef | tail -n 20 && return 1; }
}

planes_left() { pgrep -a -f -- "--data-dir $DATA_DIR/" || true; }

nothing_listens() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$RISOLUTO_PORT") 2>/dev/null
}

network_left() {
    docker network ls --format '{{.Name}}' | grep -F "$RISOLUTO_PROJECT" || true
}

main() {
    trap clean_up EXIT
    start_run
    check "both planes come up" serves
    check "each line carries the name of its process" lines_are_prefixed
    check "make demo against them ends with 0" demo_succeeds
    check "Ctrl-C ends make run" ctrl_c_ends_all
    check "no plane is left" is_empty planes_left
    check "the port is free again" nothing_listens
    check "its network is gone" is_empty network_left
    finish
}

main
