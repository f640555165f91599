#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make status` and `make logs`: what runs, and what it says.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

status() {
    local id
    docker ps -a --filter "label=com.docker.compose.project=$PROJECT" \
        --format 'table {{.Names}}\t{{.Status}}\t{{.Ports}}'
    say ""
    for id in $(our_ids); do
        docker ps -a --filter "label=risoluto.dataplane=$id" \
            --format 'table {{.Names}}\t{{.Status}}\t{{.Label "risoluto.issue"}}'
    done
    say ""
    say "API http://127.0.0.1:$PORT/api/v1/state  model: $(describe_model)"
}

engine_answers || die "no Docker Engine answers: \`make up\` starts one"
case ${1:-status} in
status) status ;;
logs)
    export_settings
    compose --profile rehearsal logs --follow --tail=100
    ;;
*) die "usage: status.sh [status | logs]" ;;
esac
