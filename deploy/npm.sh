#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the pinned npm packages of the worker image into build/npm and
# checks their sums. On the host rather than in `docker build`, so that it works
# behind whatever proxy, mirror or company CA this machine's npm is set up for.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

CACHE=$ROOT/build/npm

digest() { openssl dgst -sha512 -binary "$1" | base64 -w0; }

# @openai/codex 0.169.0-linux-x64 -> openai-codex-0.169.0-linux-x64.tgz
archive_name() {
    local name=${1#@}
    printf '%s-%s.tgz\n' "${name//\//-}" "$2"
}

fetch() {
    local name=$1 version=$2 sum=$3 file
    file=$CACHE/$(archive_name "$name" "$version")
    if [ -f "$file" ] && [ "$(digest "$file")" = "$sum" ]; then
        return 0
    fi
    step "npm: $name@$version"
    have npm || die "npm is missing: apt-get install npm"
    rm -f "$file"
    (cd "$CACHE" && npm pack --silent --ignore-scripts "$name@$version") \
        >/dev/null || die "npm could not fetch $name@$version; can this \
machine reach its npm registry ($(npm config get registry))?"
    [ "$(digest "$file")" = "$sum" ] ||
        die "$file is not what deploy/npm.lock names: its sha512 differs"
}

main() {
    local name version machine sum
    mkdir -p "$CACHE"
    while read -r name version machine sum; do
        case $machine in
        "$(uname -m)" | all) fetch "$name" "$version" "$sum" ;;
        esac
    done < <(grep -v '^#' "$ROOT/deploy/npm.lock")
}

main
