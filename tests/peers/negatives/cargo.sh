#!/usr/bin/env bash
set -euo pipefail
export CARGO_TARGET_DIR=$PWD/target
cargo init -q --name work --vcs none .
cat >>Cargo.toml <<'END'
serde_json = "1"
END
cat >src/main.rs <<'END'
fn main() {
    let message = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    println!("{message}");
}

#[test]
fn it_adds() {
    assert_eq!(1 + 1, 2);
}
END
cargo build -q
cargo run -q | grep -q tools/list
echo '// again' >>src/main.rs
cargo test -q >test.log 2>&1
echo "cargo: built, run and tested"
