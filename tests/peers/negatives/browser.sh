#!/usr/bin/env bash
set -euo pipefail
chromium=$(command -v "${GNOMON_CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome || true)
[ -n "$chromium" ] || { echo "browser: there is no Chromium here"; exit 0; }
coproc SERVER { exec node "$CHECKOUT/tests/peers/negatives/browser.mjs"; }
server=$SERVER_PID
read -r port <&"${SERVER[0]}"
mkdir profile
"$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$PWD/profile" \
    --virtual-time-budget=3000 --dump-dom "http://127.0.0.1:$port/" >page.html 2>errors.txt
grep -q 'asked 20' page.html
python3 "$CHECKOUT/tests/peers/negatives/browser.py" "$chromium" "http://127.0.0.1:$port/" 2>>errors.txt
kill "$server"
