#!/usr/bin/env bash
# Runs every test; called by `make test` and by .ci/run after the set-up.
# Tests that need BPF run as root: as we are, or through sudo.
# GNOMON_WITHOUT_BPF=1 leaves those out (.ci/run sets it where the machine refuses BPF).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH"

# What went wrong is the last thing that a failed test prints, not a list of frames.
export RUST_BACKTRACE=0

# Whatever tests write goes with them. In memory that costs no more than it must: ext4 passes by every inode that was freed
# within the last minutes, and ClickHouse makes and drops files all the time.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && [ "$(df --output=avail --block-size=1G /dev/shm | tail -n 1)" -ge 4 ]; then
    export TMPDIR=/dev/shm
fi

# The end-to-end tests start the real programs, so these are built first, with the tests' own profile.
cargo build --workspace --bins

# As another user only the kernel tests and the end-to-end tests go through sudo.
filter=()
if [ -n "${GNOMON_WITHOUT_BPF:-}" ]; then
    filter=(-E 'not binary(/^(kernel|e2e)$/)')
elif [ "$(id -u)" -ne 0 ]; then
    cargo nextest run --workspace --profile gnomon -E 'not binary(/^(kernel|e2e)$/)'
    triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${triple}_RUNNER=sudo -E"
    filter=(-E 'binary(/^(kernel|e2e)$/)')
fi
exec cargo nextest run --workspace --profile gnomon "${filter[@]}"
