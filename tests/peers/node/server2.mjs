// A small server on the MCP TypeScript SDK 2.x, for both eras: server2.mjs stdio | http PORT.
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = join(process.env.GNOMON_PEERS_NODE, "node_modules");
const load = (path) => import(pathToFileURL(join(folder, path)).href);
const { McpServer, createMcpHandler } = await load("@modelcontextprotocol/server/dist/index.mjs");
const { serveStdio } = await load("@modelcontextprotocol/server/dist/stdio.mjs");
const { z } = await load("zod/index.js");

function probe() {
  const server = new McpServer({ name: "probe-node-server", version: "2.4.0" });
  server.registerTool(
    "divide",
    { description: "Divides", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    ({ a, b }) => ({ content: [{ type: "text", text: String(a / b) }] }),
  );
  return server;
}

/** Between node's requests and the web's, which the SDK speaks. */
function serveHttp(port) {
  const handler = createMcpHandler(probe);
  createServer(async (incoming, outgoing) => {
    const parts = [];
    for await (const part of incoming) parts.push(part);
    const headers = new Headers(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    const body = ["GET", "HEAD"].includes(incoming.method) ? undefined : Buffer.concat(parts);
    const url = `http://127.0.0.1:${port}${incoming.url}`;
    const answer = await handler.fetch(new Request(url, { method: incoming.method, headers, body }));
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) for await (const part of answer.body) outgoing.write(part);
    outgoing.end();
  }).listen(port, "127.0.0.1");
}

if (process.argv[2] === "stdio") serveStdio(probe);
else serveHttp(Number(process.argv[3]));
