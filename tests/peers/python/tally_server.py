"""The backend behind a gateway: server1's tools over Streamable HTTP, counting what arrives: tally_server.py PORT FILE.

How often a proxy asks its backend is the proxy's own business, so the count is taken where the requests arrive: the file holds
the sessions (initialize requests answered) and calls by "method" or "method name", as the drivers print them.
"""

import json
import os
import sys

import uvicorn
from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings

HANDSHAKE = {"initialize", "server/discover", "ping"}
port, path = int(sys.argv[1]), sys.argv[2]
server = FastMCP("probe-backend", transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False))
tally = {"sessions": 0, "calls": {}}


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def count(body):
    message = json.loads(body)
    method = message.get("method")
    if "id" not in message or method is None:
        return
    if method == "initialize":
        tally["sessions"] += 1
    elif method not in HANDSHAKE:
        name = message.get("params", {}).get("name")
        key = f"{method} {name}" if name else method
        tally["calls"][key] = tally["calls"].get(key, 0) + 1
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(tally, file)
    os.replace(path + ".new", path)


class Counting:
    """Passes everything on, and counts each whole request body before the application sees its end."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        body = b""

        async def counted():
            nonlocal body
            event = await receive()
            if event["type"] == "http.request":
                body += event.get("body", b"")
                if not event.get("more_body") and body:
                    count(body)
                    body = b""
            return event

        await self.app(scope, counted if scope["type"] == "http" else receive, send)


uvicorn.run(Counting(server.streamable_http_app()), host="127.0.0.1", port=port, log_level="warning")
