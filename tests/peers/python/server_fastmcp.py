"""A small server on fastmcp 4: server_fastmcp.py stdio | http PORT."""

import sys

from fastmcp import FastMCP

server = FastMCP("probe-fast", version="4.0.1")


@server.tool
def subtract(a: int, b: int) -> int:
    """Subtracts."""
    return a - b


if sys.argv[1] == "stdio":
    server.run("stdio", show_banner=False)
else:
    server.run("http", host="127.0.0.1", port=int(sys.argv[2]), path="/mcp", show_banner=False)
