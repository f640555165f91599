# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the deployment scripts share: places, messages, and small checks.
# Sourced, never run. Nothing here changes the machine.

# shellcheck disable=SC2034 # the scripts that source this use them
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STATE=${DATA_DIR:-$ROOT/.risoluto}
RUN=$STATE/run
BIN=$ROOT/build/bin
PROJECT=${RISOLUTO_PROJECT:-risoluto}
PORT=${RISOLUTO_PORT:-4000}
WORKSPACES=${RISOLUTO_WORKSPACES:-$(dirname "$ROOT")/risoluto-workspaces}
NETWORK=$PROJECT-internal
TOKEN_FILE=$STATE/write-token
DOCKER_SOCKET=/var/run/docker.sock

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# The user that owns the operator's data and that both planes run as: whoever
# calls us, the one behind sudo, or (for root itself) uid 1000, because a
# workspace must not belong to root.
owner_uid() {
    if ! is_root; then
        id -u
    else
        printf '%s\n' "${SUDO_UID:-1000}"
    fi
}

owner_gid() {
    if ! is_root; then
        id -g
    else
        printf '%s\n' "${SUDO_GID:-1000}"
    fi
}

# own PATH...: hands files that root made to the owner.
own() {
    if is_root; then
        chown "$(owner_uid):$(owner_gid)" "$@"
    fi
}

# own_dir MODE DIR: an existing folder keeps its owner and mode.
own_dir() {
    local mode=$1 dir=$2
    [ -d "$dir" ] && return 0
    mkdir -p "$dir"
    chmod "$mode" "$dir"
    own "$dir"
}

sha() { sha256sum | cut -c1-64; }

engine_answers() {
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# The classic builder is what Debian's docker.io has without further packages.
docker_build() { DOCKER_BUILDKIT=0 docker build "$@" 2>&1; }

image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# image_label IMAGE LABEL
image_label() {
    docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" \
        2>/dev/null || true
}

# compose ARGUMENT...: the plugin where it works, else Debian's docker-compose.
compose() {
    local args=(-p "$PROJECT" -f "$ROOT/deploy/docker-compose.yml")
    if docker compose version >/dev/null 2>&1; then
        docker compose "${args[@]}" "$@"
    else
        docker-compose "${args[@]}" "$@"
    fi
}

# Runs a command with its output in a log file; shows the log's end if it fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        die "\`$*\` failed; the whole log is in $log"
    fi
}

# A process is ours only if its pid AND its start time are the recorded ones:
# pids are reused.
process_start() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# wait_for SECONDS COMMAND...: polls until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}
