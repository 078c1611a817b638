"""JSON-RPC lines between two processes, the framing of MCP over stdio, with methods of a home-made protocol.

Some of its words are words of MCP, too: an `initialize` with a version, a `ping`, a list of tools.
"""

import json
import subprocess
import sys

SERVER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {"initialize": {"version": "1.4", "capabilities": ["run"]}, "ping": "pong", "tools": ["hammer", "saw"]}.get(message["method"])
    answer = {"result": result} if result else {"error": {"code": -32601, "message": "Method not found"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)
    if message["method"] == "tools":
        print(json.dumps({"jsonrpc": "2.0", "method": "progress", "params": {"percent": 50}}), flush=True)
"""

server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
answered = 0
for number, method in enumerate(["initialize", "ping", "tools", "run", "shutdown"] * 3):
    server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": {"version": "1.4"}}) + "\n")
    server.stdin.flush()
    while json.loads(server.stdout.readline()).get("id") != number:
        pass
    answered += 1
server.stdin.close()
server.wait(20)
print(f"rpc: {answered} lines answered")
