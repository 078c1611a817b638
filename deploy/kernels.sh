# Sourced by setup.sh: kernels to boot in virtual machines, into .tools/kernels/<major.minor>/ as vmlinuz and initrd.
#
# They are Debian's kernels for clouds: small, with BTF, and with virtiofs to see the host's files. They come from the registry that
# this machine's own package lists name, read through private lists of other suites, so that the machine's own stay as they are.
# KERNELS="6.1 6.12" selects; a bare major number means its newest kernel.

KERNELS_ALL="5.10 6.1 6.12 6.18 7"
# Suites beside the machine's own, until a kernel of each number has been found. The last are large lists.
KERNEL_SUITES=("bullseye bookworm bookworm-backports trixie-backports" "testing unstable")
# What the older of the kernels have as modules, of all that the way to the host's files takes.
KERNEL_MODULES="virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci fuse virtiofs"

step_kernel_packages() {
    begin 1 "packages"
    ADVICE="Kernels in virtual machines are tested on Debian and Ubuntu; everything else works without."
    local missing=()
    have qemu-system-x86_64 || missing+=(qemu-system-x86)
    [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 || missing+=(busybox-static)
    have cpio || missing+=(cpio)
    have xz || missing+=(xz-utils)
    have cc || missing+=(gcc libc6-dev)
    # With QEMU until version 7, a package of its own since.
    if ! virtiofsd_is_there && is_debian && apt-cache show virtiofsd >/dev/null 2>&1; then missing+=(virtiofsd); fi
    [ ${#missing[@]} -eq 0 ] || { note "installing ${missing[*]}, about 30 s once"; packages "${missing[@]}"; }
    virtiofsd_is_there || fail "there is no virtiofsd" "It lets a guest see this host's files; install the package that has it."
}

virtiofsd_is_there() { [ -x /usr/lib/qemu/virtiofsd ] || [ -x /usr/libexec/virtiofsd ]; }

step_kernels() {
    begin 2 "kernels"
    local wanted=() version
    for version in ${KERNELS:-$KERNELS_ALL}; do
        kernel_is_there "$version" || wanted+=("$version")
    done
    [ ${#wanted[@]} -eq 0 ] && { kernel_initrds; return; }
    note "fetching ${wanted[*]}, 20 to 50 MB each, about 1 min once"
    local suites more=""
    for suites in "${KERNEL_SUITES[@]}"; do
        more="$more $suites"
        kernel_lists "$more" || { say "        no kernel can be fetched: no package list of Debian on this machine"; return; }
        for version in "${wanted[@]}"; do
            kernel_is_there "$version" || kernel_fetch "$version"
        done
        local left=0
        for version in "${wanted[@]}"; do kernel_is_there "$version" || left=1; done
        [ "$left" -eq 1 ] || break
    done
    for version in "${wanted[@]}"; do
        kernel_is_there "$version" || say "        no kernel $version is to be had from this machine's registry; going on without"
    done
    rm -rf "$TOOLS/kernels/apt"
    kernel_initrds
}

# The folder of a kernel, by 6.12 or by 6.
kernel_is_there() {
    local file
    for file in "$TOOLS/kernels/$1"/vmlinuz "$TOOLS/kernels/$1".*/vmlinuz; do
        [ -f "$file" ] && return 0
    done
    return 1
}

KERNEL_APT=()
# kernel_lists SUITES [PROCESSOR]: private lists of these suites and of the machine's own, from where the machine gets its own; for another
# processor than the machine's, on which then nothing counts as installed.
kernel_lists() {
    local apt=$TOOLS/kernels/apt${2:+-$2} main key=""
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    KERNEL_APT=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$apt/lists"
        -o "Dir::Cache=$apt/cache" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
        -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
    [ -z "${2:-}" ] || KERNEL_APT+=(-o "APT::Architecture=$2" -o "APT::Architectures::=$2" -o Dir::State::status=/dev/null)
    main=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's#^Debian/Debian ##p' | head -n 1)
    [ -n "$main" ] || return 1
    [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ] || key="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    {
        apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sed -n "s#^Debian \(.*\)#deb $key \1 main#p"
        local suite
        for suite in $1; do printf 'deb %s %s %s main\n' "$key" "$main" "$suite"; done
    } | sort -u >"$apt/sources.list"
    # A suite that is gone fails alone: what it would have had is found missing below.
    long kernel-lists sh -c 'apt-get "$@" update || echo "some lists are missing"' sh "${KERNEL_APT[@]}"
}

# kernel_fetch VERSION [PROCESSOR]: the newest kernel of that number, if the lists have one.
kernel_fetch() {
    local name release processor=${2:-amd64} unpacked=$TOOLS/kernels/unpacked
    name=$(apt-cache "${KERNEL_APT[@]}" pkgnames "linux-image-$1." | grep -E -- "^linux-image-[0-9.]+[^ ]*-cloud-$processor\$" | sort -V | tail -n 1)
    [ -n "$name" ] || return 0
    release=${name#linux-image-}
    rm -rf "$unpacked"
    mkdir -p "$unpacked/debs"
    # Newer ones are in parts.
    local parts=("$name") part
    for part in "linux-binary-$release" "linux-modules-$release"; do
        [ -z "$(apt-cache "${KERNEL_APT[@]}" show "$part" 2>/dev/null)" ] || parts+=("$part")
    done
    # One that fails is found missing below, and leaves the others.
    long "kernel-$1" sh -c 'cd "$1" && shift && apt-get "$@" || echo "it could not be fetched"' sh \
        "$unpacked/debs" "${KERNEL_APT[@]}" download "${parts[@]}"
    for part in "$unpacked"/debs/*.deb; do [ ! -f "$part" ] || dpkg -x "$part" "$unpacked"; done
    local new=$TOOLS/kernels/new image
    rm -rf "$new"
    mkdir -p "$new/modules"
    image=$(find "$unpacked" -name 'vmlinuz*' -type f | head -n 1)
    [ -n "$image" ] || return 0
    cp "$image" "$new/vmlinuz"
    printf '%s\n' "$release" >"$new/release"
    for part in $KERNEL_MODULES; do
        find "$unpacked" -name "$part.ko" -exec cp {} "$new/modules/" \;
        find "$unpacked" -name "$part.ko.xz" -exec sh -c 'xz -dc "$1" >"$2"' sh {} "$new/modules/$part.ko" \;
    done
    # 6.12 of 6.12.117+deb12-cloud-amd64, and 6.12-arm64 of another processor's.
    local number
    number=$(printf '%s' "$release" | cut -d . -f 1,2)
    [ "$processor" = amd64 ] || number=$number-$processor
    rm -rf "$TOOLS/kernels/$number" "$unpacked"
    mv "$new" "$TOOLS/kernels/$number"
}

# An initrd holds a shell, the modules, and the guest's first program.
kernel_initrds() {
    local kernel want box tree=$TOOLS/kernels/tree
    for kernel in "$TOOLS"/kernels/*/; do
        [ -f "$kernel/vmlinuz" ] || continue
        case $kernel in *-arm64/) box=$TOOLS/arm64/root/bin/busybox ;; *) box=/bin/busybox ;; esac
        want=$(cat tests/kernels/guest/init "$box" | sha256sum)
        if [ -f "$kernel/initrd" ] && [ "$(cat "$kernel/initrd.of" 2>/dev/null)" = "$want" ]; then continue; fi
        rm -rf "$tree"
        mkdir -p "$tree/bin" "$tree/proc" "$tree/dev" "$tree/host"
        cp "$box" "$tree/bin/busybox"
        cp -r "$kernel/modules" "$tree/modules"
        install -m 755 tests/kernels/guest/init "$tree/init"
        (cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$kernel/initrd"
        printf '%s\n' "$want" >"$kernel/initrd.of"
        rm -rf "$tree"
    done
}
