#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET]…: any bytes through every decoder, or through those named, so long each; called by
# `make fuzz`. What each target promises is in sensor/fuzz/decode.rs. With FIGURES=1 the table of docs/fuzzing.md is written again.
#
# It builds as cargo-fuzz does, but with the project's own compiler and without the address sanitizer, which wants a nightly: the
# decoders are safe Rust, so what can be found is panics, broken promises and time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH"

seconds=${1:?usage: fuzz.sh SECONDS [TARGET]…}
shift
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(basename -s .rs sensor/fuzz/targets/*.rs); fi

folder=${CARGO_TARGET_DIR:-target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')
flags=(--cfg fuzzing -Cpasses=sancov-module -Cdebug-assertions -Ccodegen-units=1)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$option")
done
# For the targets alone: the BPF programs and what runs at build time are built as ever.
declare -x "CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$triple")_RUSTFLAGS=${flags[*]}"
# The versions are the project's.
cp Cargo.lock sensor/fuzz/Cargo.lock
cargo build --release --manifest-path sensor/fuzz/Cargo.toml --target-dir "$folder" --target "$triple" --bins

rows=()
for target in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$target" "$folder/found"
    printf 'fuzz: %s, %d s\n' "$target" "$seconds"
    log=$folder/$target.log
    if ! "$folder/$triple/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$folder/found/$target-" "$folder/corpus/$target" >"$log" 2>&1; then
        grep -v '^#' "$log" | tail -n 40 >&2
        printf 'fuzz: %s broke a promise: the input is in %s\n' "$target" "$folder/found" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf 'fuzz: %s: %s inputs, %s edges, nothing found\n' "$target" "$runs" "$covered"
    rows+=("| $target | $seconds s | $runs | $covered | none |")
done

[ -n "${FIGURES:-}" ] || exit 0
rows=$(printf '%s\n' '| target | time | inputs | edges reached | found |' '|---|---|---|---|---|' "${rows[@]}")
ROWS=$rows awk '/<!-- fuzz: begin -->/ { print; print ENVIRON["ROWS"]; skip = 1 }
    /<!-- fuzz: end -->/ { skip = 0 } !skip' docs/fuzzing.md >"$folder/table.md"
mv "$folder/table.md" docs/fuzzing.md
