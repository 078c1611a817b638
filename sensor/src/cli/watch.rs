//! `gnomon-sensor watch`: this host, live, without a collector.

use std::io::Stdout;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use gnomon_sensor::agent::{Settings, Sink};
use gnomon_sensor::duty::{self, Until};
use gnomon_sensor::finding::Findings;
use gnomon_sensor::gate::Gate;
use gnomon_sensor::guard::{Forgive, Guard};
use gnomon_sensor::observation::Observation;
use gnomon_sensor::output::Printer;
use gnomon_sensor::source::Tier;
use gnomon_sensor::switch::{HOST_FILE, Switch};

use super::Format;

/// Where the crash guard of `watch` remembers: there is no state folder.
const GUARD_DIR: &str = "/run/gnomon";

/// Print MCP sessions and calls of this host as they happen. Needs root (CAP_BPF, CAP_PERFMON,
/// CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH; CAP_NET_RAW where eBPF is refused); sends nothing anywhere.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sudo gnomon-sensor watch\n  \
    sudo gnomon-sensor watch --duration 30s --format json | jq 'select(.kind==\"session\")'\n  \
    sudo gnomon-sensor watch --policy policy.toml\n  \
    sudo GNOMON_TIER=3 gnomon-sensor watch    # plain HTTP only, without eBPF")]
pub(super) struct Arguments {
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Gateways and exceptions, for the verdicts.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Stop after this time, such as 30s, 5m, 2h.
    #[arg(long, value_parser = super::duration)]
    duration: Option<Duration>,
    /// Attach although the crash guard says no, and forget what it remembers (docs/do-no-harm.md).
    #[arg(long)]
    force_attach: bool,
}

pub(super) fn watch(arguments: &Arguments) -> Result<()> {
    let policy = super::policy(arguments.policy.as_deref())?;
    let stop = super::stop_signal()?;
    let host = super::host_name();
    let forgive = if arguments.force_attach {
        Forgive::All
    } else {
        Forgive::Nothing
    };
    // Without root there is no guard, and no probe to guard against either.
    let guard = Guard::open(Path::new(GUARD_DIR), forgive).ok();
    let mut gate = Gate::new(Switch::new(vec![HOST_FILE.into()]), guard);
    super::give_up_rights();
    let mut until = Until::new(&stop, arguments.duration, &mut gate);
    let settings = Settings {
        host_name: host.clone(),
        policy,
        tier: Tier::from_environment()?.unwrap_or_default(),
    };
    duty::serve(&settings, &mut until, &mut |state| {
        eprintln!("gnomon-sensor: ready, {state}");
        Ok(Box::new(Printed {
            printer: Printer::stdout(arguments.format.into(), host.clone()),
            findings: Findings::new(host.clone()),
        }))
    })
}

struct Printed {
    printer: Printer<Stdout>,
    findings: Findings,
}

impl Sink for Printed {
    fn take(&mut self, observation: Observation) -> Result<()> {
        self.printer.print(&observation)?;
        for finding in self.findings.take(&observation) {
            self.printer.print(&finding)?;
        }
        Ok(())
    }
}
