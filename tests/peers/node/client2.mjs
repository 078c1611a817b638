// Drives the MCP TypeScript client 2.x: stdio or Streamable HTTP. `mode` in the plan: legacy, auto, or a revision.
import { drive, load, plan } from "./drive.mjs";

const name = "@modelcontextprotocol/client";
const { Client, StreamableHTTPClientTransport } = await load(name, "dist/index.mjs");
const { StdioClientTransport } = await load(name, "dist/stdio.mjs");

function connect() {
  if (plan.command) {
    const [command, ...args] = plan.command;
    return new StdioClientTransport({ command, args, env: { ...process.env, ...plan.env }, stderr: "ignore" });
  }
  return new StreamableHTTPClientTransport(new URL(plan.url), { requestInit: { headers: plan.headers } });
}

const known = ["legacy", "auto"].includes(plan.mode);
await drive(() => ({
  client: new Client(
    { name: plan.name ?? "probe-node-2", version: "2.3.4" },
    { versionNegotiation: { mode: known ? plan.mode : { pin: plan.mode } } },
  ),
  transport: connect(),
  revision: (client) => client.getNegotiatedProtocolVersion(),
}));
