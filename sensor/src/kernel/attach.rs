//! Attaches the programs: the best tier for each family of channels, one by one, and says what came of it.

use std::collections::BTreeMap;

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, Iter, Program, ProgramError},
};

use super::{
    AttachError, Reading,
    error::explain,
    hook::{FAMILIES, Family, HANDED, Hook, When},
    load::set_data,
    pages,
    types::Types,
};

/// Programs on BTF tracepoints, named as what they are attached to: processes and sockets. Without the first group
/// there is nothing to see, without the second something is missing.
pub(super) const REQUIRED: [&str; 3] = [
    "sched_process_exec",
    "sched_process_fork",
    "sched_process_exit",
];
const WANTED: [&str; 1] = ["inet_sock_set_state"];
/// Reads at system calls what no other program reads.
const FALLBACK: &str = "sys_exit";
/// Iterators: program and what it iterates over.
const ITERATORS: [(&str, &str); 2] = [
    ("snapshot_task", "task"),
    ("snapshot_task_file", "task_file"),
];

/// The tier of tracepoints and iterators that read no streams, which every supported kernel has.
const COMMON: &str = "2";

/// What is attached.
#[derive(Debug, Default)]
pub(super) struct Attached {
    /// Hook → its tier, or `off: reason`.
    pub(super) hooks: BTreeMap<String, String>,
    /// Hooks that are held by a link, each with its program's name in the object.
    pub(super) programs: Vec<(String, &'static str)>,
    /// Families that are read where they are written, as bits.
    pub(super) covered: u32,
    /// Family → how it is read.
    pub(super) families: Vec<(&'static str, String)>,
}

impl Attached {
    /// The family that a hook reads, where it is read by hooks of its own.
    pub(super) fn family_of(&self, hook: &str) -> Option<&'static str> {
        let (_, program) = self.programs.iter().find(|(name, _)| name == hook)?;
        let reads = |family: &&Family| {
            let mut hooks = family.hooks.iter();
            self.covered & family.bit != 0 && hooks.any(|hook| hook.program == *program)
        };
        FAMILIES.iter().find(reads).map(|family| family.name)
    }

    /// A program that is held by a link.
    fn hold(&mut self, hook: String, program: &'static str, tier: &str) {
        self.hooks.insert(hook.clone(), tier.to_owned());
        self.programs.push((hook, program));
    }

    /// Gives programs up that were attached and are of no use.
    fn release(&mut self, ebpf: &mut Ebpf, given_up: &[Hook]) {
        for hook in given_up {
            let held = |name: &str| name == hook.program;
            for (name, _) in self.programs.iter().filter(|(_, name)| held(name)) {
                self.hooks.remove(name);
            }
            self.programs.retain(|(_, name)| !held(name));
            detach(ebpf, hook);
        }
    }

    fn refuse(&mut self, hook: String, reason: &str) {
        self.hooks.insert(hook, format!("off: {reason}"));
    }
}

/// Attaches everything that `reading` asks for.
///
/// # Errors
/// A program that we cannot do without was refused.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    btf: &Btf,
    types: &Types,
    reading: Reading,
    streams: Result<(), String>,
) -> Result<Attached, AttachError> {
    let mut attached = Attached::default();
    // Iterators first: what can only be refused is known before anything is attached.
    for (name, target) in ITERATORS {
        let hook = format!("iter/{target}");
        match load_iterator(ebpf, name, target, btf) {
            Ok(()) => drop(attached.hooks.insert(hook, COMMON.to_owned())),
            Err(reason) => attached.refuse(hook, &reason),
        }
    }
    for name in WANTED {
        let hook = format!("tp_btf/{name}");
        match attach_tracepoint(ebpf, name, btf) {
            Ok(()) => attached.hold(hook, name, COMMON),
            Err(reason) => attached.refuse(hook, &reason),
        }
    }
    for name in REQUIRED {
        require(&mut attached, ebpf, name, btf)?;
    }
    if reading != Reading::SystemCalls {
        if streams.is_ok() {
            pages::tell(ebpf)?;
        }
        let streams = streams.and_then(|()| attach_all(&mut attached, ebpf, btf, types, &HANDED));
        for family in &FAMILIES {
            let outcome = match &streams {
                Ok(()) if family.needs & !attached.covered == 0 => {
                    attach_all(&mut attached, ebpf, btf, types, family.hooks)
                }
                Ok(()) => Err("what is spliced into it would be missed".to_owned()),
                Err(reason) => Err(reason.clone()),
            };
            match outcome {
                Ok(()) => {
                    attached.covered |= family.bit;
                    let how = "tier 1, where it is written".to_owned();
                    attached.families.push((family.name, how));
                }
                Err(reason) if reading == Reading::Streams => {
                    return Err(AttachError::NoFamily {
                        family: family.name,
                        reason,
                    });
                }
                Err(reason) => {
                    let how = format!("tier 2, at system calls: {reason}");
                    attached.families.push((family.name, how));
                }
            }
        }
    }
    if reading == Reading::SystemCalls {
        let how = "tier 2, at system calls: asked for by GNOMON_TIER";
        let all = FAMILIES.iter().map(|family| (family.name, how.to_owned()));
        attached.families.extend(all);
    }
    if attached.covered == 0 {
        // Nobody goes by the passes that these take back.
        attached.release(ebpf, &HANDED);
    }
    let every = FAMILIES.iter().fold(0, |bits, family| bits | family.bit);
    // Before the fallback runs: what others read already must not be told twice.
    set_data(ebpf, ".data.covered", attached.covered)?;
    if attached.covered != every {
        require(&mut attached, ebpf, FALLBACK, btf)?;
    }
    Ok(attached)
}

fn require(
    attached: &mut Attached,
    ebpf: &mut Ebpf,
    name: &'static str,
    btf: &Btf,
) -> Result<(), AttachError> {
    attach_tracepoint(ebpf, name, btf).map_err(|reason| AttachError::Refused {
        program: name,
        reason,
    })?;
    attached.hold(format!("tp_btf/{name}"), name, "2");
    Ok(())
}

/// Attaches all programs that belong together, or none.
fn attach_all(
    attached: &mut Attached,
    ebpf: &mut Ebpf,
    btf: &Btf,
    types: &Types,
    hooks: &[Hook],
) -> Result<(), String> {
    let mut done: Vec<(String, &Hook)> = Vec::new();
    for hook in hooks {
        if hook.optional && !hook.functions.iter().any(|function| types.has(function)) {
            continue;
        }
        match attach_hook(ebpf, btf, types, hook) {
            Ok(name) => done.push((name, hook)),
            Err(reason) => {
                for (_, hook) in done {
                    detach(ebpf, hook);
                }
                return Err(reason);
            }
        }
    }
    for (name, hook) in done {
        attached.hold(name, hook.program, "1");
    }
    Ok(())
}

/// Takes a program out of the kernel again.
fn detach(ebpf: &mut Ebpf, hook: &Hook) {
    let unloaded = match ebpf.program_mut(hook.program) {
        Some(Program::FEntry(program)) => program.unload(),
        Some(Program::FExit(program)) => program.unload(),
        _ => Ok(()),
    };
    if let Err(error) = unloaded {
        tracing::warn!(program = hook.program, %error, "a program stays attached without use");
    }
}

/// Attaches a program to the first of its functions that this kernel has; gives the hook's name.
fn attach_hook(ebpf: &mut Ebpf, btf: &Btf, types: &Types, hook: &Hook) -> Result<String, String> {
    let mut reason = String::new();
    for function in hook.functions {
        if let Err(why) = types.check(function, hook.arguments) {
            reason = why;
            continue;
        }
        let program = ebpf.program_mut(hook.program).ok_or("not in the object")?;
        match attach_to(program, hook.when, function, btf) {
            Ok(()) => return Ok(format!("{}/{function}", hook.when.name())),
            Err(why) => reason = format!("{function}: {why}"),
        }
    }
    Err(reason)
}

fn attach_to(program: &mut Program, when: When, function: &str, btf: &Btf) -> Result<(), String> {
    let outcome: Result<(), ProgramError> = (|| {
        match when {
            When::Entry => {
                let program: &mut FEntry = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
            When::Exit => {
                let program: &mut FExit = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
        }
        Ok(())
    })();
    outcome.map_err(|error| explain(&error))
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
