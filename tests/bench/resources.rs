//! What a sensor costs: memory, its own CPU time, and the time of its BPF programs in other processes.
//!
//! `gnomon-sensor run` with a collector beside it, first while nothing of MCP happens, then with 100 MCP messages a second. Each
//! takes a minute, or what `--duration` says. The rest of the machine is stated with it: on a host that is not quiet
//! the sensor has more to do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gnomon_tests::{gnomon::Gnomon, process::Process};

use crate::{
    clock,
    option::Options,
    peer::{Channel, Conversation},
    results::Figure,
    usage::{Memory, Spent, memory, spent},
};

const TIME: Duration = Duration::from_secs(60);
/// After the start: the snapshot is taken in, the first batches are sent.
const SETTLED: Duration = Duration::from_secs(10);
const IDLE_RSS_MB_MAX: f64 = 40.0;
const IDLE_CPU_PERCENT_MAX: f64 = 0.2;
const BUSY_CPU_PERCENT_MAX: f64 = 2.0;
/// Calls a second of each of the two sessions; a call is two messages.
const CALLS_PER_SECOND: u32 = 25;
/// Of one message: what tools say is seldom shorter.
const MESSAGE_BYTES: usize = 1000;
/// Beyond the time that a conversation takes by its pace.
const CLIENT_LIMIT: Duration = Duration::from_secs(60);

/// Idle, then busy.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let time = options.duration.unwrap_or(TIME);
    let gnomon = Gnomon::start()?;
    let sensor = gnomon.sensor.as_ref().context("the sensor runs")?.pid();
    clock::pass(SETTLED);
    let idle = spent(sensor, || {
        clock::pass(time);
        Ok(())
    })?;
    let idle_memory = memory(sensor)?;
    let busy = spent(sensor, || converse(&gnomon, time))?;
    let busy_memory = memory(sensor)?;
    let mut figures = figures(
        "idle",
        "no MCP",
        time,
        &idle,
        idle_memory,
        IDLE_CPU_PERCENT_MAX,
    );
    figures.extend(self::figures(
        "busy",
        "100 MCP messages a second",
        time,
        &busy,
        busy_memory,
        BUSY_CPU_PERCENT_MAX,
    ));
    Ok(figures)
}

/// Two sessions at a steady pace, over pipes and over HTTP.
fn converse(gnomon: &Gnomon, time: Duration) -> Result<()> {
    let calls = u32::try_from(time.as_secs()).context("a time")? * CALLS_PER_SECOND;
    let mut clients = Vec::new();
    for channel in [Channel::Pipe, Channel::Http] {
        let plan = Conversation {
            bytes: MESSAGE_BYTES,
            every_us: u64::from(1_000_000 / CALLS_PER_SECOND),
            ..Conversation::new(channel, "resources", calls)
        };
        let name = format!("client-{}", channel.name());
        clients.push(Process::start(
            &name,
            &gnomon.path("peers"),
            plan.command()?,
        )?);
    }
    for client in &mut clients {
        let status = client.wait(time + CLIENT_LIMIT)?;
        ensure!(status.success(), "{status}: {}", client.stderr());
    }
    Ok(())
}

fn figures(
    state: &str,
    what: &str,
    time: Duration,
    spent: &Spent,
    memory: Memory,
    cpu_max: f64,
) -> Vec<Figure> {
    let seconds = time.as_secs();
    let figure = |name: &str, bar: String, figure: f64, unit: &str, limit: Option<f64>| {
        Figure::new(
            &format!("resources.{state}.{name}"),
            &bar,
            figure,
            unit,
            limit,
        )
    };
    let is_idle = state == "idle";
    vec![
        figure(
            "cpu",
            format!("CPU of the sensor over {seconds} s, {what}"),
            spent.process,
            "% of a core",
            Some(cpu_max),
        ),
        figure(
            "programs",
            format!("run time of its BPF programs in all processes over {seconds} s, {what}"),
            spent.programs,
            "% of a core",
            None,
        ),
        figure(
            "others",
            format!("CPU of everything else on the machine over {seconds} s, {what}"),
            spent.others,
            "% of a core",
            None,
        ),
        figure(
            "rss",
            format!("resident memory of the sensor without mapped BPF maps, {what}"),
            memory.own as f64 / 1e6,
            "MB",
            is_idle.then_some(IDLE_RSS_MB_MAX),
        ),
        figure(
            "ring",
            format!("the ring buffer as it is mapped (its pages twice), {what}"),
            memory.maps as f64 / 1e6,
            "MB",
            None,
        ),
    ]
}
