"""A small server on the SDK 2.x (revision 2026-07-28): server2.py stdio | streamable-http PORT."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("probe-two", version="2.0.1")


@server.tool()
def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
