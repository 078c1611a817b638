// A wallet and ganache: single calls and batches over HTTP, a subscription over WebSocket.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.MODULES}/`);
const ganache = require("ganache");
const WebSocket = require("ws");

if (process.argv[2] === "serve") {
  const server = ganache.server({ logging: { quiet: true }, wallet: { totalAccounts: 2 } });
  await server.listen(0, "127.0.0.1");
  console.log(server.address().port);
} else {
  const port = process.argv[2];
  const post = async (body) => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.json();
  };
  const call = (id, method, params = []) => ({ jsonrpc: "2.0", id, method, params });
  let answered = 0;
  for (const method of ["eth_chainId", "eth_blockNumber", "eth_accounts", "web3_clientVersion", "net_version", "initialize", "tools/list", "ping"]) {
    const answer = await post(call(answered + 1, method));
    answered += "result" in answer || "error" in answer ? 1 : 0;
  }
  const [from, to] = (await post(call(50, "eth_accounts"))).result;
  const sent = await post(call(51, "eth_sendTransaction", [{ from, to, value: "0x1" }]));
  await post(call(52, "eth_getTransactionReceipt", [sent.result]));
  const batch = await post([call(60, "eth_blockNumber"), call(61, "eth_gasPrice"), call(62, "eth_getBalance", [from, "latest"])]);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.send(JSON.stringify(call(70, "eth_subscribe", ["newHeads"])));
  await new Promise((resolve) => socket.once("message", resolve));
  socket.close();
  console.log(`ethereum: ${answered} calls, a batch of ${batch.length}, a subscription`);
  process.exit(answered === 8 && batch.length === 3 && sent.result ? 0 : 1);
}
