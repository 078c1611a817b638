"""Holds a network namespace that has a loopback interface and nothing else, until it is killed: unshare --net python3 loopback.py"""

import fcntl
import signal
import socket
import struct

# linux/sockios.h and linux/if.h: struct ifreq is a name of 16 bytes and, here, a short of flags.
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
print("loopback: up", flush=True)
signal.pause()
