# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the end-to-end tests share. Each prints TAP; $TMPDIR is its own folder and
# must be empty in the end.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${TMPDIR:=$(mktemp -d)}"
FAILED=0
PASSED=0

# check WHAT COMMAND...: one test; the output of a failure is shown. Every line
# of a function counts: bash ignores set -e in what an `if` looks at, so the
# command is not run there.
check() {
    local what=$1 out=$TMPDIR/check.out status
    shift
    set +e
    (
        set -e
        "$@"
    ) >"$out" 2>&1 </dev/null
    status=$?
    set -e
    if [ $status = 0 ]; then
        echo "ok - $what"
        PASSED=$((PASSED + 1))
    else
        echo "not ok - $what"
        tail -n 60 "$out" | sed 's/^/#   /'
        FAILED=$((FAILED + 1))
    fi
    rm -f "$out"
}

# The plan comes last: a script that breaks off has none, and is a failure.
finish() {
    echo "1..$((PASSED + FAILED))"
    [ "$FAILED" = 0 ]
}

free_port() {
    local port
    for port in $(shuf -i 20000-29999 -n 50); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return 0
        fi
    done
    return 1
}

# A clean copy of what is committed, as a newcomer would clone it.
clone_checkout() { git -c safe.directory='*' clone -q "$ROOT" "$1"; }

is_empty() {
    local text
    text=$("$@")
    [ -z "$text" ] || {
        echo "$text"
        return 1
    }
}

# get PATH: the body of an answer 200 of the API
get() { curl -fsS -m 10 "http://127.0.0.1:$RISOLUTO_PORT$1"; }

wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}
