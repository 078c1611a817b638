#!/usr/bin/env bash
set -euo pipefail
"$VENV/bin/python" "$CHECKOUT/tests/peers/negatives/a2a_server.py" >port.txt &
server=$!
for _ in $(seq 600); do [ -s port.txt ] && break; kill -0 "$server"; sleep 0.05; done
"$VENV/bin/python" "$CHECKOUT/tests/peers/negatives/a2a_client.py" "$(head -n 1 port.txt)"
kill "$server"
