#!/bin/bash
# The demonstration: a component becomes an executable, its worker is killed in the middle of an invocation, and goes on. Called by
# `make demo` when all is built.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$*"; }
run() { printf '$ %s\n' "$*" | sed "s#$data#DATA#g"; "$@"; }

program=$build/exe/workflow
api=demo:workflow/api@1.0.0
mkdir -p "$build/exe"

say '1. A component becomes a native executable'
run "$build/bin/golem-aot" build "$build/guests/workflow.wasm" -o "$program"
ls -l "$build/guests/workflow.wasm" "$program" | awk '{ print "  " $5 " bytes  " $NF }'

say '2. A worker starts an invocation of some seconds, 4,000 recorded calls over 64 MiB of memory; after three it is killed with SIGKILL'
worker=("$program" --data "$data" --worker demo)
echo "\$ $program --data DATA --worker demo --key night-shift invoke '$api.{run-slow}' 4000 64 800 &"
"${worker[@]}" --key night-shift invoke "$api.{run-slow}" 4000 64 800 &
pid=$!
sleep 3
if kill -9 $pid 2>/dev/null; then echo "\$ kill -9 $pid"; fi
wait $pid 2>/dev/null || true

say '3. What is left: an oplog, and a checkpoint that was taken in the middle of the invocation'
run "${worker[@]}" info

say '4. The same request, with the same key: the worker maps the checkpoint, replays the tail, and finishes the invocation'
start=$(date +%s%N)
result=$(run "${worker[@]}" --key night-shift invoke "$api.{run-slow}" 4000 64 800 | tee /dev/stderr | tail -n 1)
echo "  after $((($(date +%s%N) - start) / 1000000)) ms"

say '5. Asked once more, the key answers with its result; nothing runs again'
start=$(date +%s%N)
again=$(run "${worker[@]}" --key night-shift invoke "$api.{run-slow}" 4000 64 800 | tee /dev/stderr | tail -n 1)
echo "  after $((($(date +%s%N) - start) / 1000000)) ms"
[ "$result" = "$again" ] || { echo 'the results differ'; exit 1; }

say '6. The whole history, replayed from its first entry and compared with what was recorded'
run "${worker[@]}" verify
say 'Done.'
