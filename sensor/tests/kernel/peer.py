"""Moves known bytes over one channel with given system calls, in two threads or two processes.

Arguments: channel, form of writing, form of reading, sizes of the writes (comma-separated), and
`fork` for a reader of its own. Prints one line of JSON: pids and inodes of both ends.
"""

import ctypes
import json
import os
import socket
import sys
import tempfile
import threading
import tty

LIBC = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("hdr", Msghdr), ("len", ctypes.c_uint32)]


def messages(buffers):
    """An array of one message a pair of buffers, and what must be kept alive."""
    pairs = [buffers[i : i + 2] for i in range(0, len(buffers), 2)]
    array = (Mmsghdr * len(pairs))()
    keep = []
    for header, pair in zip(array, pairs):
        iov = (Iovec * len(pair))()
        for entry, buffer in zip(iov, pair):
            entry.base = ctypes.addressof(buffer)
            entry.len = len(buffer)
        keep.append(iov)
        header.hdr.iov = iov
        header.hdr.iovlen = len(pair)
    return array, keep


def pieces(data):
    """Uneven pieces, an empty one first; at most 1024."""
    step = max(1, -(-len(data) // 1000), len(data) // 7 if len(data) < 70000 else 0)
    return [b""] + [data[i : i + step] for i in range(0, len(data), step)]


def sendmmsg(end, data):
    buffers = [(ctypes.c_char * len(p)).from_buffer_copy(p) for p in pieces(data)[1:]]
    array, keep = messages(buffers)
    count = LIBC.sendmmsg(end.fileno(), array, len(array), 0)
    assert count > 0, ctypes.get_errno()
    del keep
    return sum(array[i].len for i in range(count))


def vmsplice(end, data):
    # At most what a pipe holds, and only from pages that stay as they are.
    part = (ctypes.c_char * min(len(data), 32768)).from_buffer_copy(data[:32768])
    vector = (Iovec * 2)()
    vector[0].base, vector[0].len = ctypes.addressof(part), len(part) // 3
    vector[1].base, vector[1].len = ctypes.addressof(part) + len(part) // 3, len(part) - len(part) // 3
    count = LIBC.vmsplice(end.fileno(), vector, 2, 0)
    assert count > 0, ctypes.get_errno()
    KEPT.append(part)
    return count


KEPT = []


def recvmmsg(end, size):
    buffers = [(ctypes.c_char * 1000)() for _ in range(4)]
    array, keep = messages(buffers)
    # MSG_WAITFORONE
    count = LIBC.recvmmsg(end.fileno(), array, len(array), 0x10000, None)
    assert count >= 0, ctypes.get_errno()
    del keep
    return b"x" * sum(array[i].len for i in range(count))


def readv(end, size, call):
    buffers = [bytearray(100), bytearray(size)]
    count = call(end.fileno(), buffers)
    return b"".join(bytes(b) for b in buffers)[:count]


def peek_and_receive(end, size):
    end.recv(size, socket.MSG_PEEK)
    return end.recv(size)


WRITE = {
    "write": lambda end, data: os.write(end.fileno(), data),
    "writev": lambda end, data: os.writev(end.fileno(), pieces(data)),
    "pwritev2": lambda end, data: os.pwritev(end.fileno(), pieces(data), -1),
    "sendto": lambda end, data: end.send(data),
    "sendmsg": lambda end, data: end.sendmsg(pieces(data)),
    "sendmmsg": sendmmsg,
    "send": lambda end, data: end.send(data),
    "vmsplice": vmsplice,
}
READ = {
    "read": lambda end, size: os.read(end.fileno(), size),
    "readv": lambda end, size: readv(end, size, os.readv),
    "preadv2": lambda end, size: readv(end, size, lambda fd, b: os.preadv(fd, b, -1)),
    "recvfrom": peek_and_receive,
    "recvmsg": lambda end, size: end.recvmsg(size)[0],
    "recvmmsg": recvmmsg,
}


def tcp(family, bind, connect, source=None, protocol=0):
    with socket.socket(family, socket.SOCK_STREAM, protocol) as listener:
        if family == socket.AF_INET6 and bind == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((bind, 0))
        listener.listen()
        client = socket.socket(family if connect != "127.0.0.1" else socket.AF_INET, socket.SOCK_STREAM, protocol)
        if source:
            client.bind(source)
        client.connect((connect, listener.getsockname()[1]))
        server, _ = listener.accept()
        return client, server


def channel(name):
    """(writing end, reading end)"""
    if name == "pipe":
        reading, writing = os.pipe()
        return open(writing, "wb", 0), open(reading, "rb", 0)
    if name == "fifo":
        # It stays until the harness removes its folder: the number of a file that is gone is given to the next one.
        path = os.path.join(tempfile.mkdtemp(), "fifo")
        os.mkfifo(path)
        both = os.open(path, os.O_RDWR)
        pair = open(path, "wb", 0), open(path, "rb", 0)
        os.close(both)
        return pair
    if name in ("master", "slave"):
        master, slave = os.openpty()
        tty.setraw(slave)
        master, slave = (open(fd, "r+b", 0) for fd in (master, slave))
        return (master, slave) if name == "master" else (slave, master)
    if name == "unix":
        return socket.socketpair()
    if name == "packet":
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if name == "tcp4":
        return tcp(socket.AF_INET, "127.0.0.1", "127.0.0.1")
    if name == "mptcp":
        return tcp(socket.AF_INET, "127.0.0.1", "127.0.0.1", protocol=socket.IPPROTO_MPTCP)
    if name == "remote":
        # Two addresses of an own network namespace: to the kernel side, two hosts.
        return tcp(socket.AF_INET, "10.9.0.2", "10.9.0.2", ("10.9.0.1", 0))
    if name == "tcp6":
        return tcp(socket.AF_INET6, "::1", "::1")
    return tcp(socket.AF_INET6, "::", "127.0.0.1")


def text(size):
    return b"".join(b"%07d\n" % i for i in range(size // 8 + 1))[:size]


def read_all(end, form, total):
    seen = 0
    while seen < total:
        got = READ[form](end, 65536)
        assert got, "end of stream"
        seen += len(got)


def main():
    name, write_form, read_form, sizes = sys.argv[1:5]
    sizes = [int(size) for size in sizes.split(",")]
    total = sum(sizes)
    data = text(total)
    writing, reading = channel(name)
    inodes = [os.fstat(end.fileno()).st_ino for end in (writing, reading)]
    if name in ("master", "slave"):
        slave = reading if name == "master" else writing
        inodes = [os.fstat(slave.fileno()).st_ino] * 2
    pid = os.getpid()
    if sys.argv[5:] == ["fork"]:
        # Through a duplicate, as a server does that was given its descriptors by a client.
        pid = os.fork()
        if pid == 0:
            duplicate = reading.dup() if hasattr(reading, "dup") else open(os.dup(reading.fileno()), "rb", 0)
            read_all(duplicate, read_form, total)
            os._exit(0)
        wait = lambda: os.waitpid(pid, 0)
    else:
        thread = threading.Thread(target=read_all, args=(reading, read_form, total))
        thread.start()
        wait = thread.join
    at = 0
    for size in sizes:
        end = at + size
        while at < end:
            at += WRITE[write_form](writing, data[at:end])
    wait()
    print(json.dumps({"writer": os.getpid(), "reader": pid, "inodes": inodes}), flush=True)


main()
