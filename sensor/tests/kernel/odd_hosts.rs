//! Hosts that are not as they should be: something that the sensor looks at is missing or spoilt, each alone, for a sensor in a mount
//! namespace of its own. Either nothing is lost by it, or it is said what is, and why.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gnomon_tests::{
    claims::{Watch, client_is_told},
    deadline::settle,
    peers::{Peers, Plan, Sdk, rmcp_stdio},
    place::program,
    process::output,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the kernel describes its types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// Time after a client's end within which all of it has been told.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// A host with something wrong.
struct Host {
    folder: TempDir,
    /// Makes it so, by `sh` in the sensor's mount namespace.
    spoil: String,
}

impl Host {
    fn new(spoil: &str) -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            spoil: spoil.to_owned(),
        })
    }

    /// Whose kernel describes its types like this.
    fn described(types: &[u8]) -> Result<Self> {
        let mut host = Self::new("")?;
        let file = host.folder.path().join("types");
        fs::write(&file, types)?;
        host.spoil = format!("mount --bind '{}' {TYPES}", file.display());
        Ok(host)
    }

    /// The sensor on this host, its words to follow.
    fn sensor(&self) -> Result<Command> {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg(format!("{} && exec \"$0\" \"$@\"", self.spoil))
            .arg(program("gnomon-sensor")?)
            // The best that this kernel allows: with one tier alone there is nothing to fall back on.
            .env_remove("GNOMON_TIER");
        Ok(command)
    }

    fn watch(&self) -> Result<Watch> {
        Watch::start_by(self.folder.path(), self.sensor()?)
    }

    /// The row of `doctor` on `what`.
    fn doctor_on(&self, what: &str) -> Result<Value> {
        let sensor = self.sensor()?;
        let words = sensor.get_args().map(|word| word.to_owned());
        let words = words.chain(["doctor", "--format", "json"].map(Into::into));
        let report: Vec<Value> =
            serde_json::from_str(&output(Path::new(sensor.get_program()), words)?)?;
        let row = report.into_iter().find(|row| row["what"] == what);
        row.with_context(|| format!("doctor has no row {what}"))
    }

    /// A session is told whole, and no program was given up for it.
    fn tells_all(&self) -> Result<()> {
        let watch = self.watch()?;
        converse(self.folder.path(), &watch)?;
        let said = watch.stop()?;
        ensure!(gap(&said, "ebpf").is_none(), "packets are captured");
        Ok(())
    }

    /// Packets are captured in place of eBPF, and `words` are the reason; doctor says what to do.
    fn captures(&self, words: &str) -> Result<()> {
        let watch = self.watch()?;
        settle(TOLD_WITHIN, || {
            let said = watch.said()?;
            let gap = gap(&said, "ebpf").context("it does not say that eBPF is not used")?;
            let reason = gap["reason"].as_str().unwrap_or_default();
            ensure!(reason.contains(words), "the reason is {reason:?}");
            Ok(())
        })?;
        watch.stop()?;
        let row = self.doctor_on("BTF")?;
        ensure!(row["ok"] == false && row["advice"].is_string(), "{row}");
        Ok(())
    }
}

/// The row that says of `what` that it is not seen.
fn gap<'a>(said: &'a [Value], what: &str) -> Option<&'a Value> {
    said.iter().find(|told| {
        told["kind"] == "coverage" && told["what"] == what && told["state"] == "detached"
    })
}

/// A client does something, and all of it is told.
fn converse(folder: &Path, watch: &Watch) -> Result<()> {
    let plan = Plan::stdio(1, rmcp_stdio()?).calling("sum", json!({"a": 1, "b": 2}), 3);
    let tally = Peers::new(folder).run(Sdk::Rmcp, &plan)?;
    settle(TOLD_WITHIN, || client_is_told(&watch.said()?, &tally))
}

/// This kernel's types, with the name of a member changed.
fn without(member: &str) -> Result<Vec<u8>> {
    let mut types = fs::read(TYPES)?;
    let name = format!("\0{member}\0").into_bytes();
    let at = types.windows(name.len()).position(|text| text == name);
    let at = at.with_context(|| format!("this kernel has no member {member}"))?;
    types[at + 1] = b'?';
    Ok(types)
}

#[test]
fn types_that_are_missing_or_spoilt_are_said_and_packets_captured() -> Result<()> {
    let types = fs::read(TYPES)?;
    Host::new("mount -t tmpfs none /sys/kernel/btf")?.captures(TYPES)?;
    Host::described(b"")?.captures("BTF")?;
    Host::described(&types[..types.len() / 2])?.captures("BTF")?;
    let mut noise = types.clone();
    // Its head is right, and nothing after it.
    for (byte, at) in noise.iter_mut().zip(0_usize..).skip(24) {
        *byte ^= (at.wrapping_mul(2_654_435_761) >> 13) as u8;
    }
    Host::described(&noise)?.captures("BTF")
}

#[test]
fn a_kernel_without_a_member_is_said_by_that_name() -> Result<()> {
    Host::described(&without("start_boottime")?)?.captures("start_boottime")
}

/// Without it pipes cannot be read where they are written: they are read at system calls.
#[test]
fn a_kernel_without_a_member_of_tier_1_is_read_in_tier_2() -> Result<()> {
    let host = Host::described(&without("ki_filp")?)?;
    host.tells_all()
}

#[test]
fn what_only_diagnoses_is_not_needed() -> Result<()> {
    let hide: Vec<String> = [
        "/sys/kernel/tracing",
        "/sys/kernel/debug",
        "/sys/kernel/security",
    ]
    .into_iter()
    .filter(|path| PathBuf::from(path).is_dir())
    .map(|path| format!("mount -t tmpfs none {path}"))
    .collect();
    Host::new(&hide.join(" && "))?.tells_all()
}

#[test]
fn processes_that_end_while_it_attaches_do_not_stop_it() -> Result<()> {
    let host = Host::new("true")?;
    let attached = AtomicBool::new(false);
    let flood = || -> Result<u32> {
        let mut ended = 0;
        while !attached.load(Ordering::Relaxed) {
            // A pipeline: descriptors are closed while they are listed.
            let status = Command::new("sh")
                .args([
                    "-c",
                    "for i in 1 2 3 4 5 6 7 8 9 10; do true | true & done; wait",
                ])
                .stdin(Stdio::null())
                .status()?;
            ensure!(status.success(), "{status}");
            ended += 1;
        }
        Ok(ended)
    };
    let (watch, ended) = thread::scope(|scope| {
        let flood = scope.spawn(flood);
        let watch = host.watch();
        attached.store(true, Ordering::Relaxed);
        (watch, flood.join())
    });
    let ended = ended.map_err(|_| anyhow::anyhow!("the flood failed"))??;
    ensure!(ended > 0, "no process ended meanwhile");
    let watch = watch?;
    converse(host.folder.path(), &watch)?;
    watch.stop()?;
    Ok(())
}
