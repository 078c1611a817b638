"""A notebook's front end: starts a kernel on TCP, runs cells that print JSON-RPC, asks for completions, shuts it down."""

from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3")
outputs = []
CELLS = [
    "import json; print(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'tools/list', 'params': {}}))",
    "print(json.dumps({'jsonrpc': '2.0', 'id': 1, 'result': {'tools': [{'name': 'a', 'inputSchema': {}}]}}))",
    "sum(range(10))",
]
for cell in CELLS:
    client.execute_interactive(cell, timeout=60, output_hook=lambda message: outputs.append(message["msg_type"]))
client.complete("json.du", reply=True, timeout=60)
client.stop_channels()
manager.shutdown_kernel(now=False)
print(f"jupyter: {len(outputs)} messages of output")
assert "execute_result" in outputs and "stream" in outputs, outputs
