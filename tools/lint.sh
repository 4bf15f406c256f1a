#!/bin/sh
# Rules of the tree that a compiler does not check. Prints every breach and ends with 1 if there is one.
set -eu
cd "$(dirname "$0")/.."
failures=0
fail() { echo "lint: $*"; failures=$((failures + 1)); }

# --- the include arrows (docs/ARCHITECTURE.md, "Floor plan"): folder, then the folders it may include ---
arrows='
wasm2c-rt/base        wasm2c-rt/base
wasm2c-rt/include     wasm2c-rt/include
wasm2c-rt/core        wasm2c-rt/core wasm2c-rt/include wasm2c-rt/base
wasm2c-rt/cabi        wasm2c-rt/cabi wasm2c-rt/core wasm2c-rt/include wasm2c-rt/base
wasm2c-rt/checkpoint  wasm2c-rt/checkpoint wasm2c-rt/core wasm2c-rt/include wasm2c-rt/base
hostimpl/store        hostimpl/store wasm2c-rt/base
hostimpl/io           hostimpl/io wasm2c-rt/base
hostimpl/durable      hostimpl/durable hostimpl/store hostimpl/io wasm2c-rt/cabi wasm2c-rt/checkpoint wasm2c-rt/core wasm2c-rt/include wasm2c-rt/base
hostimpl/wasi         hostimpl/wasi hostimpl/durable hostimpl/io wasm2c-rt/cabi wasm2c-rt/include wasm2c-rt/base
hostimpl/golem        hostimpl/golem hostimpl/durable hostimpl/io wasm2c-rt/cabi wasm2c-rt/include wasm2c-rt/base
hostimpl/exe          hostimpl/exe hostimpl/durable hostimpl/store wasm2c-rt/cabi wasm2c-rt/checkpoint wasm2c-rt/core wasm2c-rt/include wasm2c-rt/base
hostimpl/serve        hostimpl/serve hostimpl/exe hostimpl/wasi hostimpl/durable hostimpl/io wasm2c-rt/cabi wasm2c-rt/core wasm2c-rt/include wasm2c-rt/base
aot                   aot wasm2c-rt/base
tools/witgen          tools/witgen aot wasm2c-rt/base
tools/golem-aot       tools/golem-aot aot wasm2c-rt/base
'

headers=$(git ls-files '*.h')
folder_of() { # the folder of the project's header of that name; empty if it is none of ours
    for header in $headers; do
        case "$header" in */"$1") echo "${header%/*}"; return ;; esac
    done
}

duplicates=$(for header in $headers; do echo "${header##*/}"; done | sort | uniq -d)
[ -z "$duplicates" ] || fail "headers of one name in two folders: $duplicates"

includes=$(git ls-files '*.c' '*.h' '*.S' | grep -vE '^(tests|bench)/' | xargs grep -n '^#include "' /dev/null | sed 's/^\([^:]*\):\([0-9]*\):#include "\(.*\)".*/\1 \2 \3/')
known=$(echo "$includes" | awk '{print $3}' | sort -u | while read -r name; do echo "$name $(folder_of "$name")"; done)
breaches=$( { echo "$arrows" | sed 's/^/A /'; echo "$known" | sed 's/^/H /'; echo "$includes" | sed 's/^/I /'; } | awk '
    $1 == "A" && NF > 1 { known[$2] = 1; for (i = 3; i <= NF; i++) may[$2, $i] = 1 }
    $1 == "H" { folder[$2] = $3 }
    $1 == "I" {
        from = $2; sub(/\/[^\/]*$/, "", from)
        if (folder[$4] == "") next
        if (!(from in known)) print $2 ":" $3 ": folder " from " is not in the list of arrows"
        else if (!((from, folder[$4]) in may)) print $2 ":" $3 ": " from " may not include " folder[$4] " (" $4 ")"
    }')
[ -z "$breaches" ] || { echo "$breaches"; fail "an include goes against the arrows"; }

# The object cache's keys of guests' modules hold only wasm-rt*.h (aot/build_tools.h).
strays=$(git grep -nE '^#include "' -- 'wasm2c-rt/include/wasm-rt*.h' | grep -v '"wasm-rt[^"]*\.h"' || true)
[ -z "$strays" ] || fail "a header of wasm2c's C includes others than wasm-rt*.h: $strays"

# --- libraries stay behind their doors ---
door() { # header, the only folder that may include it
    strays=$(git grep -lE "#include <($1)" -- '*.c' '*.h' | grep -vE "^($2|tests|bench)/" || true)
    [ -z "$strays" ] || fail "$1 is included outside of $2: $strays"
}
door 'sqlite3\.h' 'hostimpl/store'
door '(uv|curl/curl)\.h' 'hostimpl/io'
door 'criterion/' 'tests'

# --- the text of the tree ---
markers=$(git grep -nE '\b(TODO|FIXME|XXX)\b' -- '*.c' '*.h' '*.S' Makefile '*.mjs' || true)
[ -z "$markers" ] || { echo "$markers"; fail "markers of unfinished work"; }
long=$(git ls-files '*.c' '*.h' | grep -v '^tests/' | xargs awk 'length > 132 { print FILENAME ":" FNR ": " length " columns" }' | head -20)
[ -z "$long" ] || { echo "$long"; fail "lines longer than 132 columns"; }
for source in $(git ls-files '*.h'); do
    guard=$(sed -n 's/^#ifndef \([A-Z0-9_]*_H\)$/\1/p' "$source" | head -n 1)
    [ -n "$guard" ] || fail "$source has no include guard"
done

[ "$failures" -eq 0 ] && echo 'lint: clean' || exit 1
