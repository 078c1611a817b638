#!/usr/bin/env bash
# bench.sh [--duration 90s] [PART]…: builds for release and measures; called by make bench after the set-up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH"
[ "$(id -u)" -eq 0 ] || { echo "bench: run it as root: it starts sensors" >&2; exit 1; }
# The part "kernel", which is one of all, boots a guest.
case " $* " in *" kernel "* | "  " | " --duration "[0-9]*[smh]" ") KERNELS=6.18 deploy/setup.sh kernels ;; esac
# The programs exactly as run.sh builds them: another selection would unify features differently and build all again.
cargo build --release --bins -p gnomon-sensor -p gnomon-collector -p gnomon
cargo build --release -p gnomon-tests --bin gnomon-bench
case " $* " in *" throughput "* | "  " | " --duration "[0-9]*[smh]" ") cargo build --release -p gnomon-sensor --example floor ;; esac
exec "${CARGO_TARGET_DIR:-target}/release/gnomon-bench" "$@"
