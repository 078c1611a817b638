//! What any program at system calls costs, ours or another's: for benchmarks to measure ours against.

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, ProgramError},
};

use super::{AttachError, error::explain, support::probe_object};

/// Program in the object, and the tracepoint it is for.
const PROGRAMS: [(&str, &str); 2] = [
    ("support_sys_enter", "sys_enter"),
    ("support_sys_exit", "sys_exit"),
];

/// Programs that do nothing, where every system call begins and ends. Dropping it detaches them.
#[derive(Debug)]
pub struct Floor {
    _ebpf: Ebpf,
}

impl Floor {
    /// Loads and attaches them.
    ///
    /// # Errors
    /// The kernel refuses, and why.
    pub fn attach() -> Result<Self, AttachError> {
        let refused =
            |program: &'static str| move |reason: String| AttachError::Refused { program, reason };
        let (mut ebpf, btf) = probe_object().map_err(refused(PROGRAMS[0].0))?;
        for (name, tracepoint) in PROGRAMS {
            attach(&mut ebpf, &btf, name, tracepoint)
                .map_err(|error| refused(name)(explain(&error)))?;
        }
        Ok(Self { _ebpf: ebpf })
    }
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, name: &str, tracepoint: &str) -> Result<(), ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load(tracepoint, btf)?;
    program.attach()?;
    Ok(())
}
