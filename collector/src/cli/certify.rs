//! `gnomon-collector certify`: key and certificate for a host's sensor, until there is enrolment.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use gnomon_collector::{
    config::Config,
    enroll::authority::Authority,
    ingest::host::HostId,
    state::{private_folder, write_private, write_public},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gnomon-collector certify --host web-01 --out /etc/gnomon/sensor --config /etc/gnomon/collector.toml"
)]
pub(super) struct Certify {
    /// Name of the host, as it will stand in the inventory
    #[arg(long, value_name = "NAME")]
    host: String,
    /// Folder for sensor.key, sensor.pem and ca.pem; made if absent
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace a key that is there already: a sensor that uses it has to be started again
    #[arg(long)]
    replace: bool,
    /// The collector's settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Certify {
    pub(super) fn run(&self) -> Result<()> {
        let config = Config::load(self.config.as_deref())?;
        let key = self.out.join("sensor.key");
        ensure!(
            self.replace || !key.exists(),
            "{} exists, and a sensor may be using it: name another folder with --out, or give --replace and start that \
             sensor again",
            key.display()
        );
        let host = HostId::new(&self.host).with_context(|| format!("--host {:?}", self.host))?;
        let authority = Authority::open(&config.state_dir)?;
        let identity = authority.host(&host)?;
        if !self.out.is_dir() {
            private_folder(&self.out)?;
        }
        write_private(&key, identity.key_pem.as_bytes())?;
        write_public(
            &self.out.join("sensor.pem"),
            identity.certificate_pem.as_bytes(),
        )?;
        write_public(
            &self.out.join("ca.pem"),
            authority.certificate_pem().as_bytes(),
        )?;
        super::say(&format!("certificate for {host} in {}", self.out.display()));
        Ok(())
    }
}
