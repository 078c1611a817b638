"""A server that keeps its own account of what it was asked: witness.py FOLDER stdio | streamable-http PORT | sse PORT.

For clients that keep no tally: AI applications, command-line tools, bridges. Built on the SDK 1.x's FastMCP. The account is taken
between the SDK's transport and the SDK's server, so a message counts as the SDK read it. It is the file FOLDER/PID.json, replaced
after each message: the process ids of this server and of the client of each conversation (stdio: the parent; HTTP: the process
that holds the other end of the connection, by /proc), and for each conversation what the client calls itself, the revision
agreed, calls by "method" or "method name", and how many were answered with an error. A client that left before its handshake was
answered began no conversation.
"""

import os

# Before anything slow: a client that gives up leaves us to another parent.
PARENT = os.getppid()

import json
import select
import sys
import time

import anyio
from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

# A conversation begins with one of these; they and pings are no calls.
HANDSHAKE = {"initialize", "server/discover"}
folder, transport = sys.argv[1], sys.argv[2]
port = int(sys.argv[3]) if transport != "stdio" else 0
server = FastMCP(
    "probe-witness",
    host="127.0.0.1",
    port=port,
    log_level="WARNING",
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
account = {"pid": os.getpid(), "conversations": []}


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def fail(text: str) -> str:
    """Fails with the text it was given."""
    raise ValueError(text)


@server.prompt()
def greet(name: str) -> str:
    """Greets."""
    return f"Greet {name}"


@server.resource("note://{name}")
def note(name: str) -> str:
    """A note of that name."""
    return f"note {name}"


def save():
    path = os.path.join(folder, f"{os.getpid()}.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(account, file)
    os.replace(path + ".new", path)


def inodes_of(address):
    """The sockets of this host that have this address as their own."""
    host, own_port = address
    digits = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
    wanted = f"{digits}:{own_port:04X}"
    for table, width in (("/proc/net/tcp", 8), ("/proc/net/tcp6", 32)):
        with open(table, encoding="ascii") as rows:
            for row in list(rows)[1:]:
                fields = row.split()
                ip, _, hexport = fields[1].partition(":")
                if f"{ip[width - 8:]}:{hexport}" == wanted:
                    yield f"socket:[{fields[9]}]"


def links_of(pid):
    """Where the descriptors of a process lead; those that it closes meanwhile lead nowhere."""
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for fd in fds:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue


def owner_of(address):
    """The process that holds the connection from this address on this host, by /proc.

    The client waits for its answer meanwhile, so it is there; but neither list is read at one instant, and both may pass over
    what was there all the time. So they are read again, for as long as a client is sure to wait.
    """
    until = time.monotonic() + 2
    while True:
        inodes = set(inodes_of(address))
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if not inodes.isdisjoint(links_of(pid)):
                return int(pid)
        if time.monotonic() > until:
            return None


def nobody_reads():
    """Whether the client of a stdio server has closed its end."""
    if transport != "stdio":
        return False
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(0))


class Conversation:
    def __init__(self):
        self.row = {"client_pid": PARENT if transport == "stdio" else None, "begun": False,
                    "client_name": None, "revision": None, "calls": {}, "errors": 0}
        self.calls = set()
        self.handshakes = set()
        account["conversations"].append(self.row)

    def asked(self, message):
        request = message.message.root
        if not isinstance(request, JSONRPCRequest):
            return
        if self.row["client_pid"] is None:
            context = getattr(message.metadata, "request_context", None)
            if context is not None and context.client is not None:
                self.row["client_pid"] = owner_of(context.client)
        params = request.params or {}
        if request.method in HANDSHAKE:
            self.handshakes.add(request.id)
            self.row["client_name"] = params.get("clientInfo", {}).get("name") or self.row["client_name"]
        elif request.method != "ping":
            named = request.method in ("tools/call", "prompts/get")
            key = f"{request.method} {params['name']}" if named else request.method
            self.row["calls"][key] = self.row["calls"].get(key, 0) + 1
            self.calls.add(request.id)
        save()

    def answered(self, message):
        answer = message.message.root
        # Not when it is asked: a client that gives up may end us before we answer.
        if getattr(answer, "id", None) in self.handshakes:
            self.row["begun"] = not nobody_reads()
        if isinstance(answer, JSONRPCError):
            self.row["errors"] += answer.id in self.calls
        elif isinstance(answer, JSONRPCResponse):
            self.row["errors"] += bool(answer.result.get("isError"))
            self.row["revision"] = answer.result.get("protocolVersion", self.row["revision"])
        save()


async def pump(source, sink, note):
    """Passes on what comes, after a note of it."""
    async with source, sink:
        async for message in source:
            if not isinstance(message, Exception):
                note(message)
            await sink.send(message)


def account_of(run):
    async def accounted(read, write, *arguments, **options):
        conversation = Conversation()
        to_server, from_client = anyio.create_memory_object_stream(0)
        to_client, from_server = anyio.create_memory_object_stream(0)
        async with anyio.create_task_group() as group:
            group.start_soon(pump, read, to_server, conversation.asked)
            group.start_soon(pump, from_server, write, conversation.answered)
            await run(from_client, to_client, *arguments, **options)

    return accounted


server._mcp_server.run = account_of(server._mcp_server.run)
server.run(transport)
