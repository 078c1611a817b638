#!/usr/bin/env bash
# Installs what is missing to build and run Gnomon; safe to call again, and fast when nothing is missing.
#
#   deploy/setup.sh run     what `make run` needs: Rust, a BPF toolchain, the embedded ClickHouse
#   deploy/setup.sh test    … and what the tests need: cargo-nextest, bpftool, real MCP peers and AI clients, a browser
#   deploy/setup.sh ci      … and what CI needs: cargo-deny
#   deploy/setup.sh arm64   what it takes to build and test for arm64 on another processor, beside `kernels`
#   deploy/setup.sh kernels what tests in virtual machines need beside `test`: QEMU and kernels; KERNELS="6.1 6.12" selects
#
# Debian and Ubuntu packages are installed where they are missing (as root, or through sudo, asked once).
# Elsewhere the script names what to install and stops. All the rest goes into <checkout>/.tools.
# On an ordinary rustup machine (a nightly with rust-src, and bpf-linker on PATH) those are used instead of packages.
set -euo pipefail

BPF_LINKER_VERSION=0.13.0
LLVM_VERSION=22
NEXTEST_VERSION=0.9.143
DENY_VERSION=0.20.2
UVX_SERVER=mcp-server-time@2026.10.10
CHDB_PACKAGE='@chdb/lib-linux-x64-gnu'
CHDB_VERSION=26.7.3-stable.1
CHDB_SHA512='5cff7b98caa7739b59a4a432c11f0dedc2d3b073624e61ebdf4a42e66ce8de35a6ba48ca9f62016bad1cd81fe059435cb858ce3235a8a2b408082a81563e70a7'

cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
TOOLS=$ROOT/.tools
WHAT=${1:-run}
case $WHAT in
    run) STEPS=4 ;;
    test) STEPS=10 ;;
    ci) STEPS=11 ;;
    kernels | arm64) STEPS=2 ;;
    *) echo "usage: deploy/setup.sh run|test|ci|kernels|arm64" >&2; exit 2 ;;
esac
# Some services and containers start us without HOME.
if [ -z "${HOME:-}" ]; then
    HOME=$(getent passwd "$(id -u)" | cut -d : -f 6) || HOME=
    export HOME="${HOME:-/}"
fi
# Tests run peers as other users: what is installed is for all of them, also where the caller keeps his own files to himself.
umask 022
mkdir -p "$TOOLS/bin" "$TOOLS/log" "$TOOLS/stamp"
chmod go+rx "$TOOLS"
export PATH="$TOOLS/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
source deploy/group.sh

# One set-up at a time in a checkout: a second one waits, then finds everything done.
exec 9>"$TOOLS/lock"
if command -v flock >/dev/null; then
    flock -n 9 || { echo "set-up: waiting for another set-up in this checkout"; flock 9; }
fi

say() { printf '%s\n' "$*"; }
fail() {
    printf 'set-up: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '        %s\n' "$line" >&2; done
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
begin() { STEP=$1 NAME=$2 DOING=working; }
# note TEXT: what a step does; its first word stands in the lines that say it is alive.
note() {
    NOTED=yes DOING=${1%% *}
    say "[$STEP/$STEPS] $NAME: $1"
}
# run_step FUNCTION: a step that has nothing to do says so, too: no number is missing.
run_step() {
    NOTED=
    "$1"
    [ -n "$NOTED" ] || note "is there"
}

# A stamp holds what was installed; a step is done when its stamp says what the step wants.
done_before() { [ -f "$TOOLS/stamp/$1" ] && [ "$(<"$TOOLS/stamp/$1")" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$TOOLS/stamp/$1"; }

# long NAME COMMAND…: runs a command into a log of its own, says every 15 s that it is alive, shows the log's end if it fails.
LONG_CHILD= LONG_GROUP=
long() {
    local log=$TOOLS/log/$1.log start=$SECONDS status=0 shown=0 last
    shift
    if [ "$1" = as_root ]; then
        "$@" >"$log" 2>&1 9>&- &
        LONG_CHILD=$!
    else
        in_group "$@" >"$log" 2>&1 9>&-
        LONG_CHILD=$! LONG_GROUP=$!
    fi
    while kill -0 "$LONG_CHILD" 2>/dev/null; do
        if [ $((SECONDS - start - shown)) -ge 15 ]; then
            shown=$((SECONDS - start))
            last=$(tail -n 1 "$log" | tr -d '\r\033' | cut -c 1-50)
            printf '      %s: %s, %d s  %s\n' "$NAME" "$DOING" "$shown" "$last"
        fi
        sleep 0.2
    done
    wait "$LONG_CHILD" || status=$?
    LONG_CHILD= LONG_GROUP=
    if [ "$status" -ne 0 ]; then
        printf 'set-up: %s failed (status %s); the end of %s:\n' "$NAME" "$status" "$log" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
    printf '      %s: done in %d s\n' "$NAME" $((SECONDS - start))
}

# end_long: ends what `long` runs. Not the installing of packages: it is waited for, for dpkg must not be stopped half-way.
end_long() {
    if [ -n "$LONG_GROUP" ]; then
        end_group "$LONG_GROUP"
    elif [ -n "$LONG_CHILD" ] && kill -0 "$LONG_CHILD" 2>/dev/null; then
        say "set-up: stopping when the packages are installed"
        wait "$LONG_CHILD" || true
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

is_debian() { have apt-get && have dpkg-query; }

# packages NAME…: installs Debian packages, asking for sudo once where the caller is not root.
packages() {
    is_debian || fail "$NAME needs packages that this system's package manager must install" \
        "Debian names: $*" "Install their like, then run this again."
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "$NAME: not root, and there is no sudo" \
            "Run as root: apt-get install --no-install-recommends $*"
        sudo -n true 2>/dev/null || { say "        sudo is needed to install: $*"; sudo -v; }
    fi
    if ! apt_lists_know "$@"; then
        long apt-update as_root apt-get update
        apt_lists_know "$@" || fail "$NAME: this release of Debian or Ubuntu does not have all of: $*" "$ADVICE"
    fi
    long apt-install as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

apt_lists_know() { apt-get install --simulate --no-install-recommends "$@" >/dev/null 2>&1; }

# cargo_tool CRATE VERSION BINARY SETTINGS…: builds a Rust tool into .tools/bin.
cargo_tool() {
    local crate=$1 version=$2
    shift 2
    long "$crate" env CARGO_TARGET_DIR="$TOOLS/build" "$@" \
        cargo install --locked --root "$TOOLS" --version "$version" --force "$crate" $CARGO_FEATURES
    rm -rf "$TOOLS/build"
}

step_rust() {
    begin 1 "Rust"
    have rustup || fail "rustup is not on PATH" "Install rustup, then run this again."
    local channel
    channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
    if done_before rust "$channel" && [ -d "$(rustup_home)/toolchains/$channel-$(host_triple)" ]; then return; fi
    if ! rustup run "$channel" rustc --version >/dev/null 2>&1; then
        note "installing $channel, about 1 min once"
        long rust rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt
    fi
    mark_done rust "$channel"
}

rustup_home() { printf '%s' "${RUSTUP_HOME:-$HOME/.rustup}"; }
host_triple() {
    case $(uname -m) in
        x86_64) printf 'x86_64-unknown-linux-gnu' ;;
        aarch64) printf 'aarch64-unknown-linux-gnu' ;;
        *) rustup show 2>/dev/null | sed -n 's/^Default host: //p' ;;
    esac
}

# The ordinary way of aya: a nightly that can build `core` for BPF, and a linker that the user put on PATH.
ordinary_bpf_toolchain() {
    have bpf-linker || return 1
    local toolchain
    for toolchain in "$(rustup_home)"/toolchains/nightly*; do
        [ -d "$toolchain/lib/rustlib/src/rust/library/core" ] && return 0
    done
    return 1
}

# Debian ships rustc with a ready-made `core` for BPF.
debian_bpf_toolchain() {
    [ -d /usr/lib/rustlib/bpfel-unknown-none ] && [ -x /usr/bin/cargo ] && [ -d "/usr/lib/llvm-$LLVM_VERSION/include" ]
}

has_embedded_engine() { [ "$(uname -m)" = x86_64 ] && [ -e /lib64/ld-linux-x86-64.so.2 ]; }
clickhouse_is_there() { done_before clickhouse "$CHDB_VERSION" && [ -f "$TOOLS/clickhouse/libchdb.so" ]; }

# All packages in one go: apt and dpkg work alone.
step_packages() {
    begin 2 "packages"
    ADVICE="For the BPF toolchain: rustup toolchain install nightly --component rust-src && cargo install bpf-linker"
    local missing=()
    have cc && have ld || missing+=(gcc libc6-dev)
    # libstdc++ for bpf-linker.
    have g++ || missing+=(g++)
    if [ -z "${GNOMON_EBPF_OBJECT:-}" ] && ! debian_bpf_toolchain && ! ordinary_bpf_toolchain; then
        missing+=(rustc-web cargo-web libstd-rust-web-dev-bpf "llvm-$LLVM_VERSION-dev")
    fi
    if [ "$WHAT" != run ] || { has_embedded_engine && ! clickhouse_is_there; }; then
        have node || missing+=(nodejs)
        have npm || missing+=(npm)
    fi
    if [ "$WHAT" != run ]; then
        have bpftool || [ -x /usr/sbin/bpftool ] || missing+=(bpftool)
        have chromium || [ -n "${GNOMON_CHROMIUM:-}" ] || missing+=(chromium fonts-dejavu-core)
        have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
        # For tests/peers/negatives, and to have the kernel refuse programs.
        local each
        for each in jq git curl strace; do have "$each" || missing+=("$each"); done
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    note "installing ${missing[*]}, 1 to 3 min once"
    packages "${missing[@]}"
}

step_bpf_linker() {
    begin 3 "bpf-linker"
    if [ -n "${GNOMON_EBPF_OBJECT:-}" ]; then return; fi
    if done_before bpf-linker "$BPF_LINKER_VERSION" && [ -x "$TOOLS/bin/bpf-linker" ]; then return; fi
    if ordinary_bpf_toolchain; then return; fi
    note "building, 1 to 3 min once"
    CARGO_FEATURES="--no-default-features --features llvm-$LLVM_VERSION" \
        cargo_tool bpf-linker "$BPF_LINKER_VERSION" LLVM_PREFIX="/usr/lib/llvm-$LLVM_VERSION"
    mark_done bpf-linker "$BPF_LINKER_VERSION"
}

step_clickhouse() {
    begin 4 "ClickHouse"
    if clickhouse_is_there; then return; fi
    if ! has_embedded_engine; then
        note "no embedded engine for this processor or C library ($(uname -m))"
        say "        Point the collector at a ClickHouse server: [clickhouse] url in deploy/collector.toml,"
        say "        or GNOMON_CLICKHOUSE_URL=http://host:8123 make run"
        return
    fi
    note "fetching $CHDB_PACKAGE $CHDB_VERSION (178 MB), about 1 min once"
    rm -rf "$TOOLS/clickhouse.new"
    mkdir -p "$TOOLS/clickhouse.new"
    long clickhouse npm pack --silent --pack-destination "$TOOLS/clickhouse.new" "$CHDB_PACKAGE@$CHDB_VERSION"
    local archive
    archive=$(ls "$TOOLS"/clickhouse.new/*.tgz)
    local sum
    sum=$(sha512sum "$archive" | cut -d ' ' -f 1)
    if [ "$sum" != "$CHDB_SHA512" ]; then
        rm -rf "$TOOLS/clickhouse.new"
        fail "$CHDB_PACKAGE $CHDB_VERSION is not the file it should be" "sha512 is $sum" "expected  $CHDB_SHA512"
    fi
    long clickhouse-unpack tar -xzf "$archive" -C "$TOOLS/clickhouse.new" --strip-components=1 --no-same-owner package/libchdb.so package/package.json
    rm -f "$archive"
    rm -rf "$TOOLS/clickhouse"
    mv "$TOOLS/clickhouse.new" "$TOOLS/clickhouse"
    mark_done clickhouse "$CHDB_VERSION"
}

step_nextest() {
    begin 10 "cargo-nextest"
    if have cargo-nextest; then return; fi
    note "building, 3 to 5 min once"
    # Optimised for a short build: it only starts our tests.
    CARGO_FEATURES="--no-default-features --features default-no-update" cargo_tool cargo-nextest "$NEXTEST_VERSION" "${QUICK[@]}"
}

# Each Python peer has its own virtual environment: the generations of the SDK exclude each other.
step_python_peers() {
    begin 5 "Python MCP peers"
    local list name want
    for list in tests/peers/python/*.txt; do
        name=$(basename "$list" .txt)
        want=$(sha256sum <"$list")
        if done_before "python-$name" "$want" && [ -x "$TOOLS/peers/python/$name/bin/python" ]; then continue; fi
        note "installing $list, about 20 s once"
        rm -rf "$TOOLS/peers/python/$name"
        mkdir -p "$TOOLS/peers/python"
        long "python-$name-venv" python3 -m venv "$TOOLS/peers/python/$name"
        long "python-$name" "$TOOLS/peers/python/$name/bin/python" -m pip install \
            --disable-pip-version-check --no-input --only-binary :all: -r "$list"
        mark_done "python-$name" "$want"
    done
    # What `uvx` would fetch is fetched now, so that tests run it without a network.
    want=$(sha256sum <tests/peers/python/servers.txt)
    if done_before uv "$want" && [ -d "$TOOLS/peers/uv" ]; then return; fi
    note "filling the cache of uv, about 10 s once"
    rm -rf "$TOOLS/peers/uv"
    long uv "$TOOLS/peers/python/servers/bin/uvx" --no-config --cache-dir "$TOOLS/peers/uv" --python "$TOOLS/peers/python/servers/bin/python" \
        "$UVX_SERVER" --help
    mark_done uv "$want"
}

# A folder of npm packages: servers and SDKs in one, AI clients (large: codex alone is 400 MB) in another. The new one takes the
# place of the old when it is complete.
step_node_peers() {
    begin 6 "Node MCP peers"
    local folder want
    for folder in node clients; do
        want=$(sha256sum <"tests/peers/$folder/package-lock.json")
        if done_before "$folder" "$want" && [ -d "$TOOLS/peers/$folder/node_modules" ]; then continue; fi
        note "installing tests/peers/$folder, about 40 s once"
        rm -rf "$TOOLS/peers/$folder.new"
        mkdir -p "$TOOLS/peers/$folder.new"
        cp "tests/peers/$folder/package.json" "tests/peers/$folder/package-lock.json" "$TOOLS/peers/$folder.new/"
        # In the folder rather than by --prefix: npm takes a path with a link in it for another package. Not `npm ci`: it refuses a
        # lock file without the optional packages of other platforms; versions and digests are those of the lock file either way.
        long "$folder-peers" env -C "$TOOLS/peers/$folder.new" npm install --no-save --ignore-scripts --no-audit --no-fund
        rm -rf "$TOOLS/peers/$folder"
        mv "$TOOLS/peers/$folder.new" "$TOOLS/peers/$folder"
        mark_done "$folder" "$want"
    done
}

step_rust_peers() {
    begin 9 "Rust MCP peers"
    local want
    want=$(cat tests/peers/rust/Cargo.* tests/peers/rust/src/*.rs | sha256sum)
    if done_before rust-peers "$want" && [ -x "$TOOLS/peers/rust/bin/rmcp-server" ]; then return; fi
    note "building tests/peers/rust, about 2 min once"
    long rust-peers env CARGO_TARGET_DIR="$TOOLS/build-peers" \
        cargo install --locked --debug --force --path tests/peers/rust --root "$TOOLS/peers/rust"
    rm -rf "$TOOLS/build-peers"
    mark_done rust-peers "$want"
}

# Drives the browser that sees the pages.
step_page() {
    begin 8 "page visitor"
    local want
    want=$(sha256sum <tests/page/package-lock.json)
    if done_before page "$want" && [ -d "$TOOLS/page/node_modules" ]; then return; fi
    note "installing tests/page, about 5 s once"
    rm -rf "$TOOLS/page"
    mkdir -p "$TOOLS/page"
    cp tests/page/package.json tests/page/package-lock.json "$TOOLS/page/"
    long page npm ci --prefix "$TOOLS/page" --ignore-scripts --no-audit --no-fund
    mark_done page "$want"
}

# Programs that are not MCP peers, for tests/peers/negatives.
step_bystanders() {
    begin 7 "bystanders"
    local want
    want=$(sha256sum <tests/peers/negatives/package-lock.json)
    if done_before negatives "$want" && [ -d "$TOOLS/peers/negatives/node_modules" ]; then return; fi
    note "installing tests/peers/negatives, about 30 s once"
    rm -rf "$TOOLS/peers/negatives"
    mkdir -p "$TOOLS/peers/negatives"
    cp tests/peers/negatives/package.json tests/peers/negatives/package-lock.json "$TOOLS/peers/negatives/"
    long bystanders npm ci --prefix "$TOOLS/peers/negatives" --ignore-scripts --no-audit --no-fund
    mark_done negatives "$want"
}

step_deny() {
    begin 11 "cargo-deny"
    if have cargo-deny; then return; fi
    note "building, 3 to 5 min once"
    CARGO_FEATURES="" cargo_tool cargo-deny "$DENY_VERSION" "${QUICK[@]}"
}
QUICK=(CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16)

# What is compiled; runs beside what is fetched.
build_tools() {
    trap end_long EXIT
    trap 'exit 143' TERM HUP
    run_step step_bpf_linker
    if [ "$WHAT" != run ]; then run_step step_nextest; run_step step_rust_peers; fi
    if [ "$WHAT" = ci ]; then run_step step_deny; fi
}

# All that runs ends with us.
BUILDER=
finish() {
    local status=$?
    trap '' INT TERM HUP
    set +e
    end_long
    [ -n "$BUILDER" ] && kill "$BUILDER" 2>/dev/null
    [ -n "$BUILDER" ] && wait "$BUILDER" 2>/dev/null
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ADVICE=""
if [ "$WHAT" = kernels ]; then
    source deploy/kernels.sh
    run_step step_kernel_packages
    run_step step_kernels
    exit 0
fi
if [ "$WHAT" = arm64 ]; then
    source deploy/kernels.sh
    source deploy/arm64.sh
    run_step step_arm64_packages
    run_step step_arm64_files
    exit 0
fi
run_step step_rust
run_step step_packages
build_tools &
BUILDER=$!
run_step step_clickhouse
if [ "$WHAT" != run ]; then
    run_step step_python_peers
    run_step step_node_peers
    run_step step_page
    run_step step_bystanders
fi
status=0
wait "$BUILDER" || status=$?
BUILDER=
exit "$status"
