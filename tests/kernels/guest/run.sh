#!/bin/sh
# run.sh JOB: process 1 of a guest, on the host's root. Runs JOB/command, leaves its output in JOB/output and its exit status in
# JOB/status, and ends the guest. JOB is the only folder of the host that can be written to.
job=$1
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
# What programs write to. The checkout may lie in one of these, and must stay to be seen.
checkout=$(cd "$(dirname "$0")/../../.." && pwd)
mount -t tmpfs run /run
mkdir /run/checkout
mount --bind "$checkout" /run/checkout
for folder in /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
[ -d "$checkout" ] || { mkdir -p "$checkout" && mount --bind /run/checkout "$checkout"; }
mkdir /run/home
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
ip link set lo up
hostname guest
# The kernel tests itself after it has booted.
case $(cat /proc/cmdline) in *gnomon.idle=*) sleep "$(sed 's/.*gnomon.idle=\([0-9]*\).*/\1/' /proc/cmdline)" ;; esac
HOME=/run/home sh "$job/command" >"$job/output" 2>&1 </dev/null
status=$?
echo "$status" >"$job/status"
echo "gnomon-guest: exit $status"
echo o >/proc/sysrq-trigger
# The power goes off meanwhile.
while :; do sleep 1; done
