// An editor and its agent by the Agent Client Protocol's SDK, over pipes: two turns, with a file read and a permission asked for.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { Readable, Writable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";

const require = createRequire(`${process.env.MODULES}/`);
const acp = await import(pathToFileURL(require.resolve("@agentclientprotocol/sdk")));
const { agent, client } = acp.methods;

function serve() {
  const stream = acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin));
  acp
    .agent({ name: "agent" })
    .onRequest(agent.initialize, () => ({
      protocolVersion: acp.PROTOCOL_VERSION,
      agentCapabilities: { loadSession: false, mcpCapabilities: { http: true, sse: true } },
      agentInfo: { name: "agent", version: "1.0" },
    }))
    .onRequest(agent.session.new, () => ({ sessionId: "session-1" }))
    .onRequest(agent.session.prompt, async ({ params: { sessionId }, client: editor }) => {
      await editor.notify(client.session.update, {
        sessionId,
        update: { sessionUpdate: "tool_call", toolCallId: "call-1", title: "tools/call", kind: "read", status: "pending", locations: [] },
      });
      await editor.request(client.fs.readTextFile, { sessionId, path: "/home/ann/notes.txt" });
      await editor.request(client.session.requestPermission, {
        sessionId,
        toolCall: { toolCallId: "call-1", title: "edit" },
        options: [{ optionId: "yes", kind: "allow_once", name: "Yes" }],
      });
      await editor.notify(client.session.update, {
        sessionId,
        update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text: "done" } },
      });
      return { stopReason: "end_turn" };
    })
    .connect(stream);
}

async function edit() {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "agent"], { stdio: ["pipe", "pipe", "inherit"] });
  const stream = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
  let asked = 0;
  const editor = acp
    .client({ name: "editor" })
    .onRequest(client.fs.readTextFile, () => {
      asked += 1;
      return { content: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' };
    })
    .onRequest(client.session.requestPermission, () => {
      asked += 1;
      return { outcome: { outcome: "selected", optionId: "yes" } };
    })
    .onNotification(client.session.update, () => {});
  await editor.connectWith(stream, async (context) => {
    await context.request(agent.initialize, {
      protocolVersion: acp.PROTOCOL_VERSION,
      clientCapabilities: { fs: { readTextFile: true, writeTextFile: true }, terminal: true },
      clientInfo: { name: "editor", version: "1.0" },
    });
    const { sessionId } = await context.request(agent.session.new, {
      cwd: "/work",
      mcpServers: [{ name: "files", command: "/usr/bin/mcp-server-files", args: ["--stdio"], env: [] }],
    });
    for (const text of ["list the tools of the MCP server", "again"]) {
      await context.request(agent.session.prompt, { sessionId, prompt: [{ type: "text", text }] });
    }
  });
  child.kill();
  console.log(`acp: ${asked} requests of the agent answered`);
  process.exit(asked === 4 ? 0 : 1);
}

if (process.argv[2] === "agent") {
  serve();
} else {
  await edit();
}
