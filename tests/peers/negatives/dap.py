"""A debugger's front end: launches a program under debugpy, stops at a breakpoint, looks, goes on."""

import json
import pathlib
import subprocess
import sys

adapter = subprocess.Popen([sys.executable, "-m", "debugpy.adapter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
number, events = 0, []


def send(command, arguments=None):
    global number
    number += 1
    body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments or {}}).encode()
    adapter.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    adapter.stdin.flush()
    return number


def receive():
    length = 0
    while line := adapter.stdout.readline().strip():
        length = int(line.partition(b":")[2])
    if not length:
        sys.exit("the adapter is gone")
    return json.loads(adapter.stdout.read(length))


def until(wanted):
    for event in list(events):
        if wanted(event):
            events.remove(event)
            return event
    while not wanted(message := receive()):
        events.append(message)
    return message


def ask(command, arguments=None):
    asked = send(command, arguments)
    return until(lambda m: m["type"] == "response" and m["request_seq"] == asked)


def event(name):
    return until(lambda m: m["type"] == "event" and m["event"] == name)


program = pathlib.Path("debugged.py").resolve()
program.write_text("total = 0\nfor number in range(3):\n    total += number\nprint(total)\n")
ask("initialize", {"adapterID": "python", "clientID": "editor", "linesStartAt1": True, "pathFormat": "path"})
launch = send("launch", {"program": str(program), "console": "internalConsole", "python": [sys.executable]})
event("initialized")
ask("setBreakpoints", {"source": {"path": str(program)}, "breakpoints": [{"line": 3}]})
ask("configurationDone")
thread = event("stopped")["body"]["threadId"]
frame = ask("stackTrace", {"threadId": thread})["body"]["stackFrames"][0]["id"]
scope = ask("scopes", {"frameId": frame})["body"]["scopes"][0]["variablesReference"]
variables = ask("variables", {"variablesReference": scope})["body"]["variables"]
ask("setBreakpoints", {"source": {"path": str(program)}, "breakpoints": []})
ask("continue", {"threadId": thread})
event("terminated")
ask("disconnect")
adapter.stdin.close()
try:
    adapter.wait(20)
except subprocess.TimeoutExpired:
    adapter.kill()
print(f"dap: stopped in line 3 and saw {len(variables)} variables")
