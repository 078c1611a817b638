//! Loads and attaches the programs.

use std::{collections::BTreeMap, fs::File};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Map, MapData, MapError, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, Iter, Program, ProgramError},
};

use super::{
    AttachError, Gone, Judge, Losses, Ring,
    capability::{self, Capability},
    links::Links,
    losses, offsets, warning,
};
use crate::event::{EndKey, FlowVerdict, LossReason};

/// The BPF object that build.rs made.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/gnomon"));

/// Programs on BTF tracepoints: named as what they are attached to. Without the first group there is
/// nothing to see, without the second something is missing.
const REQUIRED: [&str; 4] = [
    "sys_exit",
    "sched_process_exec",
    "sched_process_fork",
    "sched_process_exit",
];
const WANTED: [&str; 1] = ["inet_sock_set_state"];
/// Iterators: program and what it iterates over.
const ITERATORS: [(&str, &str); 2] = [
    ("snapshot_task", "task"),
    ("snapshot_task_file", "task_file"),
];

/// The tier of all these hooks: tracepoints and iterators, which every supported kernel has.
const TIER: &str = "2";

/// Lines of the verifier's output that an error quotes.
const VERIFIER_LINES_MAX: usize = 6;

/// What may be chosen about the kernel side.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Ring buffer, bytes: a power of two, at least one page.
    pub ring_bytes: u32,
    /// Ends remembered at a time.
    pub flows_max: u32,
    /// A process whose calls are not looked at: the sensor itself. 0 for none.
    pub excluded_pid: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // About 96,000 messages of 200 bytes: a burst of so many is kept while the reader waits for a processor.
            ring_bytes: 32 * 1024 * 1024,
            flows_max: 16 * 1024,
            excluded_pid: std::process::id(),
        }
    }
}

/// The attached kernel side. Dropping it detaches everything.
pub struct Kernel {
    ebpf: Ebpf,
    ring: Option<Ring>,
    judge: Judge,
    drops: PerCpuArray<MapData, u64>,
    hooks: BTreeMap<String, String>,
    links: Links,
    settings: Settings,
    map_bytes: u64,
}

impl Kernel {
    /// Loads all programs and attaches them.
    ///
    /// # Errors
    /// Each says what is missing and what to do.
    pub fn attach(settings: &Settings) -> Result<Self, AttachError> {
        let missing = capability::missing(&[Capability::Bpf, Capability::Perfmon]);
        if !missing.is_empty() {
            return Err(AttachError::NotPermitted {
                missing: missing.join(", "),
            });
        }
        let offsets = offsets::read()?;
        let btf = Btf::from_sys_fs().map_err(|error| AttachError::Maps {
            advice: "its BTF is not usable",
            source: Box::new(error.into()),
        })?;
        let mut ebpf = load(settings, &offsets, &btf)?;
        let ring = take(&mut ebpf, "RECORDS")?;
        let ring = RingBuf::try_from(ring).map_err(bad_map("RECORDS"))?;
        let judge = Judge::new(named(&ebpf, "VERDICTS")?, named(&ebpf, "FLOWS")?)
            .map_err(bad_map("VERDICTS or FLOWS"))?;
        let drops = PerCpuArray::try_from(take(&mut ebpf, "DROPS")?).map_err(bad_map("DROPS"))?;
        let warnings = warning::reader(&mut ebpf);
        let mut kernel = Self {
            ebpf,
            ring: Some(Ring::new(ring, warnings)),
            judge,
            drops,
            hooks: BTreeMap::new(),
            links: Links::default(),
            settings: *settings,
            map_bytes: map_bytes(settings),
        };
        kernel.attach_programs(&btf)?;
        kernel.links =
            Links::of(&kernel.ebpf, &kernel.attached()).map_err(AttachError::Descriptors)?;
        Ok(kernel)
    }

    /// Hooks that are attached by a link, each with its program.
    fn attached(&self) -> Vec<(String, &'static str)> {
        REQUIRED
            .iter()
            .chain(&WANTED)
            .map(|name| (format!("tp_btf/{name}"), *name))
            .filter(|(hook, _)| self.hooks.get(hook).is_some_and(|state| state == TIER))
            .collect()
    }

    /// What should be attached all the time: hook → the kernel's numbers of its links.
    #[must_use]
    pub fn intended(&self) -> BTreeMap<String, Vec<u32>> {
        self.links.intended()
    }

    /// Compares the live links with the intended ones and attaches again what is gone, once each. What stays away is `off`
    /// in [`Self::hooks`] from then on.
    ///
    /// # Errors
    /// The descriptors of this process cannot be listed.
    pub fn check_links(&mut self) -> std::io::Result<Vec<Gone>> {
        let gone = self.links.check(&mut self.ebpf)?;
        for Gone { hook, again } in &gone {
            let why =
                |why: &String| format!("its link is gone, and cannot be attached again: {why}");
            self.note(hook, again.as_ref().copied().map_err(why));
        }
        Ok(gone)
    }

    fn attach_programs(&mut self, btf: &Btf) -> Result<(), AttachError> {
        // Iterators first: what can only be refused is known before anything is attached.
        for (name, target) in ITERATORS {
            let outcome = load_iterator(&mut self.ebpf, name, target, btf);
            self.note(&format!("iter/{target}"), outcome);
        }
        for name in WANTED {
            let outcome = attach_tracepoint(&mut self.ebpf, name, btf);
            self.note(&format!("tp_btf/{name}"), outcome);
        }
        for name in REQUIRED {
            attach_tracepoint(&mut self.ebpf, name, btf).map_err(|reason| {
                AttachError::Refused {
                    program: name,
                    reason,
                }
            })?;
            self.note(&format!("tp_btf/{name}"), Ok(()));
        }
        Ok(())
    }

    fn note(&mut self, hook: &str, outcome: Result<(), String>) {
        let state = match outcome {
            Ok(()) => TIER.to_owned(),
            Err(reason) => format!("off: {reason}"),
        };
        self.hooks.insert(hook.to_owned(), state);
    }

    /// The reader of events; there is one, so the second call gives none.
    pub fn take_ring(&mut self) -> Option<Ring> {
        self.ring.take()
    }

    /// A handle for verdicts that may go to another thread.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn judge_handle(&self) -> Result<Judge, MapError> {
        self.judge.try_clone()
    }

    /// See [`Judge::judge`].
    ///
    /// # Errors
    /// See [`Judge::judge`].
    pub fn judge(&mut self, end: EndKey, verdict: FlowVerdict) -> Result<(), MapError> {
        self.judge.judge(end, verdict)
    }

    /// See [`Judge::forget`].
    ///
    /// # Errors
    /// See [`Judge::forget`].
    pub fn forget(&mut self, end: EndKey) -> Result<(), MapError> {
        self.judge.forget(end)
    }

    /// What was lost on the kernel side since attaching, by reason. Only ever grows.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let mut losses = losses::counted(&self.drops);
        let misses = REQUIRED
            .iter()
            .chain(&WANTED)
            .filter_map(|name| self.ebpf.program(name)?.fd().ok())
            .map(|fd| losses::recursion_misses(std::os::fd::AsFd::as_fd(fd)))
            .sum();
        losses.insert(LossReason::Recursion, misses);
        losses
    }

    /// What is attached: hook → its tier (`2`, there is no other yet), or `off: reason`.
    #[must_use]
    pub fn hooks(&self) -> BTreeMap<String, String> {
        self.hooks.clone()
    }

    /// Size of the ring buffer, bytes.
    #[must_use]
    pub fn ring_bytes(&self) -> u64 {
        u64::from(self.settings.ring_bytes)
    }

    /// Size of all other maps, bytes, without the kernel's own overhead.
    #[must_use]
    pub fn map_bytes(&self) -> u64 {
        self.map_bytes
    }

    /// The output of an iterator, which the kernel makes as it is read.
    pub(crate) fn iterate(&mut self, name: &'static str) -> Result<File, AttachError> {
        let refused = |error: ProgramError| AttachError::Refused {
            program: name,
            reason: explain(&error),
        };
        let program = self
            .ebpf
            .program_mut(name)
            .ok_or(AttachError::Missing { name })?;
        let iterator: &mut Iter = program.try_into().map_err(refused)?;
        let id = iterator.attach().map_err(refused)?;
        let link = iterator.take_link(id).map_err(refused)?;
        link.into_file().map_err(|error| AttachError::Refused {
            program: name,
            reason: error.to_string(),
        })
    }
}

/// The object with its globals and maps set, no program loaded yet.
pub(super) fn load(settings: &Settings, offsets: &[u32], btf: &Btf) -> Result<Ebpf, AttachError> {
    EbpfLoader::new()
        .btf(Some(btf))
        .override_global("OFFSETS", offsets, true)
        .override_global("SELF_TGID", &settings.excluded_pid, true)
        .map_max_entries("RECORDS", settings.ring_bytes)
        .map_max_entries("FLOWS", settings.flows_max)
        .map_max_entries("VERDICTS", settings.flows_max)
        .map_max_entries("TRANSFERS", processors())
        .load(OBJECT)
        .map_err(|source| AttachError::Maps {
            advice: "is there memory for them, and is BPF allowed here (sysctl kernel.unprivileged_bpf_disabled, lockdown, container)?",
            source: Box::new(source),
        })
}

/// Processors that may ever run: the programs index their buffers by processor.
fn processors() -> u32 {
    aya::util::nr_cpus()
        .ok()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(1024)
}

fn map_bytes(settings: &Settings) -> u64 {
    use sensor_abi::{flow, record};
    let flows = u64::from(settings.flows_max)
        * (2 * size_of::<flow::FlowKey>() + size_of::<flow::FlowState>() + 4) as u64
        + u64::from(flow::TUPLES_MAX)
            * (size_of::<flow::TupleKey>() + size_of::<flow::FlowKey>()) as u64;
    let scratch = u64::from(processors())
        * (record::CHUNK_BYTES_MAX
            + record::STEP_BYTES_MAX
            + record::ARGV_BYTES_MAX
            + 2 * record::PATH_BYTES_MAX) as u64;
    flows + scratch
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, AttachError> {
    ebpf.take_map(name).ok_or(AttachError::Missing { name })
}

/// A map that stays where it is: programs that are not loaded yet know it by its descriptor.
fn named<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<&'a Map, AttachError> {
    ebpf.map(name).ok_or(AttachError::Missing { name })
}

fn bad_map(map: &'static str) -> impl Fn(MapError) -> AttachError {
    move |source| AttachError::BadMap { map, source }
}

fn attach_tracepoint(ebpf: &mut Ebpf, name: &str, btf: &Btf) -> Result<(), String> {
    let program = ebpf.program_mut(name).ok_or("not in the object")?;
    let program: &mut BtfTracePoint = program
        .try_into()
        .map_err(|error: ProgramError| explain(&error))?;
    program.load(name, btf).map_err(|error| explain(&error))?;
    program.attach().map_err(|error| explain(&error))?;
    Ok(())
}

fn load_iterator(ebpf: &mut Ebpf, name: &str, target: &str, btf: &Btf) -> Result<(), String> {
    let program: &mut Program = ebpf.program_mut(name).ok_or("not in the object")?;
    let iterator: &mut Iter = program
        .try_into()
        .map_err(|error: ProgramError| explain(&error))?;
    iterator.load(target, btf).map_err(|error| explain(&error))
}

/// An error in one line, with the last lines of the verifier's output where there are any.
pub(super) fn explain(error: &ProgramError) -> String {
    let ProgramError::LoadError {
        io_error,
        verifier_log,
    } = error
    else {
        return error.to_string();
    };
    let log = verifier_log.to_string();
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let first = lines.len().saturating_sub(VERIFIER_LINES_MAX);
    let tail = lines.get(first..).unwrap_or_default().join(" | ");
    if tail.is_empty() {
        io_error.to_string()
    } else {
        format!("{io_error}: {tail}")
    }
}
