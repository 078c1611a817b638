//! The real programs, started as an operator starts them, with all their state in one temporary folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    host,
    inventory::Inventory,
    peers::free_port,
    place::{engine_library, own_folder, program},
    process::{Process, Signal},
};

/// Time for a program to be ready, on two busy cores with a cold page cache.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Time for a polite stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A collector with its ClickHouse, and a sensor on this host.
#[derive(Debug)]
pub struct Gnomon {
    // Dropped in this order: the sensor first.
    /// `gnomon-sensor run`.
    pub sensor: Option<Process>,
    /// `gnomon-collector serve`.
    pub collector: Option<Process>,
    folder: TempDir,
}

impl Gnomon {
    /// Starts both and waits until both are ready.
    ///
    /// # Errors
    /// One of them is not ready in time: with what it said.
    pub fn start() -> Result<Self> {
        let mut gnomon = Self::prepare()?;
        gnomon.start_collector()?;
        gnomon.certify()?;
        gnomon.start_sensor()?;
        Ok(gnomon)
    }

    /// The folder and the collector's settings, nothing running yet.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn prepare() -> Result<Self> {
        host::share()?;
        let folder = own_folder("e2e")?;
        let gnomon = Self {
            sensor: None,
            collector: None,
            folder,
        };
        fs::create_dir(gnomon.path("peers"))?;
        // One port for life, so that a sensor finds a collector that was started again.
        let text = format!(
            "state_dir = {:?}\n\n[ingest]\nlisten = \"127.0.0.1:{}\"\n",
            gnomon.path("collector"),
            free_port()?
        );
        fs::write(gnomon.path("collector.toml"), text)?;
        Ok(gnomon)
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the collector and waits until it is ready.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_collector(&mut self) -> Result<()> {
        let mut command = self.collector_command("serve")?;
        command.env("GNOMON_CHDB", engine_library()?);
        let mut process = Process::start("collector", self.folder.path(), command)?;
        process.says("gnomon-collector: ready", READY_LIMIT)?;
        self.collector = Some(process);
        Ok(())
    }

    /// Certifies this host's sensor and writes the sensor's settings.
    ///
    /// # Errors
    /// The collector's command failed.
    pub fn certify(&self) -> Result<()> {
        let mut command = self.collector_command("certify")?;
        command
            .args(["--host", "e2e-host", "--replace", "--out"])
            .arg(self.path("sensor"));
        let output = command.output().context("certify")?;
        ensure!(
            output.status.success(),
            "certify: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.write_sensor_settings()
    }

    /// Writes the sensor's settings for where the collector listens now.
    ///
    /// # Errors
    /// The collector is not running, or the file cannot be written.
    pub fn write_sensor_settings(&self) -> Result<()> {
        let text = format!(
            "state_dir = {:?}\n\n[collector]\nserver = {:?}\nca = {:?}\ncertificate = {:?}\nkey = {:?}\n",
            self.path("sensor-state"),
            self.endpoint("ingest")?,
            self.path("sensor/ca.pem"),
            self.path("sensor/sensor.pem"),
            self.path("sensor/sensor.key"),
        );
        fs::write(self.path("sensor.toml"), text).context("sensor.toml")
    }

    /// Starts the sensor and waits until it is attached.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_sensor(&mut self) -> Result<()> {
        self.start_sensor_with(&[])
    }

    /// The same with further arguments of `gnomon-sensor run`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_sensor_with(&mut self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(program("gnomon-sensor")?);
        command
            .arg("run")
            .arg("--config")
            .arg(self.path("sensor.toml"))
            .args(arguments);
        let mut process = Process::start("sensor", self.folder.path(), command)?;
        process.says("gnomon-sensor: ready", READY_LIMIT)?;
        self.sensor = Some(process);
        Ok(())
    }

    /// The analyst's way in.
    ///
    /// # Errors
    /// The collector has written no endpoint yet.
    pub fn inventory(&self) -> Result<Inventory> {
        Ok(Inventory {
            api: self.endpoint("api")?,
            token_file: self.path("collector/api-token"),
        })
    }

    /// Puts a policy into force.
    ///
    /// # Errors
    /// The policy is refused.
    pub fn apply_policy(&self, toml: &str) -> Result<()> {
        let file = self.path("policy.toml");
        fs::write(&file, toml)?;
        self.inventory()?
            .run(&["policy", "apply", &file.to_string_lossy()])?;
        Ok(())
    }

    /// Asks both to stop, the sensor first, and checks that they end well.
    ///
    /// # Errors
    /// One does not stop in time, or says that it failed.
    pub fn stop(&mut self, signal: Signal) -> Result<()> {
        self.stop_sensor(signal)?;
        stopped("collector", self.collector.take(), signal)
    }

    /// The same of the sensor alone.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn stop_sensor(&mut self, signal: Signal) -> Result<()> {
        stopped("sensor", self.sensor.take(), signal)
    }

    /// A field of the collector's endpoint.json.
    ///
    /// # Errors
    /// The file or the field is missing.
    pub fn endpoint(&self, field: &str) -> Result<String> {
        let file = self.path("collector/endpoint.json");
        let text = fs::read(&file).with_context(|| file.display().to_string())?;
        let value: Value = serde_json::from_slice(&text).context("endpoint.json")?;
        Ok(value[field]
            .as_str()
            .with_context(|| format!("{field} in endpoint.json"))?
            .to_owned())
    }

    /// The folder that holds everything: state, settings, output.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn collector_command(&self, action: &str) -> Result<Command> {
        let mut command = Command::new(program("gnomon-collector")?);
        command
            .arg(action)
            .arg("--config")
            .arg(self.path("collector.toml"));
        Ok(command)
    }
}

fn stopped(name: &str, process: Option<Process>, signal: Signal) -> Result<()> {
    let Some(mut process) = process else {
        return Ok(());
    };
    process.signal(signal)?;
    let status = process.wait(STOP_LIMIT)?;
    ensure!(
        matches!(signal, Signal::Kill) || status.success(),
        "{name} ended with {status}: {}",
        process.stderr()
    );
    Ok(())
}
