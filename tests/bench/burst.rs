//! Messages back to back: what of them reaches the inventory, and whether the rest is told.
//!
//! A client writes calls of 200 bytes without waiting for answers, a write each; the server answers each with as much. Over HTTP, where
//! nobody sends a request before the last one is answered, eight connections ask without pause. All of it goes through the sensor, its spool, the collector and ClickHouse, and is counted there.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    deadline::{poll, steady},
    gnomon::Gnomon,
    inventory::Inventory,
    process::{Process, Signal},
};
use serde_json::Value;

use crate::{
    peer::{Channel, Conversation, Done, session_tag},
    results::Figure,
};

/// Calls, and as many answers.
pub(crate) const SMALL: u32 = 50_000;
pub(crate) const LARGE: u32 = 500_000;
/// A pool as browsers and SDKs have it.
pub(crate) const HTTP_CONNECTIONS: u16 = 8;
/// Of the workload, on two busy cores.
const BURST_LIMIT: Duration = Duration::from_secs(180);
/// From its end until nothing more arrives.
const ARRIVED_WITHIN: Duration = Duration::from_secs(180);
const QUIET: Duration = Duration::from_secs(3);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Every channel, a fresh sensor for each burst: losses are counted from its start.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for channel in Channel::ALL {
        for calls in [SMALL, LARGE] {
            figures.extend(burst(channel, calls)?);
        }
    }
    Ok(figures)
}

fn burst(channel: Channel, calls: u32) -> Result<Vec<Figure>> {
    let mut gnomon = Gnomon::start()?;
    let inventory = gnomon.inventory()?;
    let plan = Conversation {
        connections: HTTP_CONNECTIONS,
        ..Conversation::new(channel, "burst", calls)
    };
    let mut client = Process::start("client", &gnomon.path("peers"), plan.command()?)?;
    let status = client.wait(BURST_LIMIT)?;
    ensure!(status.success(), "{status}: {}", client.stderr());
    let done: Done = serde_json::from_str(client.stdout().trim()).context("what the client did")?;
    ensure!(done.answered == u64::from(calls), "{done:?}");
    let tag = session_tag(&plan.tag, 0);
    let told = steady(ARRIVED_WITHIN, QUIET, || Told::ask(&inventory, &tag))?;
    // The last statistics come when the sensor stops.
    let mut sensor = gnomon.sensor.take().context("the sensor runs")?;
    let before = statistics(&inventory)?;
    sensor.signal(Signal::Terminate)?;
    sensor.wait(STOP_LIMIT)?;
    let last = poll("the last statistics", STOP_LIMIT, || {
        Ok(Some(statistics(&inventory)?).filter(|last| *last != before))
    })?;
    Ok(figures("burst", channel, &done, calls, &told, &last))
}

/// What is on record of a burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) calls: u64,
    pub(crate) answered: u64,
}

impl Told {
    fn ask(inventory: &Inventory, tag: &str) -> Result<Self> {
        let question = format!(
            "SELECT count() AS calls, countIf(status = 'ok') AS answered FROM calls WHERE name = '{tag}'"
        );
        let rows = inventory.rows(&["sql", &question])?;
        let row = rows.first().context("a row")?;
        let number = |column: &str| {
            let value = row.get(column).context("a column")?;
            value
                .as_u64()
                .or_else(|| value.as_str()?.parse().ok())
                .context("a number")
        };
        Ok(Self {
            calls: number("calls")?,
            answered: number("answered")?,
        })
    }
}

/// The sensor's own account, as the collector has it.
fn statistics(inventory: &Inventory) -> Result<Value> {
    let rows = inventory.rows(&["sensors"])?;
    let row = rows.first().context("no sensor")?;
    let column = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    Ok(serde_json::json!({
        "messages": column("messages"), "lost": column("lost"), "cpu_ms": column("cpu_ms"), "bytes": column("bytes"),
    }))
}

/// The account of one burst: `last` are the sensor's statistics at its end.
pub(crate) fn figures(
    part: &str,
    channel: Channel,
    done: &Done,
    calls: u32,
    told: &Told,
    last: &Value,
) -> Vec<Figure> {
    // A handshake is a request, its answer and a notification.
    let sent = 2 * u64::from(calls) + 3;
    let understood = last["messages"].as_u64().unwrap_or_default();
    // An event without bytes is no message.
    let lost: u64 = last["lost"].as_object().map_or(0, |lost| {
        let of_streams = lost.iter().filter(|(name, _)| *name != "event_ring_full");
        of_streams.filter_map(|(_, count)| count.as_u64()).sum()
    });
    println!(
        "bench: {part}: {} {calls}: {told:?} of {sent} messages in {} ms; {last}",
        channel.name(),
        done.micros / 1000
    );
    let (size, how) = match calls {
        SMALL => ("50k", "back to back"),
        LARGE => ("500k", "back to back"),
        _ => ("minute", "in a minute"),
    };
    let what = format!(
        "{calls} calls of 200 B and as many answers {how} ({})",
        channel.name()
    );
    let figure = |name: &str, bar: &str, figure: u64, limit: Option<f64>| {
        let id = format!("{part}.{}.{size}.{name}", channel.name());
        Figure::new(
            &id,
            &format!("{what}: {bar}"),
            figure as f64,
            "messages",
            limit,
        )
    };
    let missing = 2 * u64::from(calls) - told.calls - told.answered;
    let unaccounted = sent.saturating_sub(understood).saturating_sub(lost);
    let beyond = (understood + lost).saturating_sub(sent);
    let millis = done.micros as f64 / 1000.0;
    vec![
        figure(
            "missing",
            "calls and answers that are not in the inventory",
            missing,
            (calls != LARGE).then_some(0.0),
        ),
        figure(
            "unaccounted",
            "sent, but neither understood nor counted as lost",
            unaccounted,
            Some(0.0),
        ),
        figure(
            "beyond",
            "counted beyond what was sent: other streams of the host lost them, or a message was lost in several calls",
            beyond,
            None,
        ),
        figure("delivered", "understood by the sensor", understood, None),
        figure(
            "counted",
            "counted as lost, by reasons of all kinds",
            lost,
            None,
        ),
        Figure::new(
            &format!("{part}.{}.{size}.time", channel.name()),
            &format!("{what}: time that the peers took"),
            millis,
            "ms",
            None,
        ),
    ]
}
