"""One session with three calls of `add` over a unix socket, by the SDK 1.x: unix_client.py PATH. Prints its pid."""

import asyncio
import os
import sys

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

path = sys.argv[1]


def client(headers=None, timeout=None, auth=None):
    name = "\0" + path[1:] if path.startswith("@") else path
    transport = httpx.AsyncHTTPTransport(uds=name)
    return httpx.AsyncClient(transport=transport, headers=headers, timeout=timeout or 30, auth=auth)


async def main():
    async with streamablehttp_client("http://localhost/mcp", httpx_client_factory=client) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            for _ in range(3):
                await session.call_tool("add", {"a": 1, "b": 2})


asyncio.run(main())
print(os.getpid(), flush=True)
