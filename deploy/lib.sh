# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the deployment scripts share: places, messages, and small checks.
# Sourced, never run. Nothing here changes the machine.

# shellcheck disable=SC2034 # the scripts that source this use them
# dockerd and iptables are there, and not in the PATH of a plain user.
PATH=$PATH:/usr/sbin:/sbin
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STATE=$(realpath -m "${DATA_DIR:-$ROOT/.risoluto}")
RUN=$STATE/run
BIN=$ROOT/build/bin
TOKEN_FILE=$STATE/write-token
API_KEY_FILE=$RUN/api-key
DOCKER_SOCKET=/var/run/docker.sock

# What `make up` was given stays in force, so that `make demo` or a second `make
# up` need not be told again: where things are until `make purge`, which model
# until `make down`. The environment wins.
PLACES="RISOLUTO_PROJECT RISOLUTO_PORT RISOLUTO_WORKSPACES"
PROVIDER="RISOLUTO_PROVIDER_BASE_URL RISOLUTO_CODEX_MODEL"

# recall FILE NAME...: sets what the file says and the environment does not.
recall() {
    local file=$1 name value
    shift
    [ -f "$file" ] || return 0
    while IFS='=' read -r name value; do
        case " $* " in
        *" $name "*) [ -n "${!name:-}" ] || printf -v "$name" '%s' "$value" ;;
        esac
    done <"$file"
}

# remember FILE NAME...
remember() {
    local file=$1 name
    shift
    for name in "$@"; do
        [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"
    done >"$file"
    own "$file"
}

# shellcheck disable=SC2086 # words are what we want
recall_settings() {
    recall "$STATE/settings" $PLACES
    recall "$RUN/settings" $PROVIDER
}

# shellcheck disable=SC2086
remember_settings() {
    remember "$STATE/settings" $PLACES
    remember "$RUN/settings" $PROVIDER
}

# A key is not for the children of these scripts: it goes into a file.
export -n OPENAI_API_KEY RISOLUTO_WRITE_TOKEN MASTER_KEY LINEAR_API_KEY

recall_settings
PROJECT=${RISOLUTO_PROJECT:-risoluto}
PORT=${RISOLUTO_PORT:-4000}
WORKSPACES=$(realpath -m \
    "${RISOLUTO_WORKSPACES:-$(dirname "$ROOT")/risoluto-workspaces}")
NETWORK=$PROJECT-internal
MODEL_PORT=8089

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

# make_workspaces DIR: remembers what it made, for `make purge`.
make_workspaces() {
    [ -d "$1" ] && return 0
    own_dir 755 "$1"
    printf '%s\n' "$1" >>"$STATE/workspaces-made"
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
# pids are reused. Nothing for one that is over, though nobody has reaped it.
process_start() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    read -ra fields <<<"${stat##*) }"
    [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

# wait_for SECONDS COMMAND...: polls until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}

# ---- the running installation ----

# compose_container SERVICE: its id, or nothing
compose_container() {
    docker ps -aq --filter "label=com.docker.compose.project=$PROJECT" \
        --filter "label=com.docker.compose.service=$1" 2>/dev/null | head -n 1
}

# Workers and volumes carry the id of the data plane that made them: another
# installation on this machine has another.
our_ids() {
    local file
    for file in "$STATE"/dataplane/dataplane-id "$STATE"/dev/dataplane/dataplane-id; do
        [ ! -f "$file" ] || printf '%s\n' "$(cat "$file")"
    done
}

kept_api_key() {
    [ -s "$API_KEY_FILE" ] && ! grep -q '^rehearsal-' "$API_KEY_FILE"
}

# Without a key and without a provider, and only then, the model is ours.
rehearsing() {
    [ -z "${OPENAI_API_KEY:-}" ] && [ -z "${RISOLUTO_PROVIDER_BASE_URL:-}" ] &&
        ! kept_api_key
}

describe_model() {
    if rehearsing; then
        say "a rehearsal: no OPENAI_API_KEY is set, so a scripted stand-in answers"
    else
        say "${RISOLUTO_PROVIDER_BASE_URL:-OpenAI}"
    fi
}

# write_secret FILE: from stdin, 0600 from its first byte on. A file that says
# the same already is not touched: a new one means a new container.
write_secret() {
    (umask 077 && cat >"$1.new")
    own "$1.new"
    if cmp -s "$1.new" "$1"; then
        rm -f "$1.new"
    else
        mv -f "$1.new" "$1"
    fi
}

make_api_key() {
    if [ -n "${OPENAI_API_KEY:-}" ]; then
        printf '%s' "$OPENAI_API_KEY" | write_secret "$API_KEY_FILE"
    elif rehearsing; then
        # Worth nothing, but handled like a real one, and easy to look for.
        [ -s "$API_KEY_FILE" ] ||
            printf 'rehearsal-%s' "$(openssl rand -hex 16)" |
            write_secret "$API_KEY_FILE"
    elif ! kept_api_key; then
        write_secret "$API_KEY_FILE" </dev/null
    fi
}

# The command makes what is missing and renews what ends soon. Each plane is given
# the authority's certificate and its own pair, no more.
make_certificates() {
    local pki=$STATE/pki plane file
    [ -f "$pki/ca.crt" ] || step "making the certificates of the planes"
    (umask 077 && mkdir -p "$pki"/{control,dataplane})
    quietly "$ROOT/build/log/pki.log" "$BIN/risoluto" pki "$pki"
    for plane in control dataplane; do
        for file in ca.crt "$plane.crt" "$plane.key"; do
            cmp -s "$pki/$file" "$pki/$plane/$file" ||
                cp -p "$pki/$file" "$pki/$plane/$file"
        done
    done
    own -R "$pki"
}

make_secrets() {
    make_certificates
    if ! [ -s "$TOKEN_FILE" ]; then
        step "making the write token"
        "$BIN/risoluto" token "$TOKEN_FILE" >/dev/null
    fi
    own "$TOKEN_FILE"
    make_api_key
}

# The variables of docker-compose.yml. The key goes by file, never by value.
export_settings() {
    export RISOLUTO_PROJECT=$PROJECT RISOLUTO_PORT=$PORT RISOLUTO_STATE=$STATE
    export RISOLUTO_WORKSPACES=$WORKSPACES
    RISOLUTO_UID=$(owner_uid)
    RISOLUTO_GID=$(owner_gid)
    RISOLUTO_DOCKER_GID=$(stat -Lc %g "$DOCKER_SOCKET" 2>/dev/null || echo 0)
    export RISOLUTO_UID RISOLUTO_GID RISOLUTO_DOCKER_GID
    export RISOLUTO_CODEX_MODEL=${RISOLUTO_CODEX_MODEL:-}
    export RISOLUTO_API_KEY_TARGET='' RISOLUTO_MODEL_URL RISOLUTO_SECRETS_SERIAL
    export RISOLUTO_REHEARSAL='' RISOLUTO_HOST_NAME
    RISOLUTO_HOST_NAME=$(uname -n)
    RISOLUTO_MODEL_URL=${RISOLUTO_PROVIDER_BASE_URL:-}
    if rehearsing; then
        RISOLUTO_REHEARSAL=1
        RISOLUTO_MODEL_URL=http://rehearsal-model:$MODEL_PORT/v1
    fi
    if [ -s "$API_KEY_FILE" ]; then
        RISOLUTO_API_KEY_TARGET=/run/secrets/api-key
    fi
    # A container keeps the file that it was started with, so a replaced secret
    # must replace the container: this changes when one of the files does.
    RISOLUTO_SECRETS_SERIAL=$({ stat -c %i:%Y "$API_KEY_FILE" "$TOKEN_FILE" \
        "$STATE"/pki/*.crt 2>/dev/null || true; } | sha | cut -c1-12)
}
