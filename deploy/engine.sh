#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Docker Engine when none answers, and the end of that one later.
#   engine.sh start   makes sure that one answers; remembers it if we started it
#   engine.sh stop    ends the engine that we started; any other is left alone
# What was started stands in $RUN/engine: "systemd", "service" or
# "dockerd PID STARTTIME".
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

MARK=$RUN/engine
LOG=$RUN/dockerd.log

has_systemd() { [ -d /run/systemd/system ] && have systemctl; }

no_permission() {
    [ -S "$DOCKER_SOCKET" ] && ! [ -w "$DOCKER_SOCKET" ]
}

# ---- start ----

start_by_systemd() {
    step "starting the Docker Engine (systemctl start docker)"
    echo systemd >"$MARK"
    systemctl start docker
}

start_by_hand() {
    local pid
    step "starting the Docker Engine (dockerd; log: $LOG)"
    setsid dockerd </dev/null >"$LOG" 2>&1 &
    pid=$!
    printf 'dockerd %s %s\n' "$pid" "$(process_start "$pid")" >"$MARK"
}

start() {
    own_dir 755 "$STATE"
    own_dir 755 "$RUN"
    if engine_answers; then
        return 0
    fi
    if no_permission; then
        die "a Docker Engine is there, but you may not use it: join the group \
of $DOCKER_SOCKET (usermod -aG docker $(id -un), then log in again)"
    fi
    is_root || die "no Docker Engine answers, and starting one needs root: \
sudo systemctl start docker, or run this as root"
    have dockerd || die "dockerd is missing: apt-get install docker.io"
    if has_systemd; then
        start_by_systemd
    else
        start_by_hand
    fi
    if ! wait_for 60 engine_answers; then
        tail -n 20 "$LOG" >&2 2>/dev/null || true
        die "the Docker Engine did not come up within 60 s"
    fi
}

# ---- stop ----

running_containers() { docker ps -q 2>/dev/null | wc -l; }

stop_by_pid() {
    local pid=$1 begun=$2
    if [ "$(process_start "$pid")" != "$begun" ]; then
        return 0 # it is gone, and the pid may be somebody else's by now
    fi
    kill "$pid"
    wait_for 40 process_is_over "$pid" "$begun" ||
        die "dockerd ($pid) did not end within 40 s; see $LOG"
}

process_is_over() { [ "$(process_start "$1")" != "$2" ]; }

stop() {
    local kind pid begun
    [ -f "$MARK" ] || return 0
    if [ "$(running_containers)" != 0 ]; then
        warn "the Docker Engine that we started runs other containers now:" \
            "it is left running"
        rm -f "$MARK"
        return 0
    fi
    read -r kind pid begun <"$MARK" || true
    step "stopping the Docker Engine that we started"
    case $kind in
    systemd) systemctl stop docker.socket docker ;;
    service) service docker stop ;;
    dockerd) stop_by_pid "$pid" "$begun" ;;
    esac
    rm -f "$MARK"
}

case ${1:-} in
start) start ;;
stop) stop ;;
installed)
    # Called when installing the packages brought up an engine by itself.
    own_dir 755 "$STATE"
    own_dir 755 "$RUN"
    if has_systemd; then echo systemd; else echo service; fi >"$MARK"
    ;;
*) die "usage: engine.sh start | stop" ;;
esac
