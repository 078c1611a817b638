#!/usr/bin/env bash
set -euo pipefail
coproc SERVER { exec node "$CHECKOUT/tests/peers/negatives/http.mjs" serve; }
server=$SERVER_PID
read -r port <&"${SERVER[0]}"
node "$CHECKOUT/tests/peers/negatives/http.mjs" "$port"
url=http://127.0.0.1:$port
for number in $(seq 20); do
    curl -sf "$url/json?page=$number" -o page.json
    curl -sf -X POST -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \
        -d '{"query":"{ tools { name } }","variables":{"id":1}}' "$url/echo" -o echo.json
done
curl -sf --compressed "$url/large" -o large.bin
curl -sfN --max-time 10 "$url/events" -o events.txt
kill "$server"
grep -q '"variables"' echo.json
echo "http: $(wc -c <large.bin) bytes, $(grep -c '^data:' events.txt) events"
