//! What a watched system call costs more: instructions, counted by the clock of a guest of one processor.
//!
//! tests/kernels/workload.c makes known calls by one thread, without a sensor, with one of each tier, and without again. A figure is
//! the difference for one write of 512 bytes and the read of them; it is the same on a busy machine.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::runs_tier,
    document,
    place::{checkout, compiled, program},
    vm::{Guest, Kernel, Mode},
};
use serde_json::Value;

use crate::{guest, results::Figure};

/// The kernel of the promise.
const KERNEL: &str = "6.18";
/// Of a guest of a hundred million instructions a second on a busy host.
const LIMIT: Duration = Duration::from_secs(900);
/// What a difference of two counts may be off, by where code and data happen to lie.
const MEASURING_ERROR: f64 = 8.0;
/// Messages of the MCP conversation: a call and its answer each.
const MCP_CALLS: u64 = 2000;
/// Calls of the same conversation before the counted ones: FIRST of tests/kernels/workload.c, halved.
const MCP_CALLS_FIRST: u64 = 128;

/// A workload: its row's name, the words for the program, and what it may cost more by tier.
struct Work {
    name: &'static str,
    bar: &'static str,
    words: &'static str,
    limits: [Option<f64>; 2],
}

const WORKS: [Work; 8] = [
    Work {
        name: "pipe",
        bar: "512 B, not MCP, written to a pipe and read",
        words: "pipe text 512 100000",
        limits: [Some(350.0), Some(1700.0)],
    },
    Work {
        name: "unix",
        bar: "the same over a unix socket",
        words: "unix text 512 100000",
        limits: [Some(350.0), Some(1700.0)],
    },
    Work {
        name: "tcp",
        bar: "the same over TCP on loopback",
        words: "tcp text 512 50000",
        limits: [Some(650.0), Some(1700.0)],
    },
    Work {
        name: "null",
        bar: "the same to /dev/null and from /dev/zero",
        words: "null text 512 20000",
        limits: [Some(MEASURING_ERROR), Some(1700.0)],
    },
    Work {
        name: "file",
        bar: "the same to a file in memory",
        words: "file text 512 20000",
        limits: [Some(MEASURING_ERROR), Some(1700.0)],
    },
    Work {
        name: "getpid",
        bar: "a system call without input or output",
        words: "getpid 100000",
        limits: [Some(MEASURING_ERROR), Some(320.0)],
    },
    Work {
        name: "json",
        bar: "512 B of a log in JSON, not MCP, over a pipe, once judged",
        words: "pipe json 512 100000",
        limits: [Some(700.0), None],
    },
    Work {
        name: "mcp",
        bar: "a message of 200 B of an MCP conversation over a unix socket, copied to the sensor",
        words: "unix mcp 200 4000",
        limits: [Some(6000.0), None],
    },
];

/// One guest with all the workloads, four times.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let guest = Guest::new(Kernel::find(KERNEL)?, Mode::Counted);
    let output = guest::said(&guest, &script()?, LIMIT)?;
    let account = Account::read(&output)?;
    let figures = figures(&account)?;
    document::write_part("docs/overhead.md", "cost", &table(&account))?;
    Ok(figures)
}

fn script() -> Result<String> {
    let mut suite = String::new();
    for work in &WORKS {
        suite += &format!(
            "    echo \"work {} $1 $(\"$workload\" {} || echo failed)\"\n",
            work.name, work.words
        );
    }
    Ok(format!(
        r#"workload='{}'
sensor='{}'
suite() {{
{suite}}}
watched() {{
    # What an earlier sensor said must not be taken for this one's.
    rm -f /tmp/said /tmp/errors
    GNOMON_TIER=$1 "$sensor" watch --format json >/tmp/said 2>/tmp/errors &
    pid=$!
    until grep -qs '^gnomon-sensor: ready' /tmp/errors; do
        kill -0 $pid || {{ cat /tmp/errors; exit 1; }}
        sleep 0.2
    done
    sleep 5
    suite "$1"
    kill -TERM $pid
    wait $pid
    echo "calls $1 $(grep -c '"kind":"call"' /tmp/said)"
    echo "stats $1 $(grep '"kind":"stats"' /tmp/said | tail -n 1)"
}}
suite off
watched 1
suite off
watched 2
suite off
"#,
        compiled(&checkout().join("tests/kernels/workload.c"))?.display(),
        program("gnomon-sensor")?.display(),
    ))
}

/// What the guest said: nanoseconds of a guest that counts are instructions.
#[derive(Debug, Default)]
struct Account {
    /// The least of all times without a sensor, by work.
    off: BTreeMap<String, f64>,
    /// By work and tier.
    on: BTreeMap<(String, u8), f64>,
    /// Calls that the sensor told of, by tier.
    calls: BTreeMap<u8, u64>,
    /// What the sensor said at its end, by tier.
    stats: BTreeMap<u8, Value>,
}

impl Account {
    fn read(output: &str) -> Result<Self> {
        let mut account = Self::default();
        for line in output.lines() {
            let wrong = || format!("the guest said {line:?}");
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("work"), Some(name), Some(tier), Some(said)) => {
                    let cost: f64 = said
                        .rsplit(' ')
                        .next()
                        .unwrap_or_default()
                        .parse()
                        .with_context(wrong)?;
                    if tier == "off" {
                        let least = account.off.entry(name.to_owned()).or_insert(cost);
                        *least = least.min(cost);
                    } else {
                        account
                            .on
                            .insert((name.to_owned(), tier.parse().with_context(wrong)?), cost);
                    }
                }
                (Some("calls"), Some(tier), Some(count), None) => {
                    account.calls.insert(
                        tier.parse().with_context(wrong)?,
                        count.parse().with_context(wrong)?,
                    );
                }
                (Some("stats"), Some(tier), ..) => {
                    let text = line.splitn(3, ' ').nth(2).unwrap_or_default();
                    account.stats.insert(
                        tier.parse().with_context(wrong)?,
                        serde_json::from_str(text).with_context(wrong)?,
                    );
                }
                _ => {}
            }
        }
        Ok(account)
    }

    /// Whether the sensor that was asked for a tier ran by it.
    fn ran(&self, tier: u8) -> bool {
        let stats = self.stats.get(&tier);
        stats.is_some_and(|stats| runs_tier(stats, tier))
    }
}

/// What was counted without a sensor, and what each tier adds.
fn table(account: &Account) -> String {
    let mut lines = vec![String::new(); 2];
    lines[0] = format!(
        "| |{}",
        WORKS.map(|work| format!(" {} |", work.name)).concat()
    );
    lines[1] = format!("|---|{}", "---|".repeat(WORKS.len()));
    let off = |work: &Work| account.off.get(work.name);
    let cells = WORKS.map(|work| off(&work).map_or(" |".to_owned(), |off| format!(" {off:.0} |")));
    lines.push(format!("| without (absolute) |{}", cells.concat()));
    for tier in [1, 2_u8].into_iter().filter(|&tier| account.ran(tier)) {
        let cells = WORKS.map(|work| {
            let on = account.on.get(&(work.name.to_owned(), tier));
            let added = on.zip(off(&work)).map(|(on, off)| on - off);
            added.map_or(" |".to_owned(), |added| format!(" {added:+.0} |"))
        });
        lines.push(format!("| tier {tier} |{}", cells.concat()));
    }
    lines.push(String::new());
    lines.push("`json` is text of a log over a pipe; `mcp` a message of 200 bytes of a conversation over a unix socket.".to_owned());
    lines.join("\n")
}

fn figures(account: &Account) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for tier in [1, 2_u8] {
        if !account.ran(tier) {
            println!("bench: this sensor has no tier {tier} on kernel {KERNEL}: no figure");
            continue;
        }
        let seen = account.calls.get(&tier).copied().unwrap_or(0);
        ensure!(
            seen == MCP_CALLS + MCP_CALLS_FIRST,
            "tier {tier} told of {seen} calls of {}: what it lost costs less",
            MCP_CALLS + MCP_CALLS_FIRST
        );
        for work in &WORKS {
            let missing = || format!("{} of tier {tier} was not measured", work.name);
            let off = account.off.get(work.name).with_context(missing)?;
            let on = account
                .on
                .get(&(work.name.to_owned(), tier))
                .with_context(missing)?;
            figures.push(Figure::new(
                &format!("kernel.{}.tier{tier}.instructions", work.name),
                &format!(
                    "instructions more than the {off:.0} without a sensor: {}",
                    work.bar
                ),
                on - off,
                "instructions",
                work.limits[usize::from(tier) - 1],
            ));
        }
    }
    Ok(figures)
}
