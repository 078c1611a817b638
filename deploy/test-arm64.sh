#!/usr/bin/env bash
# test-arm64.sh [--quick]: builds the sensor, its tests of the kernel side and the MCP peers for arm64, and runs them on a kernel for it;
# called by make test-arm64 after the set-up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH"
[ "$(id -u)" -eq 0 ] || { echo "test-arm64: run it as root: it shares this host's files with guests" >&2; exit 1; }
cargo build --workspace --bins

# The distribution's compiler, whose standard library for that target is there in the same version.
build() {
    env RUSTUP_TOOLCHAIN= RUSTC=/usr/bin/rustc CARGO_TARGET_DIR="$PWD/target/arm64" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--sysroot=$PWD/.tools/arm64/sysroot" \
        CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
        /usr/bin/cargo "$@" --target aarch64-unknown-linux-gnu
}
build build --package gnomon-sensor --package gnomon-tests --bins
build build --manifest-path tests/peers/rust/Cargo.toml --bins
mkdir -p .tools/arm64/peers/bin
cp target/arm64/aarch64-unknown-linux-gnu/debug/rmcp-{client,server} .tools/arm64/peers/bin/
tests=$(build test --package gnomon-sensor --package gnomon-tests --test kernel --no-run --message-format json |
    jq -r 'select(.target.name == "kernel") | .executable // empty' | tail -n 1)
GNOMON_ARM64_TESTS=$tests exec "${CARGO_TARGET_DIR:-target}/debug/gnomon-kernels" "$@" 6.12-arm64
