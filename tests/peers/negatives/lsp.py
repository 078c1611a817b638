"""A language client: initialize, open a file, ask this and that, shut down. Usage: lsp.py pipe|unix|tcp LANGUAGE FILE -- SERVER…

`{port}` in the server's arguments becomes a free port for tcp, where the server listens.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

DEADLINE_S = 120


class Client:
    def __init__(self, source, sink):
        self.source, self.sink, self.number = source, sink, 0

    def send(self, **message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.sink.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.sink.flush()

    def receive(self):
        length = None
        while line := self.source.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length is None:
            raise EOFError("the server is gone")
        return json.loads(self.source.read(length))

    def ask(self, method, params):
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        while True:
            message = self.receive()
            if "method" in message and "id" in message:
                result = [None] * len(message["params"].get("items", [])) if message["method"] == "workspace/configuration" else None
                self.send(id=message["id"], result=result)
            elif message.get("id") == self.number:
                return message


def connect(way, command):
    """Starts the server and gives the two streams to it."""
    if way == "tcp":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen([part.replace("{port}", str(port)) for part in command], stdin=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                stream = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.05)
        return server, stream.makefile("rb"), stream.makefile("wb")
    if way == "unix":
        ours, theirs = socket.socketpair()
        server = subprocess.Popen(command, stdin=theirs, stdout=theirs)
        theirs.close()
        return server, ours.makefile("rb"), ours.makefile("wb")
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return server, server.stdout, server.stdin


def main():
    way, language, path = sys.argv[1:4]
    server, source, sink = connect(way, sys.argv[sys.argv.index("--") + 1 :])
    file = pathlib.Path(path).resolve()
    client = Client(source, sink)
    answer = client.ask("initialize", {
        "processId": os.getpid(),
        "clientInfo": {"name": "editor", "version": "1.0"},
        "rootUri": file.parent.as_uri(),
        "capabilities": {"textDocument": {"hover": {"contentFormat": ["markdown"]}}, "workspace": {"configuration": True}},
        "workspaceFolders": [{"uri": file.parent.as_uri(), "name": "work"}],
    })
    if "capabilities" not in answer.get("result", {}):
        sys.exit(f"no language server: {answer}")
    client.send(method="initialized", params={})
    client.send(method="textDocument/didOpen", params={
        "textDocument": {"uri": file.as_uri(), "languageId": language, "version": 1, "text": file.read_text()}})
    document, position = {"uri": file.as_uri()}, {"line": 0, "character": 3}
    answered = sum("result" in client.ask(method, {"textDocument": document, "position": position}) for method in (
        "textDocument/hover", "textDocument/completion", "textDocument/documentSymbol", "textDocument/definition"))
    client.ask("shutdown", None)
    client.send(method="exit", params=None)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
    print(f"lsp {way} {language}: {answered} of 4 questions answered")
    if not answered:
        sys.exit("no question was answered")


main()
