// What the node drivers share: the plan (../python/plan.py), its steps, the tally. Speaks no MCP itself.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const METHODS = {
  list_tools: "tools/list",
  call_tool: "tools/call",
  list_resources: "resources/list",
  read_resource: "resources/read",
  list_prompts: "prompts/list",
  get_prompt: "prompts/get",
  ping: "ping",
};

export const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));

/** Loads a file of a package that set-up installed: GNOMON_PEERS_NODE names its folder. The first path that exists counts. */
export async function load(name, ...paths) {
  const places = paths.map((path) => join(process.env.GNOMON_PEERS_NODE, "node_modules", name, path));
  const place = places.find((path) => existsSync(path));
  if (!place) throw new Error(`none of ${places.join(", ")}: deploy/setup.sh test`);
  return import(pathToFileURL(place).href);
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

/** Runs the plan; `open` gives a client that is not connected yet and its transport. Prints the tally and ends the process. */
export async function drive(open) {
  const tally = { sessions: 0, calls: {}, errors: 0, revision: null, server: null, pid: process.pid, begun_ns: [], answered_ns: [] };
  for (let number = 0; number < plan.sessions; number++) {
    const { client, transport, revision } = open();
    const now = () => Math.round((performance.timeOrigin + performance.now()) * 1e6);
    // Just before the first byte can be written.
    tally.begun_ns.push(now());
    await client.connect(transport);
    tally.answered_ns.push(now());
    tally.sessions++;
    tally.revision = revision(client) ?? null;
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
}
