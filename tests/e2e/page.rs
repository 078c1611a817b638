//! The page in a real browser, at a desk's and a phone's width: everything fits, nothing is refused or complained of,
//! every link answers, and every figure is the one that `gnomon` prints.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    deadline::{settle, steady},
    gnomon::Gnomon,
    inventory::Inventory,
    peers::{HttpServer, Peers, Plan, Sdk, python1_stdio},
    place::{checkout, program, tool},
    process::{Process, Signal},
};
use serde::Deserialize;
use serde_json::json;

/// Time for a browser to see all pages at both widths, on two busy cores.
const VISIT_LIMIT: Duration = Duration::from_secs(240);
/// Time for a finding to open.
const FINDING_LIMIT: Duration = Duration::from_secs(30);
/// Most findings are open after a time as long as this without a new one; what comes later costs another visit.
const FINDINGS_QUIET: Duration = Duration::from_secs(6);
/// Visits, until one during which nothing changed.
const VISITS_MAX: u32 = 3;
/// Time for the sensor to end.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A desk's and a phone's, CSS pixels.
const WIDTHS: [u32; 2] = [1280, 390];
/// Pages looked at, at most.
const PAGES_MAX: u32 = 48;
/// No text is smaller than this, CSS pixels.
const FONT_MIN: f64 = 10.0;

/// What tests/page/visit.mjs prints.
#[derive(Deserialize)]
struct Seen {
    sign_in: SignIn,
    cookies: Vec<Cookie>,
    visits: Vec<Visit>,
    leads_out: Vec<String>,
    filtered: Filtered,
    signed_out: SignedOut,
}

#[derive(Deserialize)]
struct SignIn {
    status: u16,
    at: String,
    again: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cookie {
    http_only: bool,
    same_site: String,
    expires: f64,
}

#[derive(Deserialize)]
struct Visit {
    path: String,
    width: u32,
    status: u16,
    shot: String,
    complaints: Vec<String>,
    foreign: Vec<String>,
    sideways: bool,
    out: Vec<String>,
    violations: Vec<String>,
    total: Option<String>,
    rows: usize,
    tiles: BTreeMap<String, Option<String>>,
    font_min: f64,
}

#[derive(Deserialize)]
struct Filtered {
    at: String,
    first_stop: String,
    complaints: Vec<String>,
    violations: Vec<String>,
    total: Option<String>,
}

#[derive(Deserialize)]
struct SignedOut {
    status: u16,
    text: String,
}

/// Sessions of ordinary and of hostile servers, all in the inventory.
fn speak(gnomon: &Gnomon) -> Result<()> {
    let mut peers = Peers::new(&gnomon.path("peers"));
    let inventory = gnomon.inventory()?;
    let two = |plan: Plan| plan.calling("add", json!({"a": 1, "b": 2}), 2);
    let http = peers.serve(HttpServer::Python1)?;
    let mut plans = vec![
        two(Plan::stdio(2, python1_stdio()?)),
        two(Plan::http(1, http.url())),
    ];
    for (number, name) in [
        "<script>alert(1)</script><img src=x onerror=alert(2)>".to_owned(),
        "\u{1b}[31mred\u{7}".to_owned(),
        "good\u{202e}gpj.exe\u{200b}".to_owned(),
        "x".repeat(1 << 20),
    ]
    .iter()
    .enumerate()
    {
        let file = gnomon.path(&format!("name-{number}"));
        fs::write(&file, name)?;
        let mut plan = two(Plan::stdio(1, python1_stdio()?));
        plan.env.insert(
            "PROBE_NAME_FILE".to_owned(),
            file.to_string_lossy().into_owned(),
        );
        plans.push(plan);
    }
    for plan in plans {
        let tally = peers.run(Sdk::Python1, &plan)?;
        client_is_recorded(&inventory, &tally, &Expected::default())?;
    }
    settle(FINDING_LIMIT, || {
        ensure!(!inventory.rows(&["findings"])?.is_empty(), "no finding yet");
        Ok(())
    })
}

/// How many rows `gnomon` prints.
fn count(inventory: &Inventory, arguments: &[&str]) -> Result<String> {
    let mut all = arguments.to_vec();
    all.extend(["--limit", "100000"]);
    Ok(inventory.rows(&all)?.len().to_string())
}

/// Lets the browser look. Screenshots stay in `target/page/`.
fn visit(gnomon: &Gnomon) -> Result<Seen> {
    let link = gnomon.inventory()?.run(&["page"])?;
    let target = program("gnomon")?;
    let target = target.ancestors().nth(2).context("the target folder")?;
    let out = target.join("page");
    let _ = fs::remove_dir_all(&out);
    let plan = gnomon.path("visit.json");
    let text = json!({
        "link": link.trim(), "widths": WIDTHS, "height": 900, "out": out, "profile": gnomon.path("profile"),
        "pages_max": PAGES_MAX,
    });
    fs::write(&plan, text.to_string())?;
    let mut command = Command::new("node");
    command
        .arg(checkout().join("tests/page/visit.mjs"))
        .arg(plan)
        .env("GNOMON_PAGE_NODE", tool("page")?)
        .env("HOME", gnomon.path("profile"));
    let mut browser = Process::start("visit", gnomon.folder(), command)?;
    let status = browser.wait(VISIT_LIMIT)?;
    ensure!(status.success(), "{status}: {}", browser.stderr());
    println!("screenshots: {}", out.display());
    serde_json::from_str(&browser.stdout()).context("what the browser saw")
}

/// Nothing sticks out, nothing is refused, nobody else is asked, every link answers.
fn is_well(visit: &Visit) -> Result<()> {
    let Visit { path, width, .. } = visit;
    ensure!(visit.status == 200, "{path}: {}", visit.status);
    ensure!(
        visit.complaints.is_empty(),
        "{path} at {width}: the browser complains: {:?}",
        visit.complaints
    );
    ensure!(
        visit.violations.is_empty(),
        "{path} at {width}: refused by the policy: {:?}",
        visit.violations
    );
    ensure!(
        visit.foreign.is_empty(),
        "{path} asks others: {:?}",
        visit.foreign
    );
    ensure!(
        !visit.sideways && visit.out.is_empty(),
        "{path} at {width} does not fit: {:?}, see {}",
        visit.out,
        visit.shot
    );
    ensure!(
        visit.font_min >= FONT_MIN,
        "{path} has text of {} px",
        visit.font_min
    );
    ensure!(
        fs::metadata(&visit.shot)?.len() > 1000,
        "{} is no picture",
        visit.shot
    );
    Ok(())
}

/// Pages that list what a command prints.
const LISTS: [(&str, &[&str]); 7] = [
    ("/servers", &["servers"]),
    ("/sessions", &["sessions"]),
    ("/calls", &["calls"]),
    ("/listeners", &["listeners"]),
    ("/hosts", &["sensors"]),
    ("/coverage", &["coverage", "--state", "gap"]),
    ("/findings", &["findings", "--state", "open"]),
];
const SHADOW: [&str; 3] = ["sessions", "--verdict", "shadow"];

/// How many rows each command prints that a page is compared with.
fn counts(inventory: &Inventory) -> Result<BTreeMap<&'static [&'static str], String>> {
    let lists = LISTS.iter().map(|(_, arguments)| *arguments);
    lists
        .chain([&SHADOW[..]])
        .map(|arguments| Ok((arguments, count(inventory, arguments)?)))
        .collect()
}

/// What a browser sees of an inventory that nothing changes meanwhile: findings may still open and close for a pass or
/// two after the sensor's last word, and no figure can be compared with one of another moment.
fn visit_undisturbed(gnomon: &Gnomon) -> Result<(Seen, BTreeMap<&'static [&'static str], String>)> {
    let inventory = gnomon.inventory()?;
    for _ in 0..VISITS_MAX {
        let before = counts(&inventory)?;
        let seen = visit(gnomon)?;
        let after = counts(&inventory)?;
        if before == after {
            return Ok((seen, after));
        }
        println!("visited again, the inventory changed: {before:?}, then {after:?}");
    }
    bail!("the inventory changed during each of {VISITS_MAX} visits")
}

fn figures_are_the_commands(
    seen: &Seen,
    counts: &BTreeMap<&'static [&'static str], String>,
) -> Result<()> {
    let count = |arguments: &[&'static str]| counts.get(arguments).context("a command's count");
    for (path, arguments) in LISTS {
        let expected = count(arguments)?;
        let visits: Vec<&Visit> = seen.visits.iter().filter(|v| v.path == path).collect();
        ensure!(visits.len() >= WIDTHS.len(), "{path} was not seen");
        for visit in visits {
            ensure!(
                visit.total.as_ref() == Some(expected),
                "{path} says {:?}, gnomon {arguments:?} has {expected}",
                visit.total
            );
            let rows = expected.parse::<usize>()?.min(100);
            ensure!(visit.rows == rows, "{path} shows {} rows", visit.rows);
        }
    }
    let overview = seen.visits.first().context("the overview")?;
    for (tile, arguments) in [
        ("Servers", &["servers"][..]),
        ("Sessions", &["sessions"]),
        ("Findings", &["findings", "--state", "open"]),
        ("Hosts", &["sensors"]),
    ] {
        let expected = count(arguments)?;
        ensure!(
            overview.tiles.get(tile) == Some(&Some(expected.clone())),
            "the overview's {tile} is {:?}, gnomon has {expected}",
            overview.tiles.get(tile)
        );
    }
    let expected = count(&SHADOW)?;
    ensure!(
        seen.filtered.total.as_ref() == Some(expected),
        "filtered by shadow there are {:?}, gnomon has {expected}",
        seen.filtered.total
    );
    Ok(())
}

#[test]
fn a_browser_sees_the_inventory() -> Result<()> {
    let mut gnomon = Gnomon::start()?;
    speak(&gnomon)?;
    // What is seen from here on would change the figures under way.
    let mut sensor = gnomon.sensor.take().context("the sensor runs")?;
    sensor.signal(Signal::Terminate)?;
    sensor.wait(STOP_LIMIT)?;
    let inventory = gnomon.inventory()?;
    steady(FINDING_LIMIT * 3, FINDINGS_QUIET, || {
        inventory.rows(&["findings", "--state", "open"])
    })?;
    let (seen, counts) = visit_undisturbed(&gnomon)?;

    ensure!(seen.sign_in.status == 200 && seen.sign_in.again == 401);
    ensure!(
        seen.sign_in.at.ends_with('/') && !seen.sign_in.at.contains("link"),
        "the browser ends up at {}",
        seen.sign_in.at
    );
    let cookie = seen.cookies.first().context("a cookie")?;
    ensure!(seen.cookies.len() == 1 && cookie.http_only && cookie.same_site == "Strict");
    ensure!(cookie.expires > 0.0, "the cookie has no end");

    for visit in &seen.visits {
        is_well(visit)?;
    }
    for path in ["/server?", "/session?", "/host?", "/finding?"] {
        for width in WIDTHS {
            let there = |v: &&Visit| v.path.starts_with(path) && v.width == width;
            ensure!(
                seen.visits.iter().any(|v| there(&v)),
                "no {path} at {width}"
            );
        }
    }
    ensure!(
        seen.leads_out.is_empty(),
        "links lead to {:?}",
        seen.leads_out
    );
    figures_are_the_commands(&seen, &counts)?;
    let filtered = &seen.filtered;
    ensure!(
        filtered.complaints.is_empty() && filtered.violations.is_empty(),
        "the filter is refused: {:?} {:?}",
        filtered.complaints,
        filtered.violations
    );
    ensure!(filtered.at.contains("verdict=shadow"), "{}", filtered.at);
    ensure!(
        filtered.first_stop.contains("content"),
        "the keyboard first stops at {:?}",
        filtered.first_stop
    );
    ensure!(seen.signed_out.status == 401 && seen.signed_out.text.contains("gnomon page"));
    Ok(())
}
