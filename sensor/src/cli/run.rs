//! `gnomon-sensor run`: the agent.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use gnomon_policy::Policy;
use gnomon_sensor::agent::{Settings, Sink};
use gnomon_sensor::config::{self, Config};
use gnomon_sensor::duty::{self, Until};
use gnomon_sensor::export::{self, Exporter, PolicyUpdate};
use gnomon_sensor::gate::Gate;
use gnomon_sensor::guard::{Forgive, Guard};
use gnomon_sensor::observation::Observation;
use gnomon_sensor::order::Order;
use gnomon_sensor::source::Tier;
use gnomon_sensor::switch::{HOST_FILE, STATE_FILE, Switch};
use tokio::sync::watch;

/// Watch this host and send what is seen to the collector. Needs root, as `watch` does.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sudo gnomon-sensor run\n  sudo gnomon-sensor run --config ./sensor.toml\n\n\
    What is sent goes through a spool on disk: nothing is lost while the collector is away, up to the limit."
)]
pub(super) struct Arguments {
    /// Settings.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Attach although the crash guard says no, and forget what it remembers (docs/do-no-harm.md).
    #[arg(long)]
    force_attach: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    log_to_stderr();
    let config = Config::load(&arguments.config)?;
    let policy = super::policy(config.policy.as_deref())?;
    let stop = super::stop_signal()?;
    let forgive = if arguments.force_attach {
        Forgive::All
    } else {
        Forgive::Nothing
    };
    let guard = Guard::open(&config.state_dir, forgive).with_context(|| {
        let folder = config.state_dir.display();
        format!("the state folder {folder} cannot be used; check state_dir, its owner and the disk")
    })?;
    let order = Order::kept_in(&config.state_dir);
    let files = vec![
        HOST_FILE.into(),
        config.state_dir.join(STATE_FILE),
        order.file().to_owned(),
    ];
    let switch = Switch::new(files).obeying(order.clone());
    let mut gate = Gate::new(switch, Some(guard));
    super::give_up_rights();
    let mut until = Until::new(&stop, None, &mut gate);
    let settings = Settings {
        host_name: config.host_name.clone(),
        policy,
        tier: Tier::from_environment()?.unwrap_or(config.tier),
    };
    // First the source: without it there is nothing to send.
    duty::serve(&settings, &mut until, &mut |state| {
        let settings = export::Settings::new(&config, order.clone());
        let exporter = Exporter::start(settings).context("cannot start sending")?;
        let server = &config.collector.server;
        eprintln!("gnomon-sensor: ready, {state}, sending to {server}");
        Ok(Box::new(Sent {
            policy: exporter.policy(),
            exporter,
        }))
    })
}

struct Sent {
    exporter: Exporter,
    policy: watch::Receiver<Option<PolicyUpdate>>,
}

impl Sink for Sent {
    fn take(&mut self, observation: Observation) -> Result<()> {
        ensure!(
            self.exporter.is_running(),
            "the export has stopped by itself; its reason is in the log above"
        );
        self.exporter.send(observation);
        Ok(())
    }

    fn losses(&self) -> BTreeMap<&'static str, u64> {
        self.exporter.losses()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.exporter
            .finish()
            .context("the spool was not closed cleanly")
    }

    fn policy(&mut self) -> Option<Policy> {
        if !self.policy.has_changed().unwrap_or(false) {
            return None;
        }
        let update = self.policy.borrow_and_update().clone()?;
        match Policy::parse(
            &update.toml,
            "the collector's policy",
            time::OffsetDateTime::now_utc(),
        ) {
            Ok((policy, _)) => {
                tracing::info!(version = update.version, "policy taken");
                Some(policy)
            }
            Err(errors) => {
                let errors = errors.len();
                tracing::error!(
                    version = update.version,
                    errors,
                    "policy refused, the old one stays; \
                    sensor and collector should be of one version"
                );
                None
            }
        }
    }
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GNOMON_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
