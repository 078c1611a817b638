// JSON-RPC that is not MCP: vscode-jsonrpc over pipes and a unix socket, jayson over HTTP and TCP, node's IPC to a child.
import { fork, spawn } from "node:child_process";
import { createRequire } from "node:module";
import net from "node:net";
import { fileURLToPath } from "node:url";

const require = createRequire(`${process.env.MODULES}/`);
const rpc = require("vscode-jsonrpc/node");
const jayson = require("jayson/promise");
const self = fileURLToPath(import.meta.url);
const METHODS = ["initialize", "ping", "list", "resources/read", "shutdown"];

function serve(connection) {
  for (const method of METHODS) {
    connection.onRequest(method, (params) => ({ method, capabilities: { list: true }, params }));
  }
  connection.onNotification("exit", () => process.exit(0));
  connection.listen();
}

async function ask(connection) {
  connection.listen();
  for (const method of METHODS) {
    await connection.sendRequest(method, { clientInfo: { name: "editor" }, capabilities: {}, cursor: null });
  }
  await connection.sendNotification("exit");
  return METHODS.length;
}

async function overPipes() {
  const child = spawn(process.execPath, [self, "pipes"], { stdio: ["pipe", "pipe", "inherit"] });
  return ask(rpc.createMessageConnection(new rpc.StreamMessageReader(child.stdout), new rpc.StreamMessageWriter(child.stdin)));
}

async function overSocket() {
  const listener = net.createServer().listen("rpc.sock");
  const child = spawn(process.execPath, [self, "socket"], { stdio: "inherit" });
  const socket = await new Promise((resolve) => listener.once("connection", resolve));
  const asked = await ask(rpc.createMessageConnection(new rpc.StreamMessageReader(socket), new rpc.StreamMessageWriter(socket)));
  await new Promise((resolve) => child.once("exit", resolve));
  listener.close();
  return asked;
}

async function withJayson() {
  const methods = Object.fromEntries(METHODS.map((method) => [method, async (args) => ({ method, args })]));
  const server = new jayson.Server(methods);
  let asked = 0;
  for (const kind of ["http", "tcp"]) {
    const listener = server[kind]();
    await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const client = jayson.Client[kind]({ port: listener.address().port, host: "127.0.0.1" });
    for (const method of METHODS) {
      const answer = await client.request(method, { protocol: 1 });
      asked += answer.result.method === method ? 1 : 0;
    }
    listener.close();
  }
  return asked;
}

async function withChild() {
  const child = fork(self, ["ipc"]);
  let asked = 0;
  for (const method of METHODS) {
    const answer = new Promise((resolve) => child.once("message", resolve));
    child.send({ jsonrpc: "2.0", id: asked + 1, method, params: { capabilities: {} } });
    asked += (await answer).id === asked + 1 ? 1 : 0;
  }
  child.disconnect();
  return asked;
}

const role = process.argv[2];
if (role === "pipes") {
  serve(rpc.createMessageConnection(new rpc.StreamMessageReader(process.stdin), new rpc.StreamMessageWriter(process.stdout)));
} else if (role === "socket") {
  const socket = net.connect("rpc.sock");
  serve(rpc.createMessageConnection(new rpc.StreamMessageReader(socket), new rpc.StreamMessageWriter(socket)));
} else if (role === "ipc") {
  process.on("message", ({ id, method }) => process.send({ jsonrpc: "2.0", id, result: { method, capabilities: {} } }));
} else {
  const asked = (await overPipes()) + (await overSocket()) + (await withJayson()) + (await withChild());
  console.log(`rpc: ${asked} requests answered`);
  process.exit(asked === 5 * METHODS.length ? 0 : 1);
}
