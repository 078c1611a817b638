// Drives the MCP TypeScript SDK 1.x: stdio (node makes socket pairs) or Streamable HTTP. The plan: ../python/plan.py.
// The SDK is found in the folder that GNOMON_PEERS_NODE names.
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";

const require = createRequire(process.env.GNOMON_PEERS_NODE + "/");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

const METHODS = {
  list_tools: "tools/list",
  call_tool: "tools/call",
  list_resources: "resources/list",
  read_resource: "resources/read",
  list_prompts: "prompts/list",
  get_prompt: "prompts/get",
  ping: "ping",
};

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tally = { sessions: 0, calls: {}, errors: 0, revision: null, server: null, pid: process.pid, begun_ns: [] };

function connect() {
  if (plan.command) {
    const [command, ...args] = plan.command;
    return new StdioClientTransport({ command, args, env: { ...process.env, ...plan.env }, stderr: "ignore" });
  }
  return new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: plan.headers } });
}

function call(client, step) {
  switch (step.do) {
    case "list_tools": return client.listTools();
    case "call_tool": return client.callTool({ name: step.name, arguments: step.arguments ?? {} });
    case "list_resources": return client.listResources();
    case "read_resource": return client.readResource({ uri: step.uri });
    case "list_prompts": return client.listPrompts();
    case "get_prompt": return client.getPrompt({ name: step.name, arguments: step.arguments ?? {} });
    case "ping": return client.ping();
  }
}

for (let number = 0; number < plan.sessions; number++) {
  const client = new Client({ name: "probe-node", version: "1.2.3" });
  const transport = connect();
  // Just before the first byte can be written.
  tally.begun_ns.push(Math.round((performance.timeOrigin + performance.now()) * 1e6));
  await client.connect(transport);
  tally.sessions++;
  tally.server = client.getServerVersion()?.name ?? null;
  for (const step of plan.steps) {
    for (let time = 0; time < (step.times ?? 1); time++) {
      const key = METHODS[step.do] + (["call_tool", "get_prompt"].includes(step.do) ? " " + step.name : "");
      tally.calls[key] = (tally.calls[key] ?? 0) + 1;
      try {
        const result = await call(client, step);
        if (result.isError) tally.errors++;
      } catch {
        tally.errors++;
      }
    }
  }
  while (number === plan.sessions - 1 && plan.hold && !existsSync(plan.hold)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (transport.terminateSession) await transport.terminateSession();
  await client.close();
}
console.log(JSON.stringify(tally));
process.exit(0);
