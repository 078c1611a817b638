#!/usr/bin/env bash
set -euo pipefail
python3 "$CHECKOUT/tests/peers/negatives/replay.py" "$CHECKOUT/tests/captures/NEG_acp__goose-acp.jsonl"
python3 "$CHECKOUT/tests/peers/negatives/replay.py" "$CHECKOUT/tests/captures/NEG_lsp__pylsp.jsonl"
node "$CHECKOUT/tests/peers/negatives/acp.mjs"
