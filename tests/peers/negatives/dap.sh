#!/usr/bin/env bash
set -euo pipefail
"$VENV/bin/python" "$CHECKOUT/tests/peers/negatives/dap.py"
