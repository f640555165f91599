#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make run`: both planes as plain processes of this machine, for development,
# until Ctrl-C. Workers still run in Docker. The data is in .risoluto/dev, apart
# from that of `make up`.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

DEV=$STATE/dev
DATAPLANE_PORT=${RISOLUTO_DATAPLANE_PORT:-9100}
MODEL_PORT=${RISOLUTO_MODEL_PORT:-$MODEL_PORT}
PIDS=()
MADE_NETWORK=

# prefixed NAME COMMAND...: the lines of a process carry its name. The filter
# ignores Ctrl-C so that the last words still come through.
start() {
    local name=$1
    shift
    "$@" </dev/null > >(
        trap '' INT TERM
        exec sed -u "s/^/$(printf '%-9s' "$name") | /"
    ) 2>&1 &
    PIDS+=($!)
}

# Workers reach this machine by the gateway of Docker's default bridge.
docker_gateway() {
    local address
    address=$(docker network inspect bridge \
        --format '{{range .IPAM.Config}}{{.Gateway}}{{end}}')
    [ -n "$address" ] || address=$(ip -4 -o addr show docker0 |
        awk '{ sub(/\/.*/, "", $4); print $4 }')
    echo "$address"
}

make_network() {
    if ! docker network inspect "$NETWORK" >/dev/null 2>&1; then
        docker network create --label "risoluto.project=$PROJECT" "$NETWORK" \
            >/dev/null
        MADE_NETWORK=yes
    fi
}

start_model() {
    local base_url=${RISOLUTO_PROVIDER_BASE_URL:-} rehearsal=
    if rehearsing; then
        start model "$BIN/rehearsal_model" \
            --bind "$(docker_gateway)" --port "$MODEL_PORT"
        # What an operator writes who has a model on this machine; the data
        # plane makes host.docker.internal of it.
        rehearsal=1
        base_url=http://127.0.0.1:$MODEL_PORT/v1
    fi
    export RISOLUTO_PROVIDER_BASE_URL=$base_url
    export RISOLUTO_REHEARSAL=$rehearsal
}

start_dataplane() {
    start dataplane env \
        RISOLUTO_PKI_DIR="$STATE/pki/dataplane" \
        RISOLUTO_DATAPLANE_LISTEN="tls+tcp://127.0.0.1:$DATAPLANE_PORT" \
        RISOLUTO_WORKSPACES="$WORKSPACES" \
        RISOLUTO_WORKER_NETWORK="$NETWORK" \
        "$BIN/risoluto-dataplane" --data-dir "$DEV/dataplane"
}

start_control() {
    local key_file=()
    [ ! -s "$API_KEY_FILE" ] || key_file=("OPENAI_API_KEY_FILE=$API_KEY_FILE")
    start control env "${key_file[@]}" \
        RISOLUTO_PKI_DIR="$STATE/pki/control" \
        RISOLUTO_DATAPLANES="tls+tcp://127.0.0.1:$DATAPLANE_PORT" \
        RISOLUTO_WRITE_TOKEN_FILE="$TOKEN_FILE" \
        "$BIN/risoluto-control" --data-dir "$DEV/control" --port "$PORT"
}

serves() {
    local line
    exec 3<>"/dev/tcp/127.0.0.1/$PORT" || return 1
    printf 'GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "$PORT" >&3
    read -r line <&3 || line=
    exec 3>&-
    [[ $line == *" 200 "* ]]
} 2>/dev/null

alive() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill -0 "$pid" 2>/dev/null && return 0
    done
    return 1
}

all_alive() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill -0 "$pid" 2>/dev/null || return 1
    done
}

all_over() { ! alive; }

stop_all() {
    trap '' INT TERM
    kill "${PIDS[@]}" 2>/dev/null || true
    wait_for 10 all_over || kill -9 "${PIDS[@]}" 2>/dev/null || true
    if [ -n "$MADE_NETWORK" ]; then
        docker network rm "$NETWORK" >/dev/null 2>&1 || true
    fi
    "$ROOT/deploy/engine.sh" stop
}

# As root the data plane runs git as the workspaces' owner, who must be able to
# come there: below /root, say, that is not so. (In a container it is: there the
# folders above a mount are open.)
owner_can_enter() {
    is_root || return 0
    setpriv --reuid "$(owner_uid)" --regid "$(owner_gid)" --clear-groups \
        test -x "$1"
}

choose_workspaces() {
    if [ -z "${RISOLUTO_WORKSPACES:-}" ] &&
        ! owner_can_enter "$(dirname "$WORKSPACES")"; then
        WORKSPACES=/var/lib/risoluto-workspaces
        say "workspaces are in $WORKSPACES: uid $(owner_uid) cannot enter" \
            "$(dirname "$ROOT")"
    fi
    make_workspaces "$WORKSPACES"
}

prepare() {
    "$ROOT/deploy/engine.sh" start
    "$ROOT/deploy/images.sh" base codex
    choose_workspaces
    mkdir -p "$DEV"
    make_secrets
    make_network
}

main() {
    local status=0
    prepare
    trap stop_all EXIT
    trap 'exit 0' INT TERM
    start_model
    start_dataplane
    start_control
    # An early end shows in the lines above it; the loop below sees it too.
    if wait_for 20 serves && all_alive; then
        say "Both planes run: http://127.0.0.1:$PORT/api/v1/state" \
            "(\`make demo\` in another terminal; Ctrl-C ends them)"
    fi
    wait -n "${PIDS[@]}" || status=$?
    die "a process ended by itself (exit code $status): the others are stopped"
}

main
