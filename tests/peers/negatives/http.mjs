// A web service without anything of MCP: JSON, an echo, a large answer, server-sent events, pooled connections.
import http from "node:http";
import zlib from "node:zlib";

if (process.argv[2] === "serve") {
  const server = http.createServer((request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (path === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let number = 0; number < 20; number++) {
        response.write(`event: message\nid: ${number}\ndata: {"type":"progress","number":${number}}\n\n`);
      }
      response.end();
    } else if (path === "/large") {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      response.end(zlib.gzipSync(JSON.stringify({ rows: Array.from({ length: 50_000 }, (_, id) => ({ id, name: `row ${id}` })) })));
    } else if (path === "/echo") {
      response.writeHead(200, { "content-type": "application/json" });
      request.pipe(response);
    } else {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ id: 1, result: { items: [1, 2, 3] }, method: "list" }));
    }
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
} else {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const ask = (number) =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: process.argv[2], agent, method: number % 3 ? "GET" : "POST", path: number % 3 ? "/json" : "/echo" };
      const request = http.request(options, (response) => response.resume().once("end", resolve));
      request.once("error", reject).end(number % 3 ? undefined : JSON.stringify({ id: number, method: "list", params: {} }));
    });
  await Promise.all(Array.from({ length: 400 }, (_, number) => ask(number)));
  agent.destroy();
}
