//! What this kernel and host allow: probed one by one, never told from a version.

use std::{fs, path::Path};

use aya::{
    Btf, Ebpf,
    maps::MapType,
    programs::{BtfTracePoint, FEntry, Iter, ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

use super::{
    Reading, Settings,
    capability::{Capability, has_proc, missing},
    confine,
    error::{chain, explain},
    load, lockdown, packet,
    types::Types,
};
use crate::switch::{HOST_FILE, Switch};

/// One thing that the sensor would like to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// What.
    pub what: &'static str,
    /// It is there.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do, where it is not there and something can be done.
    pub advice: Option<String>,
}

impl Support {
    fn new(what: &'static str, outcome: Result<String, String>, advice: &str) -> Self {
        let ok = outcome.is_ok();
        let (Ok(detail) | Err(detail)) = outcome;
        Self {
            what,
            ok,
            detail,
            advice: (!ok && !advice.is_empty()).then(|| advice.to_owned()),
        }
    }

    /// What can only be tried with the rights to use BPF.
    fn tried(
        allowed: bool,
        what: &'static str,
        attempt: impl FnOnce() -> Result<String, String>,
        advice: &str,
    ) -> Self {
        if allowed {
            Self::new(what, attempt(), advice)
        } else {
            let outcome = "not tried: capabilities are missing".to_owned();
            Self::new(what, Err(outcome), "")
        }
    }
}

/// Probes one by one what this kernel and host allow. Loads and attaches programs that do nothing, and
/// takes them away again.
#[must_use]
pub fn report() -> Vec<Support> {
    let allowed = missing(&[Capability::Bpf, Capability::Perfmon]).is_empty();
    let mut report = vec![
        Support::new("kernel", kernel(), ""),
        capabilities(),
        Support::new(
            "/proc",
            if has_proc() {
                Ok("mounted".to_owned())
            } else {
                Err("not mounted".to_owned())
            },
            "mount -t proc proc /proc, or give the container the host's: without it no process has a name",
        ),
        Support::new(
            "BTF",
            described(),
            "use a kernel with CONFIG_DEBUG_INFO_BTF (all large distributions have it)",
        ),
        Support::new(
            "lockdown",
            locked_down(),
            "boot with lockdown=integrity or none",
        ),
        Support::tried(
            allowed,
            "ring buffer",
            || yes(is_map_supported(MapType::RingBuf).map_err(|error| error.to_string())),
            "needs kernel 5.8",
        ),
        Support::tried(
            allowed,
            "bpf_loop",
            || {
                let helper = BpfHelper::BPF_FUNC_loop;
                yes(is_helper_supported(ProgramType::KProbe, helper)
                    .map_err(|error| error.to_string()))
            },
            "needs kernel 5.17",
        ),
    ];
    report.extend(programs(allowed));
    report.push(Support::new(
        "kill switch",
        kill_switch(),
        "probes are off on this host until that file is deleted",
    ));
    report.push(Support::new(
        "confinement",
        confine::rehearse(),
        "the sensor works, with more rights than it needs: use a kernel with CONFIG_SECCOMP_FILTER, or let the container have seccomp",
    ));
    report.extend([
        Support::new(
            "uprobes",
            exists("/sys/bus/event_source/devices/uprobe/type"),
            "TLS inside processes stays unread",
        ),
        Support::new("tracefs", tracefs(), ""),
        Support::new(
            "packet capture",
            captures(),
            "run as root, or with CAP_NET_RAW: what is left where eBPF is refused (tier 3)",
        ),
    ]);
    report
}

fn kernel() -> Result<String, String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    Ok(format!("{} {}", release.trim(), std::env::consts::ARCH))
}

fn capabilities() -> Support {
    use Capability::{Bpf, DacReadSearch, Perfmon, SysPtrace};
    let missing = missing(&[Bpf, Perfmon, SysPtrace, DacReadSearch]);
    let outcome = if missing.is_empty() {
        Ok("all".to_owned())
    } else {
        Err(format!("missing {}", missing.join(", ")))
    };
    Support::new(
        "capabilities",
        outcome,
        "run as root, or as the service that the package installs",
    )
}

/// The file of the whole host; a sensor's own is in its state folder.
fn kill_switch() -> Result<String, String> {
    match Switch::new(vec![HOST_FILE.into()]).off() {
        None => Ok(format!("no {HOST_FILE}")),
        Some(off) => Err(off.to_string()),
    }
}

/// The kernel's types, and all members that the programs read.
fn described() -> Result<String, String> {
    let offsets = Types::read()
        .and_then(|types| types.offsets())
        .map_err(|error| error.to_string())?;
    Ok(format!(
        "{} members found",
        offsets.iter().filter(|at| **at != u32::MAX).count()
    ))
}

fn locked_down() -> Result<String, String> {
    match lockdown::states() {
        None => Ok("not in this kernel, or securityfs not mounted".to_owned()),
        Some(states) if lockdown::is_confidential(&states) => Err(states),
        Some(states) => Ok(states),
    }
}

fn yes(probed: Result<bool, String>) -> Result<String, String> {
    match probed {
        Ok(true) => Ok("supported".to_owned()),
        Ok(false) => Err("not supported".to_owned()),
        Err(error) => Err(error),
    }
}

/// For people who look for what is wrong, and for nothing else.
fn tracefs() -> Result<String, String> {
    let mounted = exists("/sys/kernel/tracing/events");
    Ok(mounted.unwrap_or_else(|reason| format!("{reason}, and nothing needs it")))
}

fn exists(path: &str) -> Result<String, String> {
    if Path::new(path).exists() {
        Ok(path.to_owned())
    } else {
        Err(format!("no {path}"))
    }
}

/// What tier 3 needs.
fn captures() -> Result<String, String> {
    let opened = packet::open().map(|_| "opened and closed".to_owned());
    opened.map_err(|error| chain(&error))
}

/// The kinds of program, each tried with one of ours.
fn programs(allowed: bool) -> Vec<Support> {
    type Attempt = fn(&mut Ebpf, &Btf) -> Result<(), String>;
    const KINDS: [(&str, Attempt, &str); 3] = [
        (
            "BTF tracepoints",
            try_tracepoint,
            "byte streams and processes cannot be seen: a container or a security module may forbid it",
        ),
        (
            "iterators",
            try_iterator,
            "sessions older than the sensor are not attributed",
        ),
        (
            "fentry",
            try_fentry,
            "nothing to do: byte streams are read at system calls (tier 2), which costs more",
        ),
    ];
    let mut object = if allowed {
        probe_object()
    } else {
        Err(String::new())
    };
    KINDS
        .iter()
        .map(|(what, attempt, advice)| {
            let told = || {
                let (ebpf, btf) = object.as_mut().map_err(|reason| reason.clone())?;
                attempt(ebpf, btf)?;
                Ok("attached and detached".to_owned())
            };
            Support::tried(allowed, what, told, advice)
        })
        .collect()
}

/// The object with maps as small as they may be.
pub(super) fn probe_object() -> Result<(Ebpf, Btf), String> {
    let settings = Settings {
        ring_bytes: 64 * 1024,
        flows_max: 64,
        excluded_pid: 0,
        reading: Reading::Best,
    };
    let types = Types::read().map_err(|error| error.to_string())?;
    let offsets = types.offsets().map_err(|error| error.to_string())?;
    let btf = Btf::from_sys_fs().map_err(|error| error.to_string())?;
    let ebpf = load::load(&settings, &offsets, &btf).map_err(|error| chain(&error))?;
    Ok((ebpf, btf))
}

fn try_tracepoint(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    attempt(|| {
        let name = "sched_process_exit";
        let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
        let program: &mut BtfTracePoint = program.try_into()?;
        program.load(name, btf)?;
        let link = program.attach()?;
        program.detach(link)
    })
}

fn try_iterator(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    attempt(|| {
        let program = ebpf
            .program_mut("snapshot_task")
            .ok_or(ProgramError::NotLoaded)?;
        let program: &mut Iter = program.try_into()?;
        program.load("task", btf)?;
        let link = program.attach()?;
        program.detach(link)
    })
}

fn try_fentry(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    attempt(|| {
        let program = ebpf
            .program_mut("support_fentry")
            .ok_or(ProgramError::NotLoaded)?;
        let program: &mut FEntry = program.try_into()?;
        program.load("bpf_fentry_test1", btf)?;
        let link = program.attach()?;
        program.detach(link)
    })
}

fn attempt(probe: impl FnOnce() -> Result<(), ProgramError>) -> Result<(), String> {
    probe().map_err(|error| explain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_reported_once_with_advice_where_it_is_missing() {
        let report = report();
        let names: std::collections::BTreeSet<_> = report.iter().map(|entry| entry.what).collect();
        assert_eq!(names.len(), report.len());
        for entry in &report {
            assert!(!entry.detail.is_empty(), "{entry:?}");
            assert!(!entry.ok || entry.advice.is_none(), "{entry:?}");
        }
    }
}
