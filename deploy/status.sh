#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make status` and `make logs`: what runs, and what it says.
set -euo pipefail
# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

status() {
    docker ps -a --filter "label=com.docker.compose.project=$PROJECT" \
        --format 'table {{.Names}}\t{{.Status}}\t{{.Ports}}'
    say ""
    docker ps -a --filter label=risoluto.attempt \
        --format 'table {{.Names}}\t{{.Status}}\t{{.Label "risoluto.workspace"}}'
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
