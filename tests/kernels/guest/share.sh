#!/bin/sh
# share.sh JOB VIRTIOFSD ROOT CHECKOUT: serves the files of ROOT on JOB/share.sock, read-only but for JOB. To be run in a mount namespace
# of its own (unshare --mount): what is mounted there is seen by nobody else. Of another root than this host's the checkout, where JOB
# lies, is part at its own path, with the peers that run there.
set -eu
job=$1 root=$3 checkout=$4
mount --bind "$job" "$job"
own=$job
if [ "$root" != / ]; then
    mkdir -p "$root$checkout"
    mount --rbind "$checkout" "$root$checkout"
    mount --bind "$checkout/.tools/arm64/peers" "$root$checkout/.tools/peers/rust"
    own=$root$job
fi
findmnt --noheadings --raw --output TARGET,FSTYPE | while read -r target kind; do
    case $kind in proc | sysfs | devtmpfs | devpts | cgroup* | bpf | tracefs | debugfs | securityfs | mqueue) continue ;; esac
    case $target in "$job" | "$own" | *'\x'*) continue ;; esac
    mount -o remount,bind,ro "$target"
done
# For the server's own lock; the guest mounts its own.
mount -t tmpfs run /run
# Nothing changes under a guest: it may keep all that it has read.
exec "$2" --socket-path="$job/share.sock" -o source="$root" -o cache=always -o sandbox=chroot
