"""Makes calls of which the kernel side cannot see all bytes, and then one more that it can.

Argument: what is in the way. Prints one line of JSON: inode of the writing end, bytes of the call.
"""

import ctypes
import json
import mmap
import os
import select
import socket
import struct
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
LIBC.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
LIBC.writev.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
LIBC.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
PAGE = mmap.PAGESIZE
SIZE = 200000
SO_SNDBUFFORCE = 32


def memory(size):
    at = LIBC.mmap(None, size, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    assert at != ctypes.c_void_p(-1).value
    return at


def unmapped_meanwhile(first, call, page):
    """A call that blocks on a full pipe, and loses a page of its arguments while it does."""
    reading, writing = os.pipe()
    if first:
        os.write(writing, first)
    result = []
    thread = threading.Thread(target=lambda: result.append(call(writing)))
    thread.start()
    deadline = time.monotonic() + 10
    while select.select([], [writing], [], 0)[1]:
        assert time.monotonic() < deadline, "the pipe does not fill"
    # Full: page and vector were read by the kernel, and are wanted again only at the end of the call.
    assert LIBC.munmap(page, PAGE) == 0
    left = len(first) + SIZE
    while left:
        left -= len(os.read(reading, left))
    thread.join()
    assert result == [SIZE], result
    os.write(writing, b"last\n")
    return os.fstat(writing).st_ino, SIZE


def vector():
    data = ctypes.create_string_buffer(b"x" * SIZE, SIZE)
    page = memory(PAGE)
    ctypes.memmove(page, struct.pack("QQ", ctypes.addressof(data), SIZE), 16)
    return unmapped_meanwhile(b"first\n", lambda fd: LIBC.writev(fd, page, 1), page)


def buffer(start):
    """The second page of the buffer goes; 100 bytes of it lie before."""
    pages = memory(SIZE + 2 * PAGE)
    data = pages + PAGE - 100
    ctypes.memset(data, ord("x"), SIZE)
    ctypes.memmove(data, start, len(start))
    return unmapped_meanwhile(b"", lambda fd: LIBC.write(fd, data, SIZE), pages + PAGE)


def steps():
    """More messages of more segments than are walked."""
    reading, writing = socket.socketpair()
    writing.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
    messages, segments = 1000, 16
    data = ctypes.create_string_buffer(b"".join(b"%07d\n" % i for i in range(messages * 2)))
    at = ctypes.addressof(data)
    vectors = b"".join(struct.pack("QQ", at + i, 1) for i in range(messages * segments))
    vectors = ctypes.create_string_buffer(vectors, len(vectors))
    headers = b"".join(
        struct.pack("QQQQQQQQ", 0, 0, ctypes.addressof(vectors) + i * segments * 16, segments, 0, 0, 0, 0)
        for i in range(messages)
    )
    headers = ctypes.create_string_buffer(headers, len(headers))
    sent = LIBC.sendmmsg(writing.fileno(), headers, messages, 0)
    assert sent == messages, (sent, ctypes.get_errno())
    writing.send(b"last\n")
    return os.fstat(writing.fileno()).st_ino, messages * segments


FORMS = {
    "vector": vector,
    "text": lambda: buffer(b"text"),
    "binary": lambda: buffer(b"\x16\x03\x01\x02"),
    "steps": steps,
}

inode, total = FORMS[sys.argv[1]]()
print(json.dumps({"inode": inode, "total": total}), flush=True)
