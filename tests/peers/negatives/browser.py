"""Drives Chromium over its pipe protocol (JSON with ids and methods, ended by NUL) on descriptors 3 and 4."""

import json
import os
import sys

chromium, url = sys.argv[1:]
to_browser, from_browser = os.pipe(), os.pipe()
# Away from 3 and 4, so that they are not closed by what is put there.
theirs = [os.dup2(to_browser[0], 20), os.dup2(from_browser[1], 21)]
browser = os.posix_spawn(chromium, [
    chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    f"--user-data-dir={os.getcwd()}/driven"], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, theirs[0], 3), (os.POSIX_SPAWN_DUP2, theirs[1], 4)])
for descriptor in (to_browser[0], from_browser[1], *theirs):
    os.close(descriptor)
source, sink = os.fdopen(from_browser[0], "rb"), os.fdopen(to_browser[1], "wb")
number, buffer = 0, b""


def ask(method, params=None, session=None):
    global number, buffer
    number += 1
    message = {"id": number, "method": method, "params": params or {}}
    if session:
        message["sessionId"] = session
    sink.write(json.dumps(message).encode() + b"\0")
    sink.flush()
    while True:
        while b"\0" not in buffer:
            piece = os.read(source.fileno(), 65536)
            if not piece:
                sys.exit("the browser is gone")
            buffer += piece
        text, buffer = buffer.split(b"\0", 1)
        answer = json.loads(text)
        if answer.get("id") == number:
            return answer["result"]


product = ask("Browser.getVersion")["product"]
target = ask("Target.createTarget", {"url": "about:blank"})["targetId"]
session = ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
for method in ("Page.enable", "Network.enable", "Runtime.enable"):
    ask(method, session=session)
for _ in range(3):
    ask("Page.navigate", {"url": url}, session)
    ask("Runtime.evaluate", {"expression": "document.title", "returnByValue": True}, session)
ask("Browser.close")
os.waitpid(browser, 0)
print(f"browser: {product} did {number} commands")
