# Sourced by setup.sh: what it takes to build for arm64 on another processor and to boot a Debian kernel for it:
#
#   .tools/arm64/sysroot/   where rustc finds the standard library of that target; with Debian's compiler, whose version it has
#   .tools/arm64/root/      a guest's files: a shell, Python and what they need, unpacked and not set up
#   .tools/kernels/6.12-arm64/
#
# All of it comes from where the machine gets its own packages, through private lists (deploy/kernels.sh).

ARM64=$TOOLS/arm64
ARM64_TRIPLE=aarch64-unknown-linux-gnu
ARM64_KERNEL=6.12
# What the first script of a guest, the tests and their peers call.
ARM64_ROOT="bash dash coreutils util-linux mount iproute2 hostname sed grep findutils procps python3 strace bpftool busybox-static libgcc-s1"

step_arm64_packages() {
    begin 1 "packages"
    ADVICE="Building for arm64 is tested on Debian and Ubuntu; everything else works without."
    local missing=()
    have aarch64-linux-gnu-gcc || missing+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    have qemu-system-aarch64 || missing+=(qemu-system-arm)
    [ ${#missing[@]} -eq 0 ] || { note "installing ${missing[*]}, about 1 min once"; packages "${missing[@]}"; }
    debian_bpf_toolchain || fail "there is no Rust of the distribution's" "Its standard library for arm64 is of the same version; deploy/setup.sh test installs it."
}

step_arm64_files() {
    begin 2 "files for arm64"
    local version want each
    version=$(dpkg-query -W -f '${Version}' libstd-rust-web-dev)
    want=$(printf '%s\n' "$version" "$ARM64_ROOT" | sha256sum)
    if done_before arm64 "$want" && kernel_is_there "$ARM64_KERNEL-arm64"; then
        kernel_initrds
        return
    fi
    note "fetching a standard library, a guest's files and a kernel, about 1 min once"
    rm -rf "$ARM64"
    mkdir -p "$ARM64/std" "$ARM64/root" "$ARM64/sysroot/lib/rustlib" "$ARM64/peers"
    kernel_lists "" arm64 || fail "no package list of Debian on this machine" "Files for arm64 come from where the machine gets its own."
    arm64_unpack "$ARM64/std" --no-install-recommends "libstd-rust-web-dev=$version"
    # What a running system needs beside these files is not wanted: nothing is set up.
    # shellcheck disable=SC2086
    arm64_unpack "$ARM64/root" --no-install-recommends $ARM64_ROOT
    ln -s "$ARM64/std/usr/lib/rustlib/$ARM64_TRIPLE" "$ARM64/sysroot/lib/rustlib/$ARM64_TRIPLE"
    kernel_fetch "$ARM64_KERNEL" arm64
    kernel_is_there "$ARM64_KERNEL-arm64" || fail "no kernel $ARM64_KERNEL for arm64 is to be had from this machine's registry"
    rm -rf "$TOOLS/kernels/apt-arm64"
    kernel_initrds
    mark_done arm64 "$want"
}

# arm64_unpack FOLDER OPTIONS PACKAGE…: unpacks packages and what they depend on.
arm64_unpack() {
    local into=$1 archives=$TOOLS/kernels/apt-arm64/cache/archives each
    shift
    rm -f "$archives"/*.deb
    long "arm64-$(basename "$into")" apt-get "${KERNEL_APT[@]}" install --download-only --yes "$@"
    for each in "$archives"/*.deb; do dpkg -x "$each" "$into"; done
    rm -f "$archives"/*.deb
}
