#!/usr/bin/env bash
# test-kernels.sh [--quick] [KERNEL…]: builds the sensor, its tests of the kernel side and what boots them, and runs them on other
# kernels; called by make test-kernels after the set-up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH"
[ "$(id -u)" -eq 0 ] || { echo "test-kernels: run it as root: it shares this host's files with guests" >&2; exit 1; }
# As test.sh builds them: another selection would unify features differently and build all again.
cargo build --workspace --bins
exec "${CARGO_TARGET_DIR:-target}/debug/gnomon-kernels" "$@"
