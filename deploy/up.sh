#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make up`: from a fresh machine to both planes running. Every step looks first
# whether it is already done, so that running it again is harmless.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

build_programs() {
    step "building the programs"
    quietly "$ROOT/build/log/make.log" env -u MAKEFLAGS -u MAKELEVEL \
        make -C "$ROOT" -j"$(nproc)" build fakes
}

# The packages of an engine may start it at once, without our asking.
install_packages() {
    local before=no
    engine_answers && before=yes
    "$ROOT/deploy/packages.sh" build run
    if [ $before = no ] && engine_answers; then
        "$ROOT/deploy/engine.sh" installed
    fi
}

# ---- state on this machine ----

make_folders() {
    own_dir 755 "$STATE"
    own_dir 755 "$RUN"
    own_dir 700 "$STATE/control"
    own_dir 700 "$STATE/dataplane"
    make_workspaces "$WORKSPACES"
}

# What docker-compose.yml cannot have in the path of a mount.
check_paths() {
    case $STATE$WORKSPACES in
    *[:\$\"\ ]*)
        die "this does not work in a path with a colon, space, quote or dollar \
sign: $STATE, $WORKSPACES; use DATA_DIR and RISOLUTO_WORKSPACES"
        ;;
    esac
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

check_port() {
    if [ -n "$(compose_container control)" ] || port_is_free; then
        return 0
    fi
    die "port $PORT of 127.0.0.1 is in use by another program: stop it, or \
choose another port: make up RISOLUTO_PORT=4100"
}

# ---- waiting ----

# health SERVICE: starting, healthy, unhealthy, or empty
health() {
    local id
    id=$(compose_container "$1")
    [ -n "$id" ] || return 0
    docker inspect --format '{{.State.Health.Status}}' "$id" 2>/dev/null || true
}

all_healthy() {
    local service line='' all=0 status
    for service in $SERVICES; do
        status=$(health "$service")
        line="$line  $service: ${status:-missing}"
        [ "$status" = healthy ] || all=1
    done
    if [ -t 1 ]; then
        printf '\r   %-70s' "$line"
    elif [ "$line" != "$LAST_LINE" ]; then
        printf '   %s\n' "$line"
    fi
    LAST_LINE=$line
    return $all
}

wait_until_healthy() {
    step "waiting until they are healthy"
    LAST_LINE=
    if ! wait_for 90 all_healthy; then
        say ""
        compose logs --tail=20 >&2
        die "they did not become healthy within 90 s; their last lines are above"
    fi
    [ -t 1 ] && say ""
    return 0
}

next_steps() {
    say ""
    say "Risoluto is up."
    say "  API          http://127.0.0.1:$PORT/api/v1/state"
    say "  write token  $TOKEN_FILE (the risoluto command and the demo read it)"
    say "  model        $(describe_model)"
    say "  workspaces   $WORKSPACES"
    say ""
    say "Next:  make demo    an issue becomes a finished change, before your eyes"
    say "       make logs    what the planes say     make status    what is running"
    say "       make down    stop and remove it; your data and workspaces stay"
}

main() {
    check_paths
    install_packages
    build_programs
    "$ROOT/deploy/engine.sh" start
    check_port
    SERVICES="control dataplane"
    IMAGES="base codex control dataplane"
    if rehearsing; then
        SERVICES="$SERVICES rehearsal-model"
        IMAGES="$IMAGES rehearsal-model"
    fi
    # shellcheck disable=SC2086 # words are what we want
    "$ROOT/deploy/images.sh" $IMAGES
    make_folders
    make_secrets
    remember_settings
    export_settings
    step "starting $SERVICES"
    # shellcheck disable=SC2086 # words are what we want
    quietly "$ROOT/build/log/compose.log" compose up -d --no-build \
        --remove-orphans $SERVICES
    wait_until_healthy
    next_steps
}

main
