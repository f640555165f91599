#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What README.md promises a newcomer: clone, make up, make demo, make down.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

COPY=$TMPDIR/risoluto
export RISOLUTO_PROJECT=risoluto-e2e-$$
RISOLUTO_PORT=$(free_port)
export RISOLUTO_PORT
export RISOLUTO_WORKSPACES=$TMPDIR/workspaces
unset OPENAI_API_KEY RISOLUTO_PROVIDER_BASE_URL DATA_DIR
INSPECTED=$TMPDIR/inspected
DEMO=$TMPDIR/demo.out
STARTS=$TMPDIR/starts
ENGINE_EVENTS=
WATCHER=
DATAPLANE_ID=

in_copy() { make -s -C "$COPY" "$@"; }

# Whatever happens: nothing stays behind.
clean_up() {
    stop_watching
    if [ -d "$COPY" ]; then
        in_copy purge >/dev/null 2>&1 || true
    fi
    rm -rf "$COPY" "$RISOLUTO_WORKSPACES" "$INSPECTED" "$DEMO"
}

# Writes down what the engine tells about each worker as it starts.
watch_workers() {
    mkfifo "$STARTS"
    docker events --filter event=start --filter label=risoluto.attempt \
        --filter "label=risoluto.dataplane=$DATAPLANE_ID" \
        --format '{{.ID}}' >"$STARTS" &
    ENGINE_EVENTS=$!
    while read -r id; do
        docker inspect "$id" >>"$INSPECTED" 2>/dev/null || true
        docker top "$id" -eo args >>"$INSPECTED" 2>/dev/null || true
    done <"$STARTS" &
    WATCHER=$!
}

# The reader ends with its writer.
stop_watching() {
    [ -n "$WATCHER" ] || return 0
    kill "$ENGINE_EVENTS" 2>/dev/null || true
    wait "$ENGINE_EVENTS" "$WATCHER" 2>/dev/null || true
    rm -f "$STARTS"
    WATCHER=
}

containers() {
    docker ps -aq --filter "label=com.docker.compose.project=$RISOLUTO_PROJECT"
}

workers() {
    docker ps -aq --filter "label=risoluto.dataplane=$DATAPLANE_ID"
}

volumes() {
    docker volume ls -q --filter "label=risoluto.dataplane=$DATAPLANE_ID"
    docker volume ls -q | grep -F "$RISOLUTO_PROJECT" || true
}

networks() {
    docker network ls --format '{{.Name}}' | grep -F "$RISOLUTO_PROJECT" || true
}

# ---- what is looked at ----

change_is_on_its_branch() {
    local workspace branch
    for workspace in "$RISOLUTO_WORKSPACES"/*/; do
        branch=$(git -c safe.directory='*' -C "$workspace" \
            rev-parse --abbrev-ref HEAD)
        echo "$workspace is on $branch"
        case $branch in risoluto/*) ;; *) return 1 ;; esac
        git -c safe.directory='*' -C "$workspace" log --stat -1
        [ -n "$(git -c safe.directory='*' -C "$workspace" ls-files)" ]
        is_empty git -c safe.directory='*' -C "$workspace" status --porcelain
    done
}

demo_shows() { grep -qE "$1" "$DEMO" || { cat "$DEMO" && return 1; }; }

a_worker_was_inspected() { grep -q '"risoluto.attempt"' "$INSPECTED"; }

worker_has_no() {
    local secret
    secret=$(cat "$1")
    [ ${#secret} -ge 16 ]
    ! grep -F -- "$secret" "$INSPECTED"
}

worker_has_no_private_path() {
    ! grep -E 'docker\.sock|/pki/|write-token|BEGIN .*PRIVATE KEY' "$INSPECTED"
}

compose_shows_no_secret() {
    local id
    [ "$(containers | wc -l)" = 3 ] # both planes and the rehearsal model
    for id in $(containers); do
        docker inspect "$id"
    done >"$TMPDIR/planes"
    local found=0
    grep -F -f "$COPY/.risoluto/write-token" "$TMPDIR/planes" && found=1
    grep -F -f "$COPY/.risoluto/run/api-key" "$TMPDIR/planes" && found=1
    rm -f "$TMPDIR/planes"
    [ $found = 0 ]
}

only_loopback_is_published() {
    local id
    for id in $(containers); do
        docker port "$id"
    done | grep -v "^$RISOLUTO_PORT/tcp -> 127.0.0.1:$RISOLUTO_PORT\$" && return 1
    return 0
}

write_without_token_is_refused() {
    [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' -X POST \
        -H 'Content-Type: application/json' -d '{}' \
        "http://127.0.0.1:$RISOLUTO_PORT/api/v1/refresh")" = 401 ]
}

up_again_changes_nothing() {
    local before
    before=$(containers | sort)
    in_copy up
    [ "$before" = "$(containers | sort)" ]
}

has_a_volume() { [ -n "$(volumes)" ]; }

secrets_are_gone() {
    ! [ -e "$COPY/.risoluto/write-token" ] && ! [ -e "$COPY/.risoluto/pki" ]
}

work_is_kept() {
    [ -n "$(ls "$RISOLUTO_WORKSPACES")" ] && [ -d "$COPY/.risoluto/control" ]
}

work_is_gone() {
    ! [ -e "$COPY/.risoluto" ] && ! [ -e "$RISOLUTO_WORKSPACES" ]
}

main() {
    trap clean_up EXIT
    : >"$INSPECTED"
    check "a clean copy can be cloned" clone_checkout "$COPY"
    check "make up ends with 0" in_copy up
    check "the API answers" get /healthz
    check "a write without the token is refused" write_without_token_is_refused
    check "no port but the API's is published, and that on loopback" \
        only_loopback_is_published
    check "docker inspect of the planes shows no secret" compose_shows_no_secret
    DATAPLANE_ID=$(cat "$COPY/.risoluto/dataplane/dataplane-id")
    watch_workers
    check "make demo ends with 0" sh -c "make -s -C '$COPY' demo >'$DEMO' 2>&1 ||
        { cat '$DEMO'; exit 1; }"
    check "the demo says that it is a rehearsal" demo_shows '[Rr]ehearsal'
    check "the demo shows the diff" demo_shows '^ *\+\+\+ b/'
    check "the demo shows the tokens" demo_shows '[Tt]okens'
    check "the change is committed on risoluto/<issue>" change_is_on_its_branch
    stop_watching
    check "a worker was seen while it ran" a_worker_was_inspected
    check "the worker shows no write token" worker_has_no \
        "$COPY/.risoluto/write-token"
    check "the worker shows no API key" worker_has_no \
        "$COPY/.risoluto/run/api-key"
    check "the worker has neither socket nor certificates" \
        worker_has_no_private_path
    check "make up again changes nothing" up_again_changes_nothing
    check "the worker's caches are a volume of its own" has_a_volume
    check "make down ends with 0" in_copy down
    check "make down again ends with 0" in_copy down
    check "no container is left" is_empty containers
    check "no worker is left" is_empty workers
    check "no volume is left" is_empty volumes
    check "no network is left" is_empty networks
    check "certificates and token are gone" secrets_are_gone
    check "data and workspaces are kept" work_is_kept
    check "make purge ends with 0" in_copy purge
    check "make purge removes data and workspaces" work_is_gone
    finish
}

main
