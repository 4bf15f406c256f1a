#!/bin/sh
# Installs what the project needs and what is not there yet. A second run finds everything in place, needs
# no network and says nothing.
#
#   tools/deps.sh SET...
#     build   compile the project, and components with it: C compiler, libraries, wasm2c
#     test    build, and: Criterion, C and Rust compilers for wasm with their libraries, node with the component tools
#     bench   as test (guests are compiled for the benchmarks too)
#     fuzz    test, and: clang's libFuzzer and sanitizers
#     lint    clang-format, clang-tidy
#     all     everything above
#
# Debian packages come from the machine's own apt sources (sudo is used only when not root), npm packages are
# those of package-lock.json, wasm2c is looked after by tools/wasm2c.sh.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)

build_packages="gcc libc6-dev make pkg-config ca-certificates debian-archive-keyring libsqlite3-dev libuv1-dev
    uuid-dev libcurl4-openssl-dev libmd-dev libxxhash-dev libsimde-dev"
test_packages="libcriterion-dev nginx-light wrk openssl clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 rustc libstd-rust-dev-wasm32 sqlite3"
fuzz_packages="libclang-rt-19-dev"
lint_packages="clang-format-19 clang-tidy-19"

node_version_min=18

say() { printf 'deps: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}
usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

# The packages of "$@" which are not installed, one a line.
packages_missing() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        awk -v wanted="$*" '
            $1 == "installed" { have[$2] = 1 }
            END {
                n = split(wanted, names, /[ \n]+/)
                for (i = 1; i <= n; i++)
                    if (names[i] != "" && !(names[i] in have))
                        print names[i]
            }'
}

# Quiet when all goes well; all of the output when it does not.
apt_run() {
    apt_log=$(mktemp)
    apt_status=0
    $sudo env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -o DPkg::Lock::Timeout=600 -o APT::Color=0 "$@" >"$apt_log" 2>&1 </dev/null || apt_status=$?
    [ "$apt_status" = 0 ] || cat "$apt_log" >&2
    rm -f "$apt_log"
    return "$apt_status"
}

packages_install() {
    # shellcheck disable=SC2086,SC2048 # a list of words
    missing=$(packages_missing $* | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "this is no Debian; install these by hand: $missing"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            die "neither root nor sudo; to be done as root: apt-get install --no-install-recommends $missing"
        sudo=sudo
    fi
    say "installing Debian packages: $missing"
    # One source out of order does not matter if the packages are to be had all the same.
    apt_run -qq update || say "failed: apt-get update; going on with what is known"
    # shellcheck disable=SC2086
    apt_run -qq -y --no-install-recommends install $missing || die "failed: apt-get install $missing"
    say "installed"
}

node_is_fit() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 1
    node_version=$(node --version 2>/dev/null) || return 1
    node_version=${node_version#v}
    [ "${node_version%%.*}" -ge "$node_version_min" ]
}

# Checked by a stamp: starting node to ask for its version would cost more than the rest of this script.
npm_install() {
    lock=$top/package-lock.json
    stamp=$top/node_modules/.golem-aot-lock
    if cmp -s "$lock" "$stamp" && command -v node >/dev/null 2>&1; then
        return 0
    fi
    if [ -L "$top/node_modules" ]; then
        say "node_modules is a link to another folder, and is left as it is"
        return 0
    fi
    node_is_fit || packages_install nodejs npm
    node_is_fit || die "node $node_version_min or newer is needed, and npm"
    say "installing npm packages of package-lock.json"
    (cd "$top" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2) || die "failed: npm ci"
    cp "$lock" "$stamp"
    say "installed"
}

[ $# -gt 0 ] || usage
want_test=false
want_fuzz=false
want_lint=false
want_build=false
for word in "$@"; do
    case $word in
        build) want_build=true ;;
        test | bench) want_build=true want_test=true ;;
        fuzz) want_build=true want_test=true want_fuzz=true ;;
        lint) want_lint=true ;;
        all) want_build=true want_test=true want_fuzz=true want_lint=true ;;
        *) usage ;;
    esac
done

packages=
if $want_build; then packages="$packages $build_packages"; fi
if $want_test; then packages="$packages $test_packages"; fi
if $want_fuzz; then packages="$packages $fuzz_packages"; fi
if $want_lint; then packages="$packages $lint_packages"; fi
packages_install "$packages"
if $want_build; then "$top/tools/wasm2c.sh"; fi
if $want_test; then npm_install; fi
