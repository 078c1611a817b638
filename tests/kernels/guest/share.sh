#!/bin/sh
# share.sh JOB VIRTIOFSD: serves this host's files on JOB/share.sock, read-only but for JOB. To be run in a mount namespace of its own
# (unshare --mount): what is mounted there is seen by nobody else.
set -eu
job=$1
mount --bind "$job" "$job"
findmnt --noheadings --raw --output TARGET,FSTYPE | while read -r target kind; do
    case $kind in proc | sysfs | devtmpfs | devpts | cgroup* | bpf | tracefs | debugfs | securityfs | mqueue) continue ;; esac
    case $target in "$job" | *'\x'*) continue ;; esac
    mount -o remount,bind,ro "$target"
done
# For the server's own lock; the guest mounts its own.
mount -t tmpfs run /run
# Nothing changes under a guest: it may keep all that it has read.
exec "$2" --socket-path="$job/share.sock" -o source=/ -o cache=always -o sandbox=chroot
