#!/usr/bin/env bash
# Text that quotes MCP, moved by everyday programs over pipes, sockets and HTTP.
set -euo pipefail
captures=$CHECKOUT/tests/captures
recording=$captures/stdio-pipe__py-mcp1.30-client__node-everything.jsonl
sources=("$CHECKOUT"/sensor/src/mcp/*.rs "$CHECKOUT"/docs/*.md "$CHECKOUT"/tests/peers/node/client.mjs)

# The messages themselves, as a log that somebody kept would hold them.
jq -r 'select(.op == "write" and .data) | .data' "$recording" | grep -v '^$' >messages.jsonl
jq -r 'select(.op == "write" and .dir == "c2s" and .data) | .data' "$recording" | grep -v '^$' >requests.jsonl
jq -r 'select(.op == "write" and .dir == "s2c" and .data) | .data' "$recording" | grep -v '^$' >answers.jsonl

# One way, through pipes of all lengths and speeds.
cat "$captures"/*.jsonl | grep jsonrpc | sed 's/foo/bar/' | sort | uniq -c | wc -l >lines
cat messages.jsonl | tee copy.jsonl | jq -c . | while IFS= read -r line; do printf '%s\n' "$line"; done | cat >again.jsonl
grep -rh '"tools/list"' "${sources[@]}" | head -n 50 | cat >found.txt
{ cat requests.jsonl; sleep 0.1; cat requests.jsonl; } | python3 -c 'import sys; print(sum("method" in line for line in sys.stdin))' >counted
while IFS= read -r line; do echo "2026-11-22T10:00:00Z INFO mcp $line"; echo "$line"; done <messages.jsonl | cat >log.txt

# To and fro: an echo is no answer, and neither is a program that sends everything back changed.
coproc ECHO { exec cat; }
echo_pid=$ECHO_PID
while IFS= read -r line; do
    printf '%s\n' "$line" >&"${ECHO[1]}"
    IFS= read -r back <&"${ECHO[0]}"
    [ "$line" = "$back" ]
done <requests.jsonl
kill "$echo_pid"
python3 "$CHECKOUT/tests/peers/negatives/quotes.py" "$recording"

# Documentation, recordings and logs over HTTP, down and up.
coproc SERVER { exec node "$CHECKOUT/tests/peers/negatives/quotes.mjs" "$CHECKOUT" "$PWD"; }
server=$SERVER_PID
read -r port <&"${SERVER[0]}"
url=http://127.0.0.1:$port
for file in "$captures"/*.jsonl; do curl -sf "$url/captures/$(basename "$file")" -o download.jsonl; done
curl -sf "$url/documentation" | grep -c initialize >mentions
curl -sf "$url/work/messages.jsonl" | cat >downloaded.jsonl
cmp messages.jsonl downloaded.jsonl
curl -sf -T messages.jsonl "$url/upload" -o upload.json
curl -sf -H 'content-type: text/plain' --data-binary @requests.jsonl "$url/paste" -o paste.json
while IFS= read -r line; do
    curl -sf -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' -d "$line" "$url/echo" -o echo.json
done <requests.jsonl
curl -sf -F "file=@answers.jsonl" "$url/form" -o form.json
kill "$server"
echo "quotes: $(wc -l <messages.jsonl) messages quoted, echoed, downloaded and uploaded"
