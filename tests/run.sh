#!/bin/bash
# Runs every test of the project and ends with one line, "N passed, N failed". Called by `make test`, when all is built.
# Optional arguments name the groups to run (js is one more): lint unit fuzz e2e conformance crash bench (these without), asan (`make test-asan`).
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
node=${NODE:-node}
passed=0 failed=0
logs=$build/test-logs
mkdir -p "$logs"
groups=${*:-lint unit fuzz e2e conformance crash bench}

heading() { printf '\n== %s\n' "$*"; }
tail_of() { tail -n "${2:-60}" "$1"; }

count() { # passed failed
    passed=$((passed + $1)) failed=$((failed + $2))
}

one() { # name command...: a check that passes or fails as a whole
    local name=$1 log; shift
    log=$logs/$name.log
    if "$@" >"$log" 2>&1; then count 1 0; echo "ok      $name"; else count 0 1; echo "FAILED  $name"; tail_of "$log"; fi
}

unit_test() { # one Criterion program; its closing line has the counts
    local program=$1 name log line
    name=$(basename "$program") log=$logs/$(basename "$program").log
    timeout 300 "$program" >"$log" 2>&1
    local status=$?
    line=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep 'Synthesis: Tested:' | tail -n 1)
    local tested passing
    tested=$(sed -E 's/.*Tested: ([0-9]+).*/\1/' <<<"$line") passing=$(sed -E 's/.*Passing: ([0-9]+).*/\1/' <<<"$line")
    if [ -z "$line" ] || [ "$tested" -eq 0 ] || { [ $status -ne 0 ] && [ "$tested" -eq "$passing" ]; }; then
        count 0 1; echo "FAILED  $name (status $status)"; tail_of "$log"; return
    fi
    count "$passing" $((tested - passing))
    if [ "$tested" -eq "$passing" ]; then echo "ok      $name ($passing)"; else echo "FAILED  $name"; tail_of "$log"; fi
}

sanitized_test() { # one Criterion program of a build with sanitizers; a report in a file is a failure, whatever the program says
    local program=$1 name reports
    name=$(basename "$program") reports=$logs/$(basename "$program").report
    rm -f "$reports".*
    ASAN_OPTIONS=log_path=$reports LSAN_OPTIONS=suppressions=tests/unit/lsan.supp:print_suppressions=0 \
        UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports unit_test "$program"
    # Without an error in it, a report is ASan's note that it knows nothing of the guest's stack.
    local bad
    bad=$(grep -lE 'ERROR: [A-Za-z]+Sanitizer:|runtime error:' "$reports".* 2>/dev/null | head -n 3)
    [ -n "$bad" ] || return 0
    count 0 1; echo "FAILED  $name: reports of sanitizers"; for report in $bad; do tail_of "$report" 40; done
}

fuzz_target() { # seconds program: libFuzzer from the stored corpus on; new inputs are kept in the build
    local seconds=$1 program=$2 name found corpus
    name=$(basename "$program") found=$build/fuzz/found/$(basename "$program")
    corpus=tests/fuzz/corpus/${name#fuzz_}
    [ -d "$corpus" ] || corpus=tests/fuzz/corpus/component # bin and link read the same
    mkdir -p "$found"
    one "$name" timeout $((seconds * 2 + 120)) "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 -max_len=16384 \
        -verbosity=0 -artifact_prefix="$found/" "$found" "$corpus"
}

node_tests() { # group files...: node's test runner; its closing lines have the counts
    local name=$1 log; shift
    [ $# -gt 0 ] || return 0
    log=$logs/$name.log
    timeout 1500 "$node" --test --test-reporter=spec --test-concurrency=1 "$@" >"$log" 2>&1
    local status=$? good bad
    good=$(sed -nE 's/^ℹ pass ([0-9]+)$/\1/p' "$log" | tail -n 1) bad=$(sed -nE 's/^ℹ (fail|cancelled) ([0-9]+)$/\2/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
    if [ -z "$good" ]; then count 0 1; echo "FAILED  $name (status $status)"; tail_of "$log"; return; fi
    count "$good" "$bad"
    if [ $status -eq 0 ]; then echo "ok      $name ($good)"; else echo "FAILED  $name ($bad of $((good + bad)))"; tail_of "$log" 120; fi
}

for group in $groups; do
    heading "$group"
    case $group in
    lint) one lint tools/lint.sh ;;
    unit) for program in "$build"/tests/test_*; do [ -x "$program" ] && unit_test "$program"; done ;;
    e2e) node_tests e2e $(ls tests/e2e/*.test.mjs tests/golden/*.test.mjs 2>/dev/null) ;;
    conformance) node_tests conformance $(ls tests/conformance/*.test.mjs) ;;
    js) TOOLCHAINS=js ERRANDS='js go' node_tests js tests/e2e/toolchains.test.mjs tests/e2e/errand.test.mjs tests/e2e/handler_js.test.mjs ;; # not among the default: a minute and a half of compiling when cold
    crash) node_tests crash $(ls tests/crash/*.test.mjs 2>/dev/null) ;;
    asan) for program in "$build"/tests/test_*; do [ -x "$program" ] && sanitized_test "$program"; done ;;
    fuzz) for program in "$build"/fuzz/fuzz_*; do [ -x "$program" ] && fuzz_target "${FUZZ_SECONDS:-6}" "$program"; done ;;
    bench) one bench-once "$node" bench/bench.mjs --once ;;
    *) echo "unknown group $group"; exit 2 ;;
    esac
done

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
