// Serves recordings and documentation of MCP as files, and takes uploads; speaks none of it.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const [checkout, work] = process.argv.slice(2);
const documentation = `<h1>Model Context Protocol</h1><p>A client sends</p>
<pre>{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}</pre>
<p>and the server answers</p>
<pre>{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"b","version":"1"}}}</pre>
<pre>POST /mcp HTTP/1.1\r\nMcp-Session-Id: 1868a90c\r\nMcp-Protocol-Version: 2025-06-18\r\n\r\n</pre>\n`;

http
  .createServer((request, response) => {
    const parts = request.url.split("/").filter(Boolean);
    if (parts[0] === "echo") {
      response.setHeader("content-type", "application/json");
      request.pipe(response);
    } else if (request.method !== "GET") {
      let bytes = 0;
      request.on("data", (data) => (bytes += data.length)).on("end", () => response.end(JSON.stringify({ stored: bytes })));
    } else if (parts[0] === "documentation") {
      response.setHeader("content-type", "text/html");
      response.end(documentation.repeat(20));
    } else {
      const folder = parts[0] === "captures" ? path.join(checkout, "tests/captures") : work;
      response.setHeader("content-type", "application/x-ndjson");
      fs.createReadStream(path.join(folder, path.basename(parts[1] ?? "none"))).on("error", () => response.destroy()).pipe(response);
    }
  })
  .listen(0, "127.0.0.1", function () {
    console.log(this.address().port);
  });
