#!/usr/bin/env bash
set -euo pipefail
export JUPYTER_RUNTIME_DIR=$PWD/runtime IPYTHONDIR=$PWD/ipython JUPYTER_PREFER_ENV_PATH=1
"$VENV/bin/python" "$CHECKOUT/tests/peers/negatives/jupyter.py"
