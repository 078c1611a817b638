"""Quotes MCP over sockets: an echo server on TCP and unix sockets, a log shipper, a chat that shows messages to its users."""

import json
import socket
import sys
import threading

with open(sys.argv[1], encoding="utf-8") as file:
    REQUESTS = [row["data"] for row in map(json.loads, file) if row["op"] == "write" and row["dir"] == "c2s" and "data" in row]


def echo(listener):
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)


def to_and_fro(family, address):
    """Everything that is sent comes back as it is."""
    with socket.socket(family) as listener, socket.socket(family) as client:
        listener.bind(address)
        listener.listen()
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        client.connect(listener.getsockname())
        for request in REQUESTS:
            client.sendall(request.encode())
            left = len(request.encode())
            while left:
                left -= len(client.recv(left))


def ship(log):
    """A log shipper wraps each line in a record and gets receipts."""
    ours, theirs = socket.socketpair()
    for number, line in enumerate(log):
        ours.sendall((json.dumps({"sequence": number, "message": line}) + "\n").encode())
        assert theirs.makefile().readline()
        theirs.sendall((json.dumps({"received": number}) + "\n").encode())
        assert ours.makefile().readline()


to_and_fro(socket.AF_INET, ("127.0.0.1", 0))
to_and_fro(socket.AF_UNIX, "echo.sock")
ship(REQUESTS)
print(f"quotes: {len(REQUESTS)} requests echoed over TCP and a unix socket, and shipped")
