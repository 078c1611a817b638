"""What a driver was asked to do, and the tally of what it did. Shared by the drivers; speaks no MCP itself.

A plan is one JSON object in the file that argv[1] names:
  sessions   how many, one after the other
  command    [program, argument…] of a stdio server, with `env` added to its environment; or
  url        of an HTTP server, with `headers` sent along
  mode       python SDK 2.x only: legacy, auto, or a revision
  steps      in each session, in order: {"do": list_tools | call_tool | list_resources | read_resource | list_prompts |
             get_prompt | ping, "name", "arguments", "uri", "times"}
  hold       a file: the last session stays open until it exists
The tally is printed as one JSON object: sessions, calls by "method" or "method name", errors, revision, server, pid.
"""

import asyncio
import json
import os
import sys

METHODS = {
    "list_tools": "tools/list",
    "call_tool": "tools/call",
    "list_resources": "resources/list",
    "read_resource": "resources/read",
    "list_prompts": "prompts/list",
    "get_prompt": "prompts/get",
    "ping": "ping",
}


def read():
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)


class Tally:
    def __init__(self):
        self.sessions = 0
        self.calls = {}
        self.errors = 0
        self.revision = None
        self.server = None

    def opened(self, revision, server):
        self.sessions += 1
        self.revision = str(revision) if revision else None
        self.server = server

    def called(self, step):
        key = METHODS[step["do"]]
        if step["do"] in ("call_tool", "get_prompt"):
            key += " " + step["name"]
        self.calls[key] = self.calls.get(key, 0) + 1

    def print(self):
        print(json.dumps({**vars(self), "pid": os.getpid()}), flush=True)


async def perform(plan, tally, session, errors):
    """Runs the steps on an open session of either SDK: both have the methods that `do` names."""
    for step in plan["steps"]:
        for _ in range(step.get("times", 1)):
            do = getattr(session, "send_ping" if step["do"] == "ping" else step["do"])
            tally.called(step)
            try:
                if step["do"] in ("call_tool", "get_prompt"):
                    result = await do(step["name"], step.get("arguments", {}))
                    tally.errors += bool(getattr(result, "isError", getattr(result, "is_error", False)))
                elif step["do"] == "read_resource":
                    await do(step["uri"])
                else:
                    await do()
            except errors:
                tally.errors += 1


async def hold(plan, is_last):
    """Keeps a session open while the test looks at it."""
    while is_last and "hold" in plan and not os.path.exists(plan["hold"]):
        await asyncio.sleep(0.02)
