"""Drives the client of fastmcp 4: stdio, Streamable HTTP or HTTP+SSE. The plan: plan.py."""

import asyncio

import plan as plans
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError


def target(plan):
    if "command" in plan:
        program, *arguments = plan["command"]
        return StdioTransport(program, arguments, env=plan.get("env"), keep_alive=False)
    kind = SSETransport if plan.get("transport") == "sse" else StreamableHttpTransport
    return kind(plan["url"], headers=plan.get("headers"))


async def main():
    plan = plans.read()
    tally = plans.Tally()
    for number in range(plan["sessions"]):
        async with Client(target(plan), mode=plan.get("mode", "auto")) as client:
            server = client.server_info
            tally.opened(client.protocol_version, server.name if server else None)
            await plans.perform(plan, tally, client, (ToolError, MCPError))
            await plans.hold(plan, number == plan["sessions"] - 1)
    tally.print()


asyncio.run(main())
