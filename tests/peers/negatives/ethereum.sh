#!/usr/bin/env bash
set -euo pipefail
coproc SERVER { exec node "$CHECKOUT/tests/peers/negatives/ethereum.mjs" serve; }
server=$SERVER_PID
read -r port <&"${SERVER[0]}"
node "$CHECKOUT/tests/peers/negatives/ethereum.mjs" "$port"
kill "$server"
