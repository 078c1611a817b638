"""A small server on the SDK 1.x's FastMCP: server1.py stdio | streamable-http PORT | sse PORT.

Extra arguments are ignored: tests plant secrets there. DNS rebinding protection is off, so that a test can send a forged Host
header and see what Gnomon makes of it.
"""

import sys

from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings

transport = sys.argv[1]
server = FastMCP(
    "probe-one",
    host="127.0.0.1",
    port=int(sys.argv[2]) if transport != "stdio" else 0,
    log_level="WARNING",
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def fail(text: str) -> str:
    """Fails with the text it was given."""
    raise ValueError(text)


@server.resource("note://{name}")
def note(name: str) -> str:
    """A note of that name."""
    return f"note {name}"


@server.prompt()
def greet(name: str) -> str:
    """Greets."""
    return f"Greet {name}"


server.run(transport)
