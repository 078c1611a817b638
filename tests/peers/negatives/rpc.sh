#!/usr/bin/env bash
set -euo pipefail
node "$CHECKOUT/tests/peers/negatives/rpc.mjs"
python3 "$CHECKOUT/tests/peers/negatives/rpc.py"
