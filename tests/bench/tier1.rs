//! Bursts that a sensor of tier 1 sees, in a guest: not every host allows that tier.
//!
//! The guest has one processor, whose clock counts an instruction a nanosecond: client, server and sensor share what would be a slow
//! machine, and a busy host changes nothing.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::runs_tier,
    place::program,
    vm::{Guest, Kernel, Mode},
};
use serde_json::Value;

use crate::{
    burst::{self, LARGE, SMALL, Told},
    guest,
    peer::{Channel, Conversation, Done, session_tag},
    results::Figure,
};

/// The kernel of the promise.
const KERNEL: &str = "6.18";
/// Of a guest of some hundred million instructions a second.
const LIMIT: Duration = Duration::from_secs(2 * 3600);
/// The lines that are told of half a million calls.
const MEMORY_MB: u32 = 4096;
const PART: &str = "tier1";

/// A minute of 10,000 messages a second: a call and its answer each 200 microseconds.
const MINUTE: u32 = 300_000;
const MINUTE_EVERY_US: u64 = 200;
/// For what the clock and the start of the server take of it.
const MINUTE_US_MAX: u64 = 66_000_000;

struct Burst {
    channel: Channel,
    calls: u32,
    every_us: u64,
}

fn bursts() -> Vec<Burst> {
    let of = |channel, calls, every_us| Burst {
        channel,
        calls,
        every_us,
    };
    let mut bursts = Vec::new();
    for channel in Channel::ALL {
        bursts.extend([of(channel, SMALL, 0), of(channel, LARGE, 0)]);
    }
    bursts.push(of(Channel::Pipe, MINUTE, MINUTE_EVERY_US));
    bursts
}

impl Burst {
    fn name(&self) -> String {
        format!("{}-{}", self.channel.name(), self.calls)
    }

    fn line(&self) -> Result<String> {
        let plan = Conversation {
            every_us: self.every_us,
            connections: burst::HTTP_CONNECTIONS,
            ..Conversation::new(self.channel, PART, self.calls)
        };
        let plan = serde_json::to_string(&plan)?;
        Ok(format!("burst {} '{plan}'\n", self.name()))
    }
}

/// One guest, a fresh sensor for each burst.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let guest = Guest {
        memory_mb: MEMORY_MB,
        ..Guest::new(Kernel::find(KERNEL)?, Mode::Counted)
    };
    let output = guest::said(&guest, &script()?, LIMIT)?;
    let said: BTreeMap<(&str, &str), &str> = output.lines().filter_map(words).collect();
    let mut figures = Vec::new();
    for burst in bursts() {
        figures.extend(account(&burst, &said)?);
    }
    Ok(figures)
}

/// `WHAT NAME REST`
fn words(line: &str) -> Option<((&str, &str), &str)> {
    let mut words = line.splitn(3, ' ');
    Some(((words.next()?, words.next()?), words.next()?))
}

fn account(burst: &Burst, said: &BTreeMap<(&str, &str), &str>) -> Result<Vec<Figure>> {
    let name = burst.name();
    let of = |what| {
        let said = said.get(&(what, name.as_str())).copied();
        said.with_context(|| format!("the guest says no {what} of {name}"))
    };
    let done: Done = serde_json::from_str(of("done")?).context("what the client did")?;
    ensure!(done.answered == u64::from(burst.calls), "{done:?}");
    ensure!(
        burst.every_us == 0 || done.micros <= MINUTE_US_MAX,
        "the guest is too slow for the pace: {done:?}"
    );
    let stats: Value = serde_json::from_str(of("stats")?).context("the sensor's statistics")?;
    ensure!(runs_tier(&stats, 1), "it did not run tier 1: {stats}");
    let told: Vec<u64> = of("told")?
        .split(' ')
        .map(|count| count.parse().context("a count"))
        .collect::<Result<_>>()?;
    let [calls, answered] = told[..] else {
        anyhow::bail!("two counts: {told:?}");
    };
    let told = Told { calls, answered };
    let mut figures = burst::figures(PART, burst.channel, &done, burst.calls, &told, &stats);
    if burst.channel == Channel::Http {
        // Promised of lines of 200 bytes. With its heads a request is thrice as long, which one slow processor for all three does not
        // keep up with: how much it loses is for information, that it says so is not.
        for figure in figures
            .iter_mut()
            .filter(|figure| figure.id.ends_with(".missing"))
        {
            (figure.limit, figure.holds) = (None, true);
        }
    }
    Ok(figures)
}

fn script() -> Result<String> {
    let own = std::env::current_exe().context("own path")?;
    let lines: String = bursts().iter().map(Burst::line).collect::<Result<_>>()?;
    Ok(format!(
        r#"bench='{}'
sensor='{}'
burst() {{
    # What an earlier sensor said must not be taken for this one's.
    rm -f /tmp/said /tmp/errors
    GNOMON_TIER=1 "$sensor" watch --format json >/tmp/said 2>/tmp/errors &
    pid=$!
    until grep -qs '^gnomon-sensor: ready' /tmp/errors; do
        kill -0 $pid || {{ cat /tmp/errors; exit 1; }}
        sleep 0.2
    done
    done=$("$bench" peer client "$2") || exit 1
    before=-1 now=0
    while [ "$before" != "$now" ]; do
        before=$now
        sleep 3
        now=$(wc -c </tmp/said)
    done
    kill -TERM $pid
    wait $pid
    echo "done $1 $done"
    grep '"kind":"call"' /tmp/said | grep '"name":"{}"' >/tmp/calls
    echo "told $1 $(wc -l </tmp/calls) $(grep -c '"status":"ok"' /tmp/calls)"
    echo "stats $1 $(grep '"kind":"stats"' /tmp/said | tail -n 1)"
}}
{lines}"#,
        own.display(),
        program("gnomon-sensor")?.display(),
        session_tag(PART, 0),
    ))
}
