"""Moves "hidden\n" between two calls that can be seen, in a form that is not read, or that fails when the bytes have moved.

Argument: the form. Prints one line of JSON: inode of the end that moves them.
"""

import ctypes
import json
import mmap
import os
import socket
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
LIBC.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
HIDDEN = b"hidden\n"


def far():
    """The ends of a connection that looks as if one was on another host: two addresses of this network namespace."""
    listener = socket.create_server(("10.9.0.1", 0))
    there = socket.create_connection(listener.getsockname(), source_address=("10.9.0.2", 0))
    here, _ = listener.accept()
    there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return here, there


def read_by(hide):
    """One end reads three times, in the middle by `hide`."""
    here, there = far()
    for text, read in [(b"first\n", here.recv), (HIDDEN, lambda size: hide(here, size)), (b"last\n", here.recv)]:
        there.sendall(text)
        read(len(text))
    return here


def discarded(here, size):
    assert here.recv(size, socket.MSG_PEEK) == HIDDEN
    at = here.recv_into(bytearray(size), size, socket.MSG_TRUNC)
    assert at == size, at


def into_pipe(here, size):
    reading, writing = os.pipe()
    assert os.sendfile(writing, here.fileno(), None, size) == size
    assert os.read(reading, size) == HIDDEN


def failed_receive(here, size):
    data, address, length = ctypes.create_string_buffer(size), ctypes.create_string_buffer(64), ctypes.c_int(-1)
    got = LIBC.recvfrom(here.fileno(), data, size, 0, address, ctypes.byref(length))
    assert (got, ctypes.get_errno(), data.raw) == (-1, 22, HIDDEN), (got, ctypes.get_errno(), data.raw)


def written_by(hide, pair):
    """One end writes three times, in the middle by `hide`."""
    here, there = pair
    there.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    here.sendall(b"first\n")
    hide(here)
    here.sendall(b"last\n")
    return here


def urgent(here):
    for byte in HIDDEN:
        here.send(bytes([byte]), socket.MSG_OOB)


def failed_send(here):
    """The number of bytes sent is to be written where nothing may be."""
    page = LIBC.mmap(None, mmap.PAGESIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    data = ctypes.create_string_buffer(HIDDEN, len(HIDDEN))
    vector = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(data), len(HIDDEN)), 16)
    ctypes.memmove(page, struct.pack("QQQQQQQQ", 0, 0, ctypes.addressof(vector), 1, 0, 0, 0, 0), 64)
    assert LIBC.mprotect(page, mmap.PAGESIZE, 1) == 0
    sent = LIBC.sendmmsg(here.fileno(), page, 1, 0)
    assert (sent, ctypes.get_errno()) == (-1, 14), (sent, ctypes.get_errno())


FORMS = {
    "discarded": lambda: read_by(discarded),
    "into-pipe": lambda: read_by(into_pipe),
    "failed-receive": lambda: read_by(failed_receive),
    "urgent-unix": lambda: written_by(urgent, socket.socketpair()),
    "urgent-tcp": lambda: written_by(urgent, far()),
    "failed-send": lambda: written_by(failed_send, socket.socketpair()),
}

end = FORMS[sys.argv[1]]()
print(json.dumps({"inode": os.fstat(end.fileno()).st_ino}), flush=True)
