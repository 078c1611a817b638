"""Drives the MCP SDK 2.x (`mcp` 2.3), which speaks revision 2026-07-28: stdio or Streamable HTTP. The plan: plan.py."""

import asyncio

import plan as plans
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError


def target(plan):
    if "command" in plan:
        program, *arguments = plan["command"]
        return StdioServerParameters(command=program, args=arguments, env=plan.get("env"))
    return plan["url"]


async def main():
    plan = plans.read()
    tally = plans.Tally()
    for number in range(plan["sessions"]):
        # Without its cache: a list that is answered from memory is no call.
        async with Client(target(plan), mode=plan.get("mode", "auto"), cache=None) as client:
            server = client.server_info
            tally.opened(client.protocol_version, server.name if server else None)
            await plans.perform(plan, tally, client, MCPError)
            await plans.hold(plan, number == plan["sessions"] - 1)
    tally.print()


asyncio.run(main())
