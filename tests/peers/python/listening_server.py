"""A FastMCP server of the SDK 1.x that comes by its listening socket in different ways.

listening_server.py tcp HOST PORT       binds by itself
listening_server.py unix PATH           on a unix socket (a PATH that starts with @ is an abstract name)
listening_server.py fork HOST PORT      the parent listens, a forked child serves; prints both pids
listening_server.py handed HOST PORT    the parent listens and starts this script again, which serves; prints both pids
listening_server.py fd NUMBER           serves on an inherited descriptor
listening_server.py many COUNT          listens on so many free ports of 127.0.0.1 and serves on none; prints their number
"""

import os
import socket
import subprocess
import sys

way = sys.argv[1]


def die_with_parent():
    """A test that is over leaves nothing behind: PR_SET_PDEATHSIG, SIGKILL (prctl(2))."""
    import ctypes

    ctypes.CDLL(None).prctl(1, 9)


def bound(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, int(port)))
    listening.listen(64)
    return listening


def serve(listening):
    import uvicorn
    from mcp.server.fastmcp import FastMCP
    from mcp.server.transport_security import TransportSecuritySettings

    server = FastMCP(
        "probe-listening",
        log_level="WARNING",
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if way == "tcp":
    serve(bound(sys.argv[2], sys.argv[3]))
elif way == "unix":
    name = sys.argv[2]
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind("\0" + name[1:] if name.startswith("@") else name)
    if not name.startswith("@"):
        os.chmod(name, 0o660)
    listening.listen(64)
    serve(listening)
elif way == "fork":
    listening = bound(sys.argv[2], sys.argv[3])
    child = os.fork()
    if child == 0:
        die_with_parent()
        serve(listening)
    else:
        print(os.getpid(), child, flush=True)
        os.waitpid(child, 0)
elif way == "handed":
    listening = bound(sys.argv[2], sys.argv[3])
    os.set_inheritable(listening.fileno(), True)
    child = subprocess.Popen(
        [sys.executable, __file__, "fd", str(listening.fileno())], pass_fds=[listening.fileno()]
    )
    print(os.getpid(), child.pid, flush=True)
    child.wait()
elif way == "fd":
    die_with_parent()
    serve(socket.socket(fileno=int(sys.argv[2])))
elif way == "many":
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = [bound("127.0.0.1", 0) for _ in range(int(sys.argv[2]))]
    print("listening", len(held), flush=True)
    sys.stdin.read()
    import signal

    signal.pause()
