//! From a session's first byte to its row in `gnomon sessions`.
//!
//! A node client opens sessions one after the other and notes the time just before each. Meanwhile
//! `gnomon sessions` runs ten times a second, as under `watch -n 0.1`, and the end of the first run that
//! shows a session counts as the moment it became visible: the looks' own time and the pauses between them are part
//! of the figure. Without a pause the looks alone would take one of two cores from what is measured.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    gnomon::Gnomon,
    inventory::{Inventory, word},
    peers::{Driver, HttpServer, Peers, Plan, Sdk, everything_stdio},
};
use serde_json::json;

use crate::{clock, results::Figure};

/// Sessions of each kind: enough that the 99th percentile is not the worst one.
const SESSIONS: u32 = 200;
const LIMIT_MS: f64 = 1000.0;
/// From the beginning of one look to the next one's, unless a look takes longer.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// After the last session, for the last rows.
const LAST_ROWS_LIMIT: Duration = Duration::from_secs(20);
const RUN_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Both kinds of session.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let gnomon = Gnomon::start()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let inventory = gnomon.inventory()?;
    let server = peers.serve(HttpServer::Everything)?;
    let plans = [
        ("http", Plan::http(SESSIONS, server.url())),
        ("stdio", Plan::stdio(SESSIONS, everything_stdio()?)),
    ];
    let mut figures = Vec::new();
    for (kind, plan) in plans {
        let driver = peers.start(
            Sdk::Node,
            &plan.calling("echo", json!({"message": "hello"}), 1),
        )?;
        let [mut delays_ms, mut answers_ms] = delays_ms(&inventory, driver)?;
        delays_ms.sort_by(f64::total_cmp);
        answers_ms.sort_by(f64::total_cmp);
        // Before its server has answered nobody can tell a session from a quotation of one.
        figures.push(Figure::new(
            &format!("visible.{kind}.answered"),
            &format!("of that, until the server has answered its client: p99 of {SESSIONS} {kind} sessions"),
            quantile(&answers_ms, 0.99),
            "ms",
            None,
        ));
        let bar = format!("first MCP byte to row visible, {SESSIONS} {kind} sessions");
        for (name, share, limit) in [
            ("p50", 0.5, None),
            ("p99", 0.99, Some(LIMIT_MS)),
            ("max", 1.0, None),
        ] {
            let id = format!("visible.{kind}.{name}");
            figures.push(Figure::new(
                &id,
                &bar,
                quantile(&delays_ms, share),
                "ms",
                limit,
            ));
        }
    }
    Ok(figures)
}

/// Looks until the driver has ended and all its sessions were seen. Gives how long after each session's beginning its row was
/// seen, and its server had answered.
fn delays_ms(inventory: &Inventory, mut driver: Driver) -> Result<[Vec<f64>; 2]> {
    let pid = driver.process.pid();
    let start = Instant::now();
    let mut seen: HashMap<String, (String, u64)> = HashMap::new();
    let mut ended = None;
    while seen.len() < SESSIONS as usize {
        let looked = Instant::now();
        for row in inventory.sessions_of_client(pid)? {
            let now = now_ns()?;
            let id = word(&row, "id").context("a session without id")?.to_owned();
            let started = word(&row, "started")
                .context("a session without start")?
                .to_owned();
            seen.entry(id).or_insert((started, now));
        }
        if ended.is_none() && driver.process.ended()?.is_some() {
            ended = Some(Instant::now());
        }
        let late =
            ended.is_some_and(|end| end.elapsed() > LAST_ROWS_LIMIT) || start.elapsed() > RUN_LIMIT;
        ensure!(
            !late,
            "only {} of {SESSIONS} sessions became visible",
            seen.len()
        );
        clock::pass(LOOKS_EVERY.saturating_sub(looked.elapsed()));
    }
    let tally = driver.finish()?;
    ensure!(
        seen.len() == tally.begun_ns.len(),
        "{} rows for {} sessions",
        seen.len(),
        tally.begun_ns.len()
    );
    // Sessions do not overlap, so the k-th to begin is the k-th row by start.
    let mut rows: Vec<(String, u64)> = seen.into_values().collect();
    rows.sort();
    let after = |later: &mut dyn Iterator<Item = u64>| {
        let each = later.zip(&tally.begun_ns);
        each.map(|(later, begun)| later.saturating_sub(*begun) as f64 / 1e6)
            .collect()
    };
    Ok([
        after(&mut rows.iter().map(|(_, seen)| *seen)),
        after(&mut tally.answered_ns.iter().copied()),
    ])
}

fn now_ns() -> Result<u64> {
    Ok(u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos(),
    )?)
}

/// Of sorted values; nearest rank.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
