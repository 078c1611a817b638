// Visits every page that links lead to, at each width, as a browser that signed in by a link, and prints what it saw as JSON.
//
//   node visit.mjs PLAN      PLAN: { link, widths, height, out, profile, pages_max }
//
// GNOMON_PAGE_NODE names the folder whose node_modules holds playwright-core; GNOMON_CHROMIUM the browser (else Debian's).
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const { chromium } = createRequire(join(process.env.GNOMON_PAGE_NODE, "x.js"))("playwright-core");
const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const origin = new URL(plan.link).origin;
mkdirSync(plan.out, { recursive: true });

const context = await chromium.launchPersistentContext(plan.profile, {
  executablePath: process.env.GNOMON_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: plan.widths[0], height: plan.height },
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server",
  ],
});
const page = context.pages()[0] ?? (await context.newPage());

// What the browser complains of, and whom it asks, while one page is open.
let complaints = [];
let foreign = [];
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) complaints.push(message.text());
});
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => {
  if (new URL(request.url()).origin !== origin) foreign.push(request.url());
});
page.on("requestfailed", (request) => complaints.push(`not loaded: ${request.url()}`));
await page.addInitScript(() => {
  globalThis.violations = [];
  addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
});

// What a page shows: links, figures, and what sticks out of the window.
const look = () =>
  page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const out = [...document.querySelectorAll("body *")]
      .filter((element) => {
        const box = element.getBoundingClientRect();
        const style = getComputedStyle(element);
        const hidden = box.width === 0 || box.right <= 0 || style.visibility === "hidden";
        return !hidden && (box.right > width + 1 || box.left < -1);
      })
      .map((element) => `${element.tagName.toLowerCase()}.${element.className.baseVal ?? element.className}`);
    // What is typed into fields moves within them; all else must show whole.
    const parts = [...document.querySelectorAll("main *:not(input):not(select)")]
      .filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible" && element.clientWidth > 0)
      .map((element) => `cut: ${element.tagName.toLowerCase()}.${element.className.baseVal ?? element.className}`);
    return {
      title: document.title,
      links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
      sideways: document.documentElement.scrollWidth > width,
      out: [...out, ...parts].slice(0, 10),
      violations: globalThis.violations ?? [],
      total: document.querySelector("h1 .count data")?.value ?? null,
      rows: document.querySelectorAll("main > table > tbody > tr").length,
      tiles: Object.fromEntries([...document.querySelectorAll(".tile")].map((tile) => [tile.querySelector("h2").textContent, tile.querySelector(".figure data")?.value ?? null])),
      font_min: Math.min(...[...document.querySelectorAll("main *")].filter((e) => e.childNodes.length && e.getClientRects().length).map((e) => parseFloat(getComputedStyle(e).fontSize))),
    };
  });

const visits = [];
const visit = async (path, width) => {
  complaints = [];
  foreign = [];
  await page.setViewportSize({ width, height: plan.height });
  const answer = await page.goto(origin + path, { waitUntil: "load" });
  const seen = await look();
  const name = path.replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "").slice(0, 80) || "overview";
  const shot = join(plan.out, `${String(visits.length).padStart(3, "0")}-${name}-${width}.png`);
  await page.screenshot({ path: shot, fullPage: true });
  visits.push({ path, width, status: answer.status(), shot, complaints: [...complaints], foreign: [...foreign], ...seen });
  return seen;
};
const inside = (link) => {
  const url = new URL(link);
  return url.origin === origin ? url.pathname + url.search : null;
};

// Signing in: the link's secret must be gone from where the browser ends up.
const signed = await page.goto(plan.link, { waitUntil: "load" });
const sign_in = { status: signed.status(), at: page.url(), again: (await context.request.get(plan.link, { maxRedirects: 0 })).status() };
const cookies = (await context.cookies()).map(({ name, httpOnly, sameSite, expires }) => ({ name, httpOnly, sameSite, expires }));

// Every page, found at the first width, seen at all of them.
const known = new Set(["/"]);
const kinds = new Map();
const leads_out = [];
for (const path of known) {
  const seen = await visit(path, plan.widths[0]);
  for (const width of plan.widths.slice(1)) await visit(path, width);
  for (const link of seen.links) {
    const next = inside(link);
    if (next === null) leads_out.push(link);
    else if (!known.has(next) && known.size < plan.pages_max) {
      // Some of each kind: a thousand sessions look alike.
      const kind = next.replace(/=[^&]*/g, "=");
      const count = kinds.get(kind) ?? 0;
      if (count < 3) {
        kinds.set(kind, count + 1);
        known.add(next);
      }
    }
  }
}

// A filter, by keyboard alone; the first stop of the keyboard leads past the navigation.
complaints = [];
await page.setViewportSize({ width: plan.widths[0], height: plan.height });
await page.goto(`${origin}/sessions`);
await page.keyboard.press("Tab");
const first_stop = await page.evaluate(() => document.activeElement.textContent);
await page.locator("select[name=verdict]").focus();
await page.keyboard.type("shadow");
await page.locator("button[type=submit]").focus();
await Promise.all([page.waitForURL(/verdict=shadow/), page.keyboard.press("Enter")]);
const filtered = { at: page.url(), first_stop, complaints: [...complaints], ...(await look()) };

// Dark.
await page.emulateMedia({ colorScheme: "dark" });
for (const path of ["/", "/servers"]) await visit(path, plan.widths[0]);
await page.emulateMedia({ colorScheme: "light" });

// Without the cookie nothing is shown.
await context.clearCookies();
const outside = await page.goto(`${origin}/sessions`);
await page.screenshot({ path: join(plan.out, "sign-in.png") });
const signed_out = { status: outside.status(), text: await page.textContent("main") };

await context.close();
console.log(JSON.stringify({ sign_in, cookies, visits, leads_out, filtered, signed_out }));
