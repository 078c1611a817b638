// A page that calls JSON-RPC with fetch and quotes MCP in its text.
import http from "node:http";

const page = `<!doctype html><title>work</title>
<pre>{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}</pre>
<p id="asked"></p>
<script>
(async () => {
  let asked = 0;
  for (let id = 1; id <= 20; id++) {
    const method = ["ping", "list", "initialize", "search"][id % 4];
    const answer = await fetch("/rpc", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id, method, params: {} }) });
    asked += (await answer.json()).id === id ? 1 : 0;
  }
  document.getElementById("asked").textContent = "asked " + asked;
})();
</script>\n`;

http
  .createServer((request, response) => {
    if (request.method === "POST") {
      let text = "";
      request.on("data", (data) => (text += data)).on("end", () => {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(text).id, result: { items: [] } }));
      });
    } else {
      response.setHeader("content-type", "text/html");
      response.end(page);
    }
  })
  .listen(0, "127.0.0.1", function () {
    console.log(this.address().port);
  });
