#!/bin/sh
# Finds a good wasm2c, and fetches one when there is none. The first that fits is taken:
#   1. $GOLEM_AOT_WASM2C, if set
#   2. the system's, from version 1.0.42 on
#   3. a private copy, ${XDG_CACHE_HOME:-$HOME/.cache}/golem-aot/wasm2c/bin/wasm2c: Debian unstable's package
#      and the libraries of its release, unpacked there (no file of the system is touched) and started through
#      that release's own dynamic linker
#   4. with a notice, what is older than that but at least 1.0.36: Debian 13's package, or the system's
# A second run needs no network.
#
#   tools/wasm2c.sh             make sure that there is one
#   tools/wasm2c.sh --print     the same, and print its path
#   tools/wasm2c.sh --upgrade   fetch the newest private copy again
#   tools/wasm2c.sh --keep DIR  if there is a private copy, DIR/wasm2c becomes one too, for a golem-aot that is
#                               beside it: a cache may be deleted at any time. Fetches nothing
set -eu

version_wanted=1.0.42
version_floor=1.0.36
suites="unstable testing trixie"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

home=${XDG_CACHE_HOME:-$HOME/.cache}/golem-aot/wasm2c
private=$home/bin/wasm2c

say() { printf 'wasm2c: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# version_at_least HAVE WANTED, for versions of three numbers
version_at_least() {
    IFS=. read -r have_major have_minor have_patch <<END
$1
END
    IFS=. read -r want_major want_minor want_patch <<END
$2
END
    have_patch=${have_patch%%[!0-9]*}
    case $have_major.$have_minor.$have_patch in *[!0-9.]* | .* | *..* | *.) return 1 ;; esac
    [ $((have_major * 1000000 + have_minor * 10000 + have_patch)) -ge \
        $((want_major * 1000000 + want_minor * 10000 + want_patch)) ]
}

version_of() { "$1" --version 2>/dev/null || echo 0.0.0; }

finish() {
    if $print; then printf '%s\n' "$1"; fi
    exit 0
}

notice_old() {
    say "notice: using $1, which is version $2. It works, but $version_wanted makes guests 15 to 20 % faster." \
        "Once the package mirror offers it: tools/wasm2c.sh --upgrade"
}

# The Debian mirrors of this machine's own apt configuration, one a line: whatever serves the release that runs here.
mirrors() {
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\\(.*\\)/dists/${codename:-stable}/\\(In\\)\\{0,1\\}Release'.*|\\1|p" | awk '!seen[$0]++'
}

# apt with sources, state and cache of its own, below $work. Network settings and proxies are the machine's, signatures
# are checked against Debian's keyring. A mirror may lag by half a year: unstable's index otherwise expires in a week,
# and we ask for a version, not for the newest.
apt_private() {
    apt_tool=$1
    shift
    "$apt_tool" -q \
        -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=- \
        -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o APT::Get::List-Cleanup=0 -o APT::Default-Release= \
        -o Acquire::Languages=none -o Acquire::GzipIndexes=true \
        -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Min-ValidTime=15552000 -o APT::Update::Post-Invoke-Success::= -o APT::Update::Error-Mode=any "$@"
}

# fetch SUITE MIRROR: unpacks that release's wabt and everything it depends on; leaves a new $private behind.
fetch() {
    rm -rf "$work"
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/deb" "$work/root"
    : >"$work/state/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$2" "$1" >"$work/sources.list"
    say "looking into Debian $1"
    apt_private apt-get update >"$work/log" 2>&1 || return 1

    version=$(apt_private apt-cache show --no-all-versions wabt 2>>"$work/log" |
        sed -n 's/^Version: \([0-9]*:\)\{0,1\}\([0-9.]*\).*/\2/p') || return 1
    version_at_least "${version:-0.0.0}" "$version_lowest" || return 1

    closure=$(apt_private apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances wabt 2>>"$work/log" | sed -n 's/^\([a-z0-9][a-z0-9.+-]*\)$/\1/p' |
        grep -Ev '^(debconf|debconf-2.0|gcc-.*-base|openssl-provider-.*)$')
    say "downloading wabt $version and what it needs"
    # shellcheck disable=SC2086 # a list of names
    (cd "$work/deb" && apt_private apt-get download $closure) >>"$work/log" 2>&1 || return 1
    for deb in "$work"/deb/*.deb; do
        dpkg-deb -x "$deb" "$work/root" || return 1
    done

    program=$work/root/usr/bin/wasm2c
    linker=$(find "$work/root/" -name 'ld-linux*.so.*' -print | head -n 1)
    [ -x "$program" ] && [ -n "$linker" ] || return 1
    install_private
}

# Only what is needed moves from $work to its place: the program, its linker and the libraries it really loads.
install_private() {
    tree=$home/$version
    mkdir -p "$work/new/lib" "$home/bin"
    paths=$(find "$work/root" -name '*.so*' -printf '%h\n' | sort -u | tr '\n' ':')
    "$linker" --library-path "${paths%:}" --list "$program" >"$work/libraries" 2>>"$work/log" || return 1
    sed -n "s,.* => \\($work/root/.*\\) (0x.*,\\1,p" "$work/libraries" | while read -r library; do
        cp -L "$library" "$work/new/lib/"
    done
    cp -L "$linker" "$work/new/lib/${linker##*/}"
    cp "$program" "$work/new/wasm2c"
    cp "$work/root/usr/share/doc/wabt/copyright" "$work/new/copyright.wabt" 2>/dev/null || :
    rm -rf "$tree"
    mv "$work/new" "$tree"

    cat >"$work/wrapper" <<END
#!/bin/sh
# Written by tools/wasm2c.sh: wabt $version of Debian $suite with that release's own libraries.
exec '$tree/lib/${linker##*/}' --library-path '$tree/lib' '$tree/wasm2c' "\$@"
END
    chmod +x "$work/wrapper"
    [ "$(version_of "$work/wrapper")" = "$version" ] || return 1
    mv "$work/wrapper" "$private"
    say "wasm2c $version is ready: $private"
}

# The copies share their files with the private copy where that is possible. What is there is never half of one.
keep() {
    [ -x "$private" ] || exit 0
    version=$(version_of "$private")
    if [ -x "$1/wasm2c" ] && [ "$(version_of "$1/wasm2c")" = "$version" ]; then exit 0; fi
    mkdir -p "$1"
    new=$(mktemp -d "$1/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    cp -Rl "$home/$version" "$new/wabt" 2>/dev/null || { rm -rf "$new/wabt" && cp -R "$home/$version" "$new/wabt"; }
    chmod 755 "$new"
    linker=$(find "$new/wabt/lib" -name 'ld-linux*' -printf '%f\n' | head -n 1)
    cat >"$new/start" <<END
#!/bin/sh
# Written by tools/wasm2c.sh: wabt $version with the libraries of its release.
here=\${0%/*}/wabt-$version
exec "\$here/lib/$linker" --library-path "\$here/lib" "\$here/wasm2c" "\$@"
END
    chmod 755 "$new/start"
    rm -rf "$1/wabt-$version"
    mv "$new/wabt" "$1/wabt-$version"
    mv "$new/start" "$1/wasm2c"
    exit 0
}

if [ "${1:-}" = --keep ] && [ $# -eq 2 ]; then keep "$2"; fi
print=false
upgrade=false
for word in "$@"; do
    case $word in
        --print) print=true ;;
        --upgrade) upgrade=true ;;
        *)
            sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
            exit 2
            ;;
    esac
done

if [ -n "${GOLEM_AOT_WASM2C:-}" ]; then
    version=$(version_of "$GOLEM_AOT_WASM2C")
    version_at_least "$version" "$version_floor" ||
        die "GOLEM_AOT_WASM2C=$GOLEM_AOT_WASM2C is no wasm2c of version $version_floor or newer"
    finish "$GOLEM_AOT_WASM2C"
fi

system=$(command -v wasm2c || :)
system_version=0.0.0
if [ -n "$system" ]; then
    system_version=$(version_of "$system")
    if version_at_least "$system_version" "$version_wanted"; then finish "$system"; fi
fi

private_version=0.0.0
if [ -x "$private" ]; then private_version=$(version_of "$private"); fi
if ! $upgrade; then
    if version_at_least "$private_version" "$version_wanted"; then finish "$private"; fi
    if version_at_least "$private_version" "$version_floor"; then
        notice_old "$private" "$private_version"
        finish "$private"
    fi
fi

command -v apt-get >/dev/null 2>&1 ||
    die "this is no Debian: install wabt $version_wanted or newer, or set GOLEM_AOT_WASM2C to a wasm2c"
[ -r "$keyring" ] || die "the package debian-archive-keyring is missing"
mkdir -p "$home"
exec 9>"$home/lock"
flock 9
# Another run may have fetched it while this one waited.
if ! $upgrade && [ -x "$private" ] && version_at_least "$(version_of "$private")" "$version_wanted"; then
    finish "$private"
fi

work=$home/work
rm -f "$home/log"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
found_mirrors=$(mirrors)
[ -n "$found_mirrors" ] || die "apt's configuration names no Debian mirror; set GOLEM_AOT_WASM2C to a wasm2c"
# First whatever is new enough, then whatever works.
for version_lowest in "$version_wanted" "$version_floor"; do
    for suite in $suites; do
        for mirror in $found_mirrors; do
            if fetch "$suite" "$mirror"; then
                version_at_least "$version" "$version_wanted" || notice_old "$private" "$version"
                finish "$private"
            fi
            sed "s/^/$suite: /" "$work/log" >>"$home/log" 2>/dev/null || :
        done
    done
done

if version_at_least "$system_version" "$version_floor"; then
    notice_old "$system" "$system_version"
    finish "$system"
fi
if [ -s "$home/log" ]; then tail -n 5 "$home/log" >&2; fi
die "no wasm2c of version $version_floor or newer is to be had here; set GOLEM_AOT_WASM2C to one"
