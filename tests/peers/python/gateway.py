"""A real proxying gateway on FastMCP: gateway.py PORT BACKEND_URL."""

import sys

from fastmcp.server import create_proxy

proxy = create_proxy(sys.argv[2], name="probe-gateway")
proxy.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), path="/mcp", show_banner=False)
