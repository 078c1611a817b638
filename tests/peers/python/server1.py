"""A small server on the SDK 1.x's FastMCP: server1.py stdio | streamable-http PORT | sse PORT.

Extra arguments are ignored: tests plant secrets there. DNS rebinding protection is off, so that a test can send a forged Host
header and see what Gnomon makes of it. PROBE_NAME_FILE names a file with the name that the server gives itself.
"""

import os
import sys
from pathlib import Path

from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings

transport = sys.argv[1]
name_file = os.environ.get("PROBE_NAME_FILE")
server = FastMCP(
    Path(name_file).read_text(encoding="utf-8") if name_file else "probe-one",
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
