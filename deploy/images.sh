#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the images that are missing or stale. Each carries the hash of all that
# went into it as a label; an image whose label still fits is left alone.
#   images.sh [base] [codex] [control] [dataplane] [rehearsal-model]   (default: all)
set -euo pipefail
umask 022
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

STAGE=$ROOT/build/stage
LOGS=$ROOT/build/log
BASE=risoluto-base:latest
CODEX=risoluto-codex:latest
CONTENT=risoluto.content
MIRROR=${RISOLUTO_DEBIAN_MIRROR:-}

# ---- the base: Debian 12, from a registry or from Debian's own packages ----

pull_base() {
    timeout 60 docker pull -q debian:bookworm-slim >/dev/null 2>&1 &&
        docker tag debian:bookworm-slim "$BASE"
}

# mmdebstrap works as root and, with user namespaces, as anybody.
bootstrap_base() {
    local tar=$STAGE/base.tar
    have mmdebstrap || die "no image registry answers, and mmdebstrap is \
missing: apt-get install mmdebstrap"
    quietly "$LOGS/mmdebstrap.log" mmdebstrap --variant=minbase \
        --include=ca-certificates bookworm "$tar" ${MIRROR:+"$MIRROR"}
    docker import --change 'CMD ["/bin/bash"]' --change "LABEL $CONTENT=base" \
        "$tar" "$BASE" >/dev/null
    rm -f "$tar"
}

build_base() {
    if [ -n "$(image_id "$BASE")" ] && [ -z "${RISOLUTO_REBUILD:-}" ]; then
        return 0
    fi
    mkdir -p "$STAGE"
    step "$BASE: asking the image registry for debian:bookworm-slim"
    if pull_base; then
        say "    pulled"
    else
        say "    no registry answers: building it from Debian packages" \
            "(half a minute)"
        bootstrap_base
    fi
}

# ---- staleness ----

# fresh IMAGE HASH
fresh() {
    [ -z "${RISOLUTO_REBUILD:-}" ] && [ "$(image_label "$1" $CONTENT)" = "$2" ]
}

# build IMAGE HASH DOCKERFILE CONTEXT [ARGUMENT...]
build() {
    local image=$1 hash=$2 file=$3 context=$4 name=${1%%:*}
    shift 4
    step "$image"
    quietly "$LOGS/image-$name.log" docker_build -t "$image" -f "$file" \
        --label "$CONTENT=$hash" --label "risoluto.project=$PROJECT" \
        --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
        "$@" "$context"
    remove_replaced
}

# What lost its name to a newer image, as far as nobody uses it.
remove_replaced() {
    docker image prune -f --filter "label=$CONTENT" >/dev/null 2>&1 || true
}

# The sum of the named files' contents and of the words after `--`.
hash_of() {
    {
        while [ $# -gt 0 ] && [ "$1" != -- ]; do
            sha256sum <"$1"
            shift
        done
        printf '%s\n' "$@"
    } | sha
}

need_binary() {
    [ -x "$BIN/$1" ] || die "build/bin/$1 is missing: run \`make build\`"
}

# ---- the worker image ----

local_certificates() {
    find -L /usr/local/share/ca-certificates -type f -name '*.crt' 2>/dev/null |
        sort
}

npm_archive() {
    local name version machine file
    while read -r name version machine _; do
        file=${name#@}
        [ "$name" = "$1" ] || continue
        case $machine in "$(uname -m)" | all) ;; *) continue ;; esac
        printf '%s/build/npm/%s-%s.tgz\n' "$ROOT" "${file//\//-}" "$version"
    done < <(grep -v '^#' "$ROOT/deploy/npm.lock")
}

# What npm calls this machine.
node_arch() { [ "$(uname -m)" = aarch64 ] && echo arm64 || echo x64; }

# unpack ARCHIVE INTO STRIP [MEMBER...]
unpack() {
    local archive=$1 into=$2 strip=$3
    shift 3
    mkdir -p "$into"
    tar -xzf "$archive" -C "$into" --strip-components="$strip" \
        --no-same-owner --no-same-permissions --wildcards "$@"
}

# The codex programs may be executed but not read: see Dockerfile.codex. The
# voice programs of the desktop application are left out.
stage_codex_cli() {
    local root=$1
    unpack "$(npm_archive @openai/codex)" "$root/opt/codex" 3 \
        --exclude='*/codex-resources/voice' 'package/vendor/*'
    find "$root/opt/codex" -type f -perm /111 -exec chmod 0711 {} +
    chmod 0755 "$root"/opt/codex/codex-path/*
    ln -sf /opt/codex/bin/codex "$root/usr/local/bin/codex"
}

stage_node() {
    local root=$1
    unpack "$(npm_archive "node-linux-$(node_arch)")" "$root/usr/local" 1 \
        'package/bin/node' 'package/LICENSE'
    mv "$root/usr/local/LICENSE" "$root/usr/local/share/doc/node/"
    unpack "$(npm_archive npm)" "$root/usr/local/lib/node_modules/npm" 1
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
    ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
}

stage_codex() {
    local context=$1 file
    rm -rf "$context"
    mkdir -p "$context"/{ca,init} "$context/root/opt/codex" \
        "$context"/root/usr/local/{bin,lib,share/doc/node}
    : >"$context/ca/none"
    while read -r file; do
        cp "$file" "$context/ca/"
    done < <(local_certificates)
    stage_codex_cli "$context/root"
    stage_node "$context/root"
    install -m 0711 "$BIN/risoluto-init" "$context/init/risoluto-init"
}

build_codex() {
    local hash certificates context=$STAGE/codex
    build_base
    need_binary risoluto-init
    mapfile -t certificates < <(local_certificates)
    hash=$(hash_of "$ROOT"/deploy/{Dockerfile.codex,npm.lock,images.sh} \
        "$BIN/risoluto-init" "${certificates[@]}" -- "$(image_id "$BASE")")
    if fresh "$CODEX" "$hash"; then
        return 0
    fi
    "$ROOT/deploy/npm.sh"
    stage_codex "$context"
    build "$CODEX" "$hash" "$ROOT/deploy/Dockerfile.codex" "$context" \
        --label "risoluto.codex-version=$(codex_version)"
    rm -rf "$context"
}

codex_version() {
    awk '$1 == "@openai/codex" { sub(/-.*/, "", $2); print $2; exit }' \
        "$ROOT/deploy/npm.lock"
}

# ---- the planes ----

# build_plane NAME PROGRAM BASE-IMAGE: one program, stripped, on its libraries.
build_plane() {
    local name=$1 program=$2 from=$3 hash context=$STAGE/$1
    local image=$PROJECT-$name:latest file=$ROOT/deploy/Dockerfile.$1
    need_binary "$program"
    hash=$(hash_of "$file" "$BIN/$program" -- "$(image_id "$from")")
    if fresh "$image" "$hash"; then
        return 0
    fi
    rm -rf "$context"
    mkdir -p "$context"
    install -m 0755 -s "$BIN/$program" "$context/$program"
    build "$image" "$hash" "$file" "$context" --build-arg "FROM=$from"
    rm -rf "$context"
}

build_control() {
    build_base
    build_plane control risoluto-control "$BASE"
}

build_dataplane() {
    build_base
    build_plane dataplane risoluto-dataplane "$BASE"
}

# The rehearsal model's libraries are among the control plane's.
build_rehearsal_model() {
    build_control
    build_plane rehearsal-model rehearsal_model "$PROJECT-control:latest"
}

main() {
    local image
    [ $# -gt 0 ] || set -- base codex control dataplane rehearsal-model
    engine_answers || die "no Docker Engine answers: run \`make up\`, or start it"
    for image in "$@"; do
        case $image in
        base | codex | control | dataplane | rehearsal-model)
            "build_${image//-/_}"
            ;;
        *) die "no image is called '$image'" ;;
        esac
    done
}

main "$@"
