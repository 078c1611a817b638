//! Full disks, of the sensor and of ClickHouse: said clearly, nothing that was acknowledged is lost, and all goes on
//! by itself when there is room again.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    compare::{Expected, client_is_recorded},
    deadline::settle,
    gnomon::Gnomon,
    peers::{Peers, Plan, Sdk, Tally, rmcp_stdio},
    process::Signal,
};
use serde_json::json;

/// Time for what waited to arrive once there is room.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

/// A small file system in memory; unmounted when dropped.
struct Tmpfs {
    folder: PathBuf,
}

impl Tmpfs {
    fn mount(folder: &Path, size: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let status = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "gnomon-e2e",
            ])
            .arg(folder)
            .status()
            .context("mount")?;
        ensure!(status.success(), "mount of {}: {status}", folder.display());
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Takes all the room that is left.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.folder.join("ballast");
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        for piece in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process of a test that failed may still be in it.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

fn speak(peers: &mut Peers) -> Result<Tally> {
    let plan = Plan::stdio(1, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 3);
    peers.run(Sdk::Rmcp, &plan)
}

#[test]
fn a_sensor_that_starts_on_a_full_disk_says_so_and_waits_for_room() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    let state = gnomon.path("sensor-state");
    let disk = Tmpfs::mount(&state, "256k")?;
    let ballast = disk.fill()?;
    gnomon.start_collector()?;
    gnomon.certify()?;
    gnomon.start_sensor()?;
    says_that_it_is_full(&gnomon, &state)?;
    fs::remove_file(ballast)?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let after = speak(&mut peers)?;
    client_is_recorded(&gnomon.inventory()?, &after, &Expected::default())?;
    Ok(())
}

/// What, where, and what to do.
fn says_that_it_is_full(gnomon: &Gnomon, state: &Path) -> Result<()> {
    let sensor = gnomon.sensor.as_ref().context("the sensor runs")?;
    settle(RECOVERED_WITHIN, || {
        let said = sensor.stderr();
        for word in [&*state.to_string_lossy(), "No space left", "make room"] {
            ensure!(
                said.contains(word),
                "the sensor does not say {word:?}: {said}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_sensor_whose_disk_fills_up_goes_on_and_counts() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    let disk = Tmpfs::mount(&gnomon.path("sensor-state"), "4m")?;
    gnomon.start_collector()?;
    gnomon.certify()?;
    gnomon.start_sensor()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let before = speak(&mut peers)?;
    let inventory = gnomon.inventory()?;
    client_is_recorded(&inventory, &before, &Expected::default())?;

    let ballast = disk.fill()?;
    let _ = speak(&mut peers)?;
    says_that_it_is_full(&gnomon, &gnomon.path("sensor-state"))?;
    fs::remove_file(ballast)?;
    let after = speak(&mut peers)?;
    settle(RECOVERED_WITHIN, || {
        let rows = inventory.sessions_of_client(after.pid)?;
        ensure!(!rows.is_empty(), "it does not go on");
        Ok(())
    })?;
    client_is_recorded(&inventory, &after, &Expected::default())?;
    client_is_recorded(&inventory, &before, &Expected::default())?;
    gnomon.stop(Signal::Terminate)
}

#[test]
fn what_clickhouse_has_no_room_for_waits_with_the_sensor() -> Result<()> {
    let mut gnomon = Gnomon::prepare()?;
    let disk = Tmpfs::mount(&gnomon.path("collector"), "192m")?;
    gnomon.start_collector()?;
    gnomon.certify()?;
    gnomon.start_sensor()?;
    let mut peers = Peers::new(&gnomon.path("peers"));
    let before = speak(&mut peers)?;
    let inventory = gnomon.inventory()?;
    client_is_recorded(&inventory, &before, &Expected::default())?;

    let ballast = disk.fill()?;
    let during = speak(&mut peers)?;
    let collector = gnomon.collector.as_ref().context("the collector runs")?;
    settle(RECOVERED_WITHIN, || {
        let said = collector.stderr();
        ensure!(
            said.to_lowercase().contains("space"),
            "the collector does not say that the disk is full: {said}"
        );
        Ok(())
    })?;
    fs::remove_file(ballast)?;
    settle(RECOVERED_WITHIN, || {
        let rows = inventory.sessions_of_client(during.pid)?;
        ensure!(rows.len() == 1, "not there yet: {rows:?}");
        Ok(())
    })?;
    client_is_recorded(&inventory, &during, &Expected::default())?;
    client_is_recorded(&inventory, &before, &Expected::default())?;
    Ok(())
}
