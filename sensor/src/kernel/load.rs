//! Loads and attaches the programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::fd::AsFd as _,
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Array, Map, MapData, MapError, MapInfo, MapType, PerCpuArray, RingBuf},
    programs::{Iter, ProgramError},
};

use super::{
    AttachError, Gone, Judge, Losses, Ring,
    attach::{self, Attached},
    capability::{self, Capability},
    error::{chain, explain},
    heap,
    links::Links,
    lockdown, losses,
    types::Types,
    warning,
};
use crate::event::{EndKey, FlowVerdict, LossReason};

/// The BPF object that build.rs made.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/gnomon"));

/// What may be chosen about the kernel side.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Ring buffer, bytes: a power of two, at least one page.
    pub ring_bytes: u32,
    /// Ends remembered at a time.
    pub flows_max: u32,
    /// A process whose calls are not looked at: the sensor itself. 0 for none.
    pub excluded_pid: u32,
    /// How streams are read.
    pub reading: Reading,
}

/// Ways to read streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Each family of channels in the best way that this kernel allows.
    Best,
    /// Where they are written (tier 1), and where that cannot be had, not at all: for tests.
    Streams,
    /// At system calls (tier 2), though the kernel may allow better.
    SystemCalls,
}

impl Reading {
    /// What the environment asks for by `GNOMON_TIER`, `1` or `2`: for tests and to find out what is wrong with
    /// a kernel. Without it, the best.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var("GNOMON_TIER").as_deref() {
            Ok("1") => Self::Streams,
            Ok("2") => Self::SystemCalls,
            _ => Self::Best,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // About 96,000 messages of 200 bytes: a burst of so many is kept while the reader waits for a processor.
            ring_bytes: 32 * 1024 * 1024,
            flows_max: 16 * 1024,
            excluded_pid: std::process::id(),
            reading: Reading::from_environment(),
        }
    }
}

/// The attached kernel side. Dropping it detaches everything.
pub struct Kernel {
    ebpf: Ebpf,
    ring: Option<Ring>,
    judge: Judge,
    drops: PerCpuArray<MapData, u64>,
    attached: Attached,
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
        if !capability::has_proc() {
            return Err(AttachError::NoProc);
        }
        let missing = capability::missing(&[Capability::Bpf, Capability::Perfmon]);
        if !missing.is_empty() {
            return Err(AttachError::NotPermitted {
                missing: missing.join(", "),
            });
        }
        let types = Types::read()?;
        let offsets = types.offsets()?;
        let btf = Btf::from_sys_fs().map_err(|error| AttachError::Maps {
            advice: "its BTF is not usable",
            source: Box::new(error.into()),
        })?;
        let mut ebpf = load(settings, &offsets, &btf)?;
        let ring = take(&mut ebpf, "RECORDS")?;
        let ring = RingBuf::try_from(ring).map_err(bad_map("RECORDS"))?;
        let judge = Judge::new(&ebpf)?;
        let drops = PerCpuArray::try_from(take(&mut ebpf, "DROPS")?).map_err(bad_map("DROPS"))?;
        let warnings = warning::reader(&mut ebpf);
        let streams = types.lacks_for_streams(&offsets).map_or(Ok(()), Err);
        let attached = attach::attach(&mut ebpf, &btf, &types, settings.reading, streams)
            .map_err(lockdown::behind)?;
        drop((types, btf));
        let map_bytes = map_bytes(&ebpf);
        heap::trim();
        Ok(Self {
            ring: Some(Ring::new(ring, warnings)),
            judge,
            drops,
            links: Links::of(&ebpf, &attached.programs).map_err(AttachError::Descriptors)?,
            ebpf,
            attached,
            settings: *settings,
            map_bytes,
        })
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
            if let Err(why) = again {
                let state = format!("off: its link is gone, and cannot be attached again: {why}");
                self.attached.hooks.insert(hook.clone(), state);
            }
        }
        Ok(gone)
    }

    /// The reader of events; there is one, so the second call gives none.
    pub fn take_ring(&mut self) -> Option<Ring> {
        self.ring.take()
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
        *losses.entry(LossReason::Recursion).or_default() += self.recursion_misses();
        losses
    }

    /// How often the kernel left out one of the programs, because it was running already on that processor. Only ever grows. To
    /// be asked now and then: it is read from a file for each program.
    #[must_use]
    pub fn recursion_misses(&self) -> u64 {
        let programs = self.attached.programs.iter();
        programs
            .filter_map(|(_, name)| self.ebpf.program(name)?.fd().ok())
            .map(|fd| losses::recursion_misses(fd.as_fd()))
            .sum()
    }

    /// Records lost since attaching that may have been of any stream. Cheap enough to be asked all the time.
    #[must_use]
    pub fn lost_of_any_stream(&self) -> u64 {
        losses::of_any_stream(&self.drops)
    }

    /// What is attached: hook → its tier (`1` or `2`), or `off: reason`.
    #[must_use]
    pub fn hooks(&self) -> BTreeMap<String, String> {
        self.attached.hooks.clone()
    }

    /// How each family of channels is read: its tier, and where it is the second, why.
    #[must_use]
    pub fn families(&self) -> &[(&'static str, String)] {
        &self.attached.families
    }

    /// The family of channels that a hook reads, where each family is read by hooks of its own (tier 1).
    #[must_use]
    pub fn family_of(&self, hook: &str) -> Option<&'static str> {
        self.attached.family_of(hook)
    }

    /// Takes all passes away, so that silent flows are looked at again as they should be. To be called every
    /// [`sensor_abi::flow::PASSES_RENEWED_NS`].
    ///
    /// # Errors
    /// The kernel refused.
    pub fn renew_passes(&mut self) -> Result<(), MapError> {
        self.judge.renew_passes()
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
            reason: chain(&error),
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
        .map_max_entries("TRANSFERS", processors() * sensor_abi::config::LEVELS)
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

/// Sets one of the programs' own variables, which is a map of its own.
pub(super) fn set_data<T: aya::Pod>(
    ebpf: &mut Ebpf,
    name: &'static str,
    value: T,
) -> Result<(), AttachError> {
    let map = ebpf.map_mut(name).ok_or(AttachError::Missing { name })?;
    let mut data: Array<_, T> = Array::try_from(map).map_err(bad_map(name))?;
    data.set(0, value, 0).map_err(bad_map(name))
}

/// Keys and values of all maps of the loaded programs, but for the ring.
fn map_bytes(ebpf: &Ebpf) -> u64 {
    let loaded = ebpf
        .programs()
        .filter_map(|(_, program)| program.info().ok());
    let maps: BTreeSet<u32> = loaded
        .filter_map(|info| info.map_ids().ok().flatten())
        .flatten()
        .collect();
    maps.into_iter()
        .filter_map(|id| MapInfo::from_id(id).ok())
        .map(|info| match info.map_type() {
            Ok(MapType::RingBuf) => 0,
            Ok(MapType::PerCpuArray) => entries(&info) * u64::from(processors()),
            _ => entries(&info),
        })
        .sum()
}

fn entries(info: &MapInfo) -> u64 {
    u64::from(info.max_entries()) * (u64::from(info.key_size()) + u64::from(info.value_size()))
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, AttachError> {
    ebpf.take_map(name).ok_or(AttachError::Missing { name })
}

/// A map that stays where it is: programs that are not loaded yet know it by its descriptor.
pub(super) fn named<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<&'a Map, AttachError> {
    ebpf.map(name).ok_or(AttachError::Missing { name })
}

pub(super) fn bad_map(map: &'static str) -> impl Fn(MapError) -> AttachError {
    move |source| AttachError::BadMap { map, source }
}
