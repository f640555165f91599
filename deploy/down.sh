#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make down`: removes what `make up` made, except the operator's data and the
# workspaces. With --purge these go too, and the images.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

our_workers() {
    local id
    for id in $(our_ids); do
        docker ps -aq --filter "label=risoluto.dataplane=$id"
    done
}

our_volumes() {
    local id
    for id in $(our_ids); do
        docker volume ls -q --filter "label=risoluto.dataplane=$id"
    done
}

# The planes first, so that nobody starts a worker behind our back; the network
# last, because workers hang on it.
remove_containers() {
    local ids
    export_settings
    step "stopping the planes"
    compose --profile rehearsal stop >"$1" 2>&1 || true
    ids=$(our_workers)
    if [ -n "$ids" ]; then
        step "removing workers"
        # shellcheck disable=SC2086
        docker rm -f $ids >/dev/null
    fi
    quietly "$1" compose --profile rehearsal down --volumes --remove-orphans
    ids=$(our_volumes)
    if [ -n "$ids" ]; then
        step "removing cache volumes"
        # shellcheck disable=SC2086
        docker volume rm -f $ids >/dev/null
    fi
}

remove_images() {
    local image
    local images="$PROJECT-control $PROJECT-dataplane $PROJECT-rehearsal-model"
    # Shared by every installation on this machine: only the usual one takes
    # them away.
    [ "$PROJECT" != risoluto ] || images="$images risoluto-codex risoluto-base"
    for image in $images; do
        [ -z "$(image_id "$image:latest")" ] ||
            docker rmi -f "$image:latest" >/dev/null
    done
}

remove_secrets() {
    rm -rf "$STATE/pki"
    rm -f "$TOKEN_FILE" "$API_KEY_FILE"
}

remove_data() {
    local made=$STATE/workspaces-made folder
    if [ -f "$made" ]; then
        while read -r folder; do
            rm -rf "$folder"
        done <"$made"
    fi
    [ ! -d "$WORKSPACES" ] ||
        warn "$WORKSPACES was there before us: it is left"
    rm -rf "$STATE"
}

main() {
    local log=$ROOT/build/log/down.log purge=no
    [ "${1:-}" != --purge ] || purge=yes
    mkdir -p "$(dirname "$log")"
    if engine_answers; then
        remove_containers "$log"
        [ $purge = no ] || remove_images
    else
        say "no Docker Engine answers: there are no containers to stop"
    fi
    "$ROOT/deploy/engine.sh" stop
    remove_secrets
    if [ $purge = yes ]; then
        remove_data
        say "Removed, with your data, the workspaces and the images."
        return 0
    fi
    rm -rf "$RUN"
    say "Removed. Kept, and used again by the next \`make up\`:"
    [ ! -d "$STATE" ] || say "  data        $STATE"
    [ ! -d "$WORKSPACES" ] || say "  workspaces  $WORKSPACES"
    say "\`make purge\` removes these too, with the images."
}

main "$@"
