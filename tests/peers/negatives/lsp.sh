#!/usr/bin/env bash
set -euo pipefail
lsp=$CHECKOUT/tests/peers/negatives/lsp.py
printf 'import json\n\n\ndef main():\n    """Says it."""\n    print(json.dumps({"jsonrpc": "2.0", "method": "initialize"}))\n' >work.py
printf 'const initialize = { jsonrpc: "2.0", method: "tools/list" };\nconsole.log(initialize);\n' >work.ts
printf '{"compilerOptions": {"strict": true}}\n' >tsconfig.json
printf '#!/bin/bash\necho "{\\"jsonrpc\\":\\"2.0\\"}" | grep -c jsonrpc\n' >work.sh
"$VENV/bin/python" "$lsp" pipe python work.py -- "$VENV/bin/pylsp"
"$VENV/bin/python" "$lsp" unix python work.py -- "$VENV/bin/pylsp"
"$VENV/bin/python" "$lsp" tcp python work.py -- "$VENV/bin/pylsp" --tcp --host 127.0.0.1 --port '{port}'
ln -s "$MODULES" node_modules
"$VENV/bin/python" "$lsp" pipe typescript work.ts -- "$MODULES/.bin/typescript-language-server" --stdio
"$VENV/bin/python" "$lsp" unix shellscript work.sh -- "$MODULES/.bin/bash-language-server" start
if rust-analyzer --version >rust-analyzer.version 2>&1; then
    mkdir -p crate/src
    printf '[package]\nname = "work"\nversion = "0.1.0"\nedition = "2021"\n' >crate/Cargo.toml
    printf 'fn main() {\n    println!("{}", std::env::args().count());\n}\n' >crate/src/main.rs
    "$VENV/bin/python" "$lsp" pipe rust crate/src/main.rs -- rust-analyzer
fi
