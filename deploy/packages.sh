#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, and only those.
#   packages.sh [build] [run] [test] [check]
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

BUILD="gcc libc6-dev make libcivetweb-dev libcjson-dev
    libcurl4-openssl-dev libnng-dev libsqlite3-dev libssl-dev libyaml-dev"
TEST="libcriterion-dev bubblewrap curl iproute2 jq procps"
CHECK="clang clang-format clang-tidy cppcheck libclang-rt-14-dev mandoc
    shellcheck"

# What runs it. An engine, a compose or an npm that is there already may be from
# somewhere else than Debian, and is kept.
run_packages() {
    echo ca-certificates git openssl
    engine_answers || have dockerd || echo docker.io iptables
    have docker || echo docker.io
    docker compose version >/dev/null 2>&1 || have docker-compose ||
        echo docker-compose
    [ -n "$(image_id risoluto-base:latest || true)" ] || echo mmdebstrap
    have npm || echo npm
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
    local package
    for package in $(printf '%s\n' "$@" | sort -u); do
        installed "$package" || echo "$package"
    done
}

install_packages() {
    local log=$ROOT/build/log/apt.log
    export DEBIAN_FRONTEND=noninteractive
    step "installing: $*"
    quietly "$log" apt-get -o DPkg::Lock::Timeout=300 update
    quietly "$log" apt-get -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends "$@"
}

wanted() {
    local group
    for group in "$@"; do
        case $group in
        build) echo "$BUILD" ;;
        run) run_packages ;;
        test) echo "$TEST" ;;
        check) echo "$CHECK" ;;
        *) die "no group of packages is called '$group'" ;;
        esac
    done
}

main() {
    local missing
    [ $# -gt 0 ] || set -- build run
    if ! have apt-get; then
        warn "this is not Debian: README.md lists what must be installed"
        return 0
    fi
    # shellcheck disable=SC2046 # words are what we want
    missing=$(missing_of $(wanted "$@"))
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086
    set -- $missing
    is_root || die "packages are missing. Install them with
  sudo apt-get install -y $*
or run this as root."
    install_packages "$@"
}

main "$@"
