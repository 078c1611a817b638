//! The links that hold our programs to the kernel, compared with those that should be there.
//!
//! Each is looked at by its descriptor in /proc/self/fdinfo, which shows the kernel's own number of it. A list of all links
//! of the kernel would take CAP_SYS_ADMIN, which is given up. A descriptor that does not show its link any more holds none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use aya::{
    Ebpf,
    programs::{Program, ProgramError},
};

/// Number of a link or of a program in this kernel; it is given once per boot.
type Id = u32;

/// Links as they were made.
#[derive(Debug, Default)]
pub(super) struct Links {
    intended: BTreeMap<String, Intended>,
}

#[derive(Debug)]
struct Intended {
    /// In the object.
    program: &'static str,
    links: BTreeSet<Id>,
    /// It was gone and has been attached again: that is tried once.
    again: bool,
}

/// A hook whose link is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its name, as in [`super::Kernel::hooks`].
    pub hook: String,
    /// Whether it could be attached again, else why not.
    pub again: Result<(), String>,
}

impl Links {
    /// Takes down which links hold these programs now: hook, and program in the object.
    ///
    /// # Errors
    /// Our own descriptors cannot be listed.
    pub(super) fn of(ebpf: &Ebpf, attached: &[(String, &'static str)]) -> io::Result<Self> {
        let held = held()?;
        let intended = attached
            .iter()
            .filter_map(|(hook, program)| {
                let links = links_of(ebpf, program, &held)?;
                let entry = Intended {
                    program,
                    links,
                    again: false,
                };
                Some((hook.clone(), entry))
            })
            .collect();
        Ok(Self { intended })
    }

    /// What should be attached: hook → its links.
    pub(super) fn intended(&self) -> BTreeMap<String, Vec<Id>> {
        let links = |entry: &Intended| entry.links.iter().copied().collect();
        self.intended
            .iter()
            .map(|(hook, entry)| (hook.clone(), links(entry)))
            .collect()
    }

    /// Finds hooks whose links are gone, and attaches each again, once. One that is gone for good is not looked for any more.
    ///
    /// # Errors
    /// Our own descriptors cannot be listed.
    pub(super) fn check(&mut self, ebpf: &mut Ebpf) -> io::Result<Vec<Gone>> {
        let live: BTreeSet<Id> = held()?.into_keys().collect();
        let mut gone = Vec::new();
        self.intended.retain(|hook, entry| {
            if entry.links.is_subset(&live) {
                return true;
            }
            let again = if entry.again {
                Err("detached a second time".to_owned())
            } else {
                attach_again(ebpf, entry)
            };
            entry.again = true;
            let stays = again.is_ok();
            gone.push(Gone {
                hook: hook.clone(),
                again,
            });
            stays
        });
        Ok(gone)
    }
}

fn attach_again(ebpf: &mut Ebpf, entry: &mut Intended) -> Result<(), String> {
    let program = ebpf.program_mut(entry.program).ok_or("not in the object")?;
    let attached: Result<(), ProgramError> = match program {
        Program::BtfTracePoint(program) => program.attach().map(drop),
        Program::FEntry(program) => program.attach().map(drop),
        Program::FExit(program) => program.attach().map(drop),
        _ => return Err("a program of this kind is attached at the start only".to_owned()),
    };
    attached.map_err(|error| super::error::explain(&error))?;
    let held = held().map_err(|error| error.to_string())?;
    entry.links = links_of(ebpf, entry.program, &held).unwrap_or_default();
    if entry.links.is_empty() {
        return Err("the kernel shows no link for it".to_owned());
    }
    Ok(())
}

/// The links of a program; none where the program cannot be asked.
fn links_of(ebpf: &Ebpf, program: &str, held: &BTreeMap<Id, Id>) -> Option<BTreeSet<Id>> {
    let id = ebpf.program(program)?.info().ok()?.id();
    let links = held.iter().filter(|(_, of)| **of == id);
    Some(links.map(|(link, _)| *link).collect())
}

/// The links that this process holds, and of which program each is.
fn held() -> io::Result<BTreeMap<Id, Id>> {
    let mut links = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // One that was closed meanwhile holds nothing.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        links.extend(link(&text));
    }
    Ok(links)
}

/// Link and program that a descriptor's entry shows (bpf_link_show_fdinfo).
fn link(fdinfo: &str) -> Option<(Id, Id)> {
    let number = |key: &str| {
        let line = fdinfo.lines().find_map(|line| line.strip_prefix(key));
        line?.trim().parse().ok()
    };
    Some((number("link_id:")?, number("prog_id:")?))
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "dup2 over a descriptor that aya owns")]

    use std::{fs::File, os::fd::AsRawFd as _, process::Command, time::Duration, time::Instant};

    use gnomon_tests::host;

    use super::*;
    use crate::{
        event::Body,
        kernel::{Kernel, Ring, Settings},
    };

    const HOOK: &str = "tp_btf/sched_process_exit";

    /// Takes a link away as somebody could who reaches into this process: its descriptor stands for something else.
    fn detach(link: Id) {
        let entries = fs::read_dir("/proc/self/fdinfo").expect("our own descriptors");
        let descriptor = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .find(|number| {
                let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}"));
                text.is_ok_and(|text| super::link(&text).is_some_and(|(id, _)| id == link))
            })
            .expect("a descriptor of the link");
        let nothing = File::open("/dev/null").expect("/dev/null");
        // SAFETY: both are open; whoever owns the descriptor closes it once, as before.
        let taken = unsafe { libc::dup2(nothing.as_raw_fd(), descriptor) };
        assert_eq!(taken, descriptor);
    }

    fn sees_an_exit(ring: &mut Ring) {
        let mut child = Command::new("true").spawn().expect("a program called true");
        let pid = child.id();
        child.wait().expect("its end");
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut events = Vec::new();
        while !events.iter().any(|event: &crate::event::Event| {
            matches!(event.body, Body::Exit { process } if process.pid == pid)
        }) {
            assert!(Instant::now() < deadline, "the exit is not seen");
            ring.read(Duration::from_millis(50), &mut events)
                .expect("the ring reads");
        }
    }

    #[test]
    fn a_detached_probe_is_told_and_attached_again_once() {
        host::share().expect("a share of the host");
        let mut kernel = Kernel::attach(&Settings::default()).expect("the kernel side attaches");
        let mut ring = kernel.take_ring().expect("the first to ask");
        let link = |kernel: &Kernel| {
            let intended = kernel.intended();
            assert!(
                intended.values().all(|links| links.len() == 1),
                "{intended:?}"
            );
            intended[HOOK][0]
        };
        let hooks = kernel.hooks();
        let by_link = hooks
            .iter()
            .filter(|(hook, state)| hook.starts_with("tp_btf/") && *state == "2");
        assert!(
            by_link.eq(kernel.intended().keys().map(|hook| (hook, &hooks[hook]))),
            "{hooks:?}"
        );
        assert_eq!(kernel.check_links().expect("a look"), []);

        let before = link(&kernel);
        detach(before);
        let again = Gone {
            hook: HOOK.to_owned(),
            again: Ok(()),
        };
        assert_eq!(kernel.check_links().expect("a look"), [again]);
        assert_eq!(
            (kernel.hooks()[HOOK].as_str(), link(&kernel) == before),
            ("2", false)
        );
        sees_an_exit(&mut ring);
        assert_eq!(kernel.check_links().expect("a look"), []);

        detach(link(&kernel));
        let gone = kernel.check_links().expect("a look");
        assert!(
            matches!(&gone[..], [Gone { hook, again: Err(_) }] if hook == HOOK),
            "{gone:?}"
        );
        assert!(
            kernel.hooks()[HOOK].starts_with("off: "),
            "{:?}",
            kernel.hooks()
        );
        assert!(!kernel.intended().contains_key(HOOK));
        assert_eq!(kernel.check_links().expect("a look"), [], "told once");
    }

    #[test]
    fn reads_the_kernels_forms() {
        let shown = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\nlink_type:\ttracing\nlink_id:\t7\nprog_tag:\tab\nprog_id:\t31\n";
        assert_eq!(link(shown), Some((7, 31)));
        // A program's own descriptor is no link.
        assert_eq!(link("prog_type:\t26\nprog_id:\t31\n"), None);
        assert_eq!(link("link_id:\tx\nprog_id:\t31\n"), None);
        held().expect("our own descriptors");
    }
}
