// Drives the MCP TypeScript SDK 1.x of any age (`sdk` in the plan names it): stdio (node makes socket pairs), Streamable HTTP or
// HTTP+SSE.
import { drive, load, plan } from "./drive.mjs";

const sdk = plan.sdk ?? "@modelcontextprotocol/sdk";
const part = (path) => load(sdk, `dist/esm/${path}`, `dist/${path}`);
const { Client } = await part("client/index.js");

async function transports() {
  if (plan.command) {
    const { StdioClientTransport } = await part("client/stdio.js");
    const [command, ...args] = plan.command;
    const env = { ...process.env, ...plan.env };
    return () => new StdioClientTransport({ command, args, env, stderr: "ignore" });
  }
  const options = { requestInit: { headers: plan.headers } };
  if (plan.transport === "sse") {
    const { SSEClientTransport } = await part("client/sse.js");
    // The first SDKs expect the browser's; their users gave them this package's.
    globalThis.EventSource ??= (await load("eventsource", "dist/index.js")).EventSource;
    return () => new SSEClientTransport(new URL(plan.url), options);
  }
  const { StreamableHTTPClientTransport } = await part("client/streamableHttp.js");
  return () => new StreamableHTTPClientTransport(new URL(plan.url), options);
}

const connect = await transports();
await drive(() => {
  const client = new Client({ name: plan.name ?? "probe-node", version: "1.2.3" }, { capabilities: {} });
  // No age of the SDK tells its caller what was agreed, so the answer is noted as it passes.
  let agreed = null;
  const request = client.request.bind(client);
  client.request = async (...asked) => {
    const result = await request(...asked);
    agreed = result?.protocolVersion ?? agreed;
    return result;
  };
  return { client, transport: connect(), revision: () => agreed };
});
