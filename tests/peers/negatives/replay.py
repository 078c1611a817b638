"""Plays one channel pair of a recording back through pipes between two processes: replay.py RECORDING.

Rows of the recording are system calls; what a side wrote is written again, and read by the other side to the last byte.
"""

import base64
import json
import os
import sys


def turns(path):
    """(direction, bytes) of every write, in order."""
    with open(path, encoding="utf-8") as file:
        for row in map(json.loads, file):
            if row["op"] == "write":
                data = row["data"].encode() if "data" in row else base64.b64decode(row["b64"])
                yield row["dir"], data


def play(path, own, source, sink):
    moved = 0
    for direction, data in turns(path):
        if direction == own:
            while data:
                data = data[os.write(sink, data) :]
        else:
            left = len(data)
            while left:
                piece = os.read(source, left)
                if not piece:
                    sys.exit("the other side is gone")
                left -= len(piece)
        moved += 1
    return moved


if sys.argv[1] == "--server":
    play(sys.argv[2], "s2c", 0, 1)
else:
    to_server, from_server = os.pipe(), os.pipe()
    child = os.posix_spawn(sys.executable, [sys.executable, __file__, "--server", sys.argv[1]], os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, to_server[0], 0), (os.POSIX_SPAWN_DUP2, from_server[1], 1)])
    os.close(to_server[0])
    os.close(from_server[1])
    moved = play(sys.argv[1], "c2s", from_server[0], to_server[1])
    os.close(to_server[1])
    _, status = os.waitpid(child, 0)
    print(f"replay {os.path.basename(sys.argv[1])}: {moved} writes")
    sys.exit(os.waitstatus_to_exitcode(status) or not moved)
