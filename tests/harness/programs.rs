//! Which BPF programs a process holds, and which the kernel still has.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Ids of the BPF programs that the process holds, by program or by link. The kernel hands out an id once.
///
/// # Errors
/// /proc cannot be read.
pub fn held_by(pid: u32) -> Result<BTreeSet<u64>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        // A descriptor that was closed meanwhile is no error.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        ids.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u64>().ok()),
        );
    }
    Ok(ids)
}

/// Ids of all BPF programs that the kernel has loaded.
///
/// # Errors
/// bpftool is missing or failed.
pub fn loaded() -> Result<BTreeSet<u64>> {
    Ok(all()?
        .iter()
        .filter_map(|program| program["id"].as_u64())
        .collect())
}

/// All BPF programs that the kernel has loaded, as bpftool describes them.
///
/// # Errors
/// bpftool is missing or failed.
pub fn all() -> Result<Vec<Value>> {
    let bpftool = ["/usr/sbin/bpftool", "/sbin/bpftool", "/usr/bin/bpftool"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("bpftool");
    let output = Command::new(bpftool)
        .args(["prog", "show", "--json"])
        .output()
        .context("bpftool")?;
    ensure!(
        output.status.success(),
        "bpftool: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("bpftool's list")
}
