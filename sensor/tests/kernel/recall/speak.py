"""A client and a server that speak MCP in lines over one channel; the client's messages take the asked form.

Arguments: channel, form (the system call that writes), shape (how messages are cut into calls). Prints lines of
JSON: `{"half": true}` in the middle of a message, then waits for a line on standard input; at the end pids of
both, the inodes of the client's writing and the server's reading end, and length and SHA-256 of each message.
"""

import ctypes
import hashlib
import json
import os
import signal
import socket
import sys
import tempfile
import tty

LIBC = ctypes.CDLL(None, use_errno=True)
MIB = 1 << 20


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_uint64),
        ("len", ctypes.c_uint64),
    ]


KEPT = []


def vector(data, count):
    """`data` in `count` pieces of user memory, the first empty."""
    memory = (ctypes.c_char * len(data)).from_buffer_copy(data)
    KEPT.append(memory)
    del KEPT[:-64]
    pieces = (Iovec * (count + 1))()
    step = max(1, len(data) // count)
    for i in range(count):
        start = min(i * step, len(data))
        end = len(data) if i == count - 1 else min(start + step, len(data))
        pieces[i + 1].base = ctypes.addressof(memory) + start
        pieces[i + 1].len = end - start
    return pieces


def parts(data):
    third = len(data) // 3
    return [b"", data[:third], data[third:]]


def sendmmsg(fd, data):
    pieces = vector(data, 2)
    array = (Mmsghdr * 2)()
    for i in range(2):
        array[i].iov = ctypes.cast(ctypes.byref(pieces, (i + 1) * ctypes.sizeof(Iovec)), ctypes.POINTER(Iovec))
        array[i].iovlen = 1
    count = LIBC.sendmmsg(fd, array, 2, 0)
    assert count > 0, ctypes.get_errno()
    return sum(array[i].len & 0xFFFFFFFF for i in range(count))


def vmsplice(fd, data):
    count = LIBC.vmsplice(fd, vector(data[:32768], 2), 3, 0)
    assert count > 0, ctypes.get_errno()
    return count


BETWEEN = os.pipe()


def splice(fd, data):
    size = os.write(BETWEEN[1], data[:32768])
    left = size
    while left:
        left -= os.splice(BETWEEN[0], fd, left)
    return size


def tee(fd, data):
    size = os.write(BETWEEN[1], data[:4096])
    count = LIBC.tee(BETWEEN[0], fd, size, 0)
    assert count == size, ctypes.get_errno()
    assert len(os.read(BETWEEN[0], size)) == size
    return size


def sendfile(fd, data):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return os.sendfile(fd, file.fileno(), 0, len(data))


def of_socket(call):
    def send(fd, data):
        end = socket.socket(fileno=os.dup(fd))
        with end:
            return call(end, data)

    return send


# They mean something to a call that receives; one that sends does not look at them.
MEANINGLESS = socket.MSG_PEEK | socket.MSG_TRUNC | socket.MSG_ERRQUEUE

FORMS = {
    "write": os.write,
    "writev": lambda fd, data: os.writev(fd, parts(data)),
    "pwritev2": lambda fd, data: os.pwritev(fd, parts(data), -1),
    "sendto": of_socket(lambda end, data: end.send(data)),
    "sendmsg": of_socket(lambda end, data: end.sendmsg(parts(data))),
    "sendmmsg": sendmmsg,
    "meaningless": of_socket(lambda end, data: end.send(data, MEANINGLESS)),
    "vmsplice": vmsplice,
    "splice": splice,
    "tee": tee,
    "sendfile": sendfile,
}


def connection(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        client = socket.socket(family, socket.SOCK_STREAM)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def ends(name):
    """Client's writing and reading end, server's reading and writing end."""
    if name in ("pipe", "fifo"):
        pairs = []
        for _ in range(2):
            if name == "pipe":
                pairs.append(os.pipe())
                continue
            path = os.path.join(FOLDER.name, "fifo%d" % len(pairs))
            os.mkfifo(path)
            both = os.open(path, os.O_RDWR)
            pairs.append((os.open(path, os.O_RDONLY), os.open(path, os.O_WRONLY)))
            os.close(both)
        (asked, ask), (answered, answer) = pairs
        return ask, answered, asked, answer
    if name == "pty":
        # As a program starts it: lines, echo and translation of line ends are on.
        master, slave = os.openpty()
        return master, master, slave, slave
    pair = {
        "unix": socket.socketpair,
        "packet": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET),
        "named": lambda: connection(socket.AF_UNIX, os.path.join(FOLDER.name, "mcp.sock")),
        "abstract": lambda: connection(socket.AF_UNIX, "\0gnomon-test-%d" % os.getpid()),
        "tcp": lambda: connection(socket.AF_INET, ("127.0.0.1", 0)),
        "tcp6": lambda: connection(socket.AF_INET6, ("::1", 0)),
    }[name]()
    client, server = (end.detach() for end in pair)
    return client, client, server, server


def lines(fd, packets):
    """Lines as they come; of one that is too long only that it was there."""
    rest, size, skipping = [], 0, False
    while True:
        got = os.read(fd, MIB)
        if not got:
            return
        if packets and not got.endswith(b"\n"):
            got += b"\n"
        if b"\n" not in got:
            skipping = skipping or size > 32 * MIB
            rest, size = ([], 0) if skipping else (rest + [got], size + len(got))
            continue
        *done, last = (b"".join(rest) + got).split(b"\n")
        rest, size = [last], len(last)
        for line in done:
            if not skipping:
                yield line
            skipping = False


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


def answer_to(request):
    result = {"content": [{"type": "text", "text": "done"}]}
    if request["method"] == "initialize":
        result = {
            "protocolVersion": "2025-03-26",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "forms-server", "version": "1"},
        }
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def serve(reading, writing, packets, banner):
    if banner:
        os.write(writing, banner)
    for line in lines(reading, packets):
        message = parsed(line)
        asked = [m for m in (message if isinstance(message, list) else [message]) if m and "id" in m and "method" in m]
        answers = [json.dumps(answer_to(request)).encode() for request in asked]
        if answers:
            os.write(writing, b"\n".join(answers) + b"\n")


class Client:
    def __init__(self, writing, reading, form, packets):
        self.writing, self.form, self.packets = writing, FORMS[form], packets
        self.answers = lines(reading, packets)
        self.waiting, self.sent, self.number = set(), [], 0

    def request(self, method, params):
        self.number += 1
        self.waiting.add(self.number)
        return {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}

    def call(self, text=""):
        return self.request("tools/call", {"name": "t-%05d" % self.number, "arguments": {"text": text}})

    def line(self, message, before=b""):
        text = before + json.dumps(message).encode()
        self.sent.append([len(text), hashlib.sha256(text).hexdigest()])
        return text + b"\n"

    def put(self, data):
        while data:
            data = data[self.form(self.writing, data) :]

    def settle(self):
        while self.waiting:
            message = parsed(next(self.answers))
            # A terminal's echo brings the requests back.
            if message and "id" in message and "method" not in message:
                self.waiting.discard(message["id"])

    def greet(self, banner=b""):
        self.put(
            banner
            + self.line(
                self.request(
                    "initialize",
                    {
                        "protocolVersion": "2025-03-26",
                        "capabilities": {},
                        "clientInfo": {"name": "forms-client", "version": "1"},
                    },
                )
            )
        )
        self.settle()
        self.put(self.line({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def calls(self, count):
        for _ in range(count):
            self.put(self.line(self.call()))
            self.settle()


def speak(client, shape):
    client.greet(b"\x1b[32mstarting\x1b[0m\nlistening to nobody\n" if shape == "banner" else b"")
    if shape in ("plain", "banner"):
        client.calls(10)
    elif shape == "split":
        for i in range(10):
            line = client.line(client.call("x" * 100))
            at = 3 if i % 2 else len(line) // 2
            client.put(line[:at])
            client.put(line[at:])
            client.settle()
    elif shape == "coalesced":
        client.put(b"".join(client.line(client.call()) for _ in range(10)))
        client.settle()
    elif shape == "batch":
        for _ in range(3):
            client.put(client.line([client.call() for _ in range(5)]))
            client.settle()
    elif shape == "spaces":
        for _ in range(10):
            client.put(client.line(client.call(), b" " * 10))
            client.settle()
    elif shape == "bytes":
        for _ in range(5):
            for byte in client.line(client.call()):
                client.put(bytes([byte]))
            client.settle()
    elif shape.isdigit():
        # The size is that of the whole message.
        message = client.call()
        message["params"]["arguments"]["text"] = "x" * (int(shape) - len(json.dumps(message)))
        client.put(client.line(message))
        client.settle()
        client.calls(5)
    elif shape == "endless":
        client.calls(2)
        client.put(b'{"jsonrpc":"2.0","id":999,"method":"tools/call","params":{"name":"')
        block = b"x" * MIB
        for _ in range(1024):
            client.put(block)
        client.put(b"\n")
        client.calls(5)
    elif shape == "middle":
        client.calls(2)
        line = client.line(client.call("x" * 1000))
        client.put(line[:500])
        print(json.dumps({"half": True}), flush=True)
        sys.stdin.readline()
        client.put(line[500:])
        client.settle()
        client.calls(5)
    else:
        raise ValueError(shape)


def main():
    channel, form, shape = sys.argv[1:4]
    writing, reading, asked, answer = ends(channel)
    packets = channel == "packet"
    banner = b"\x1b[1mserver 1.0\x1b[0m\nready\n" if shape == "banner" else b""
    server = os.fork()
    if server == 0:
        for fd in {writing, reading}:
            os.close(fd)
        serve(asked, answer, packets, banner)
        os._exit(0)
    inodes = [os.fstat(fd).st_ino for fd in (writing, asked)]
    if channel == "pty":
        inodes = [inodes[1]] * 2
    for fd in {asked, answer}:
        os.close(fd)
    client = Client(writing, reading, form, packets)
    try:
        speak(client, shape)
    finally:
        # A terminal's slave learns of its end only by a signal.
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    print(json.dumps({"client": os.getpid(), "server": server, "inodes": inodes, "sent": client.sent}), flush=True)


with tempfile.TemporaryDirectory() as name:
    FOLDER = type("Folder", (), {"name": name})
    main()
