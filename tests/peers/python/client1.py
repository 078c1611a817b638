"""Drives the MCP SDK 1.x (`mcp` 1.30): stdio, Streamable HTTP or HTTP+SSE. The plan: plan.py."""

import asyncio
from contextlib import asynccontextmanager

import plan as plans
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from pydantic import AnyUrl


@asynccontextmanager
async def connect(plan):
    if "command" in plan:
        program, *arguments = plan["command"]
        server = StdioServerParameters(command=program, args=arguments, env=plan.get("env"))
        async with stdio_client(server) as (read, write):
            yield read, write
    elif plan.get("transport") == "sse":
        async with sse_client(plan["url"], headers=plan.get("headers")) as (read, write):
            yield read, write
    else:
        async with streamablehttp_client(plan["url"], headers=plan.get("headers")) as (read, write, _):
            yield read, write


async def main():
    plan = plans.read()
    for step in plan["steps"]:
        if "uri" in step:
            step["uri"] = AnyUrl(step["uri"])
    tally = plans.Tally()
    for number in range(plan["sessions"]):
        async with connect(plan) as (read, write), ClientSession(read, write) as session:
            hello = await session.initialize()
            tally.opened(hello.protocolVersion, hello.serverInfo.name)
            await plans.perform(plan, tally, session, McpError)
            await plans.hold(plan, number == plan["sessions"] - 1)
    tally.print()


asyncio.run(main())
