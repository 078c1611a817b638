//! The table of what is attached: which programs read a family of channels where it is written, what they are attached to in
//! which kernel, and what they rely on. A family of which one needed program is refused is read at system calls instead.
//!
//! | family | tier 1 | tier 2 |
//! |---|---|---|
//! | each below | its own functions, at their beginning or end | `tp_btf/sys_exit` for all that are not read by tier 1 |
//!
//! Kernels are told apart by what they have, never by version: a hook has the names of its function in the order in
//! which to try them.

use sensor_abi::flow::family;

use super::types::Argument::{self, Any, Named, Number, Rest, To};

/// When a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Before the function.
    Entry,
    /// After it.
    Exit,
}

impl When {
    /// As hooks are called everywhere.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Entry => "fentry",
            Self::Exit => "fexit",
        }
    }
}

/// One program on one function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook {
    /// The program's name in the object.
    pub(super) program: &'static str,
    /// Before or after.
    pub(super) when: When,
    /// Names of the function, the newest first.
    pub(super) functions: &'static [&'static str],
    /// What the program reads of its arguments.
    pub(super) arguments: &'static [Argument],
    /// Kernels that have none of these functions have no need of the program.
    pub(super) optional: bool,
}

/// Channels of one kind, and all programs that read them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// For people.
    pub(super) name: &'static str,
    /// Its bit in [`family`].
    pub(super) bit: u32,
    /// Families without which this one would miss something, as bits; they come before it.
    pub(super) needs: u32,
    /// The programs.
    pub(super) hooks: &'static [Hook],
}

const FILE: &[Argument] = &[To("kiocb"), To("iov_iter")];
const SOCKET: &[Argument] = &[To("socket"), To("msghdr"), Number];
const PAGE: &[Argument] = &[To("socket"), To("page"), Number, Number, Number];
const SOCKET_FLAGS: &[Argument] = &[To("socket"), To("msghdr"), Number, Named("flags")];

const fn entry(
    program: &'static str,
    functions: &'static [&'static str],
    arguments: &'static [Argument],
) -> Hook {
    Hook {
        program,
        when: When::Entry,
        functions,
        arguments,
        optional: false,
    }
}

const fn exit(
    program: &'static str,
    functions: &'static [&'static str],
    arguments: &'static [Argument],
) -> Hook {
    Hook {
        program,
        when: When::Exit,
        functions,
        arguments,
        optional: false,
    }
}

/// A hook that only some kernels need.
const fn where_it_is(hook: Hook) -> Hook {
    Hook {
        optional: true,
        ..hook
    }
}

/// What takes back passes that go by who holds what. No family can do without: its calls are let go by such passes.
pub(super) const HANDED: [Hook; 3] = [
    entry("scm_detach_fds", &["scm_detach_fds"], &[Rest]),
    where_it_is(entry(
        "receive_fd",
        &["receive_fd", "__receive_fd"],
        &[Rest],
    )),
    where_it_is(entry(
        "receive_fd_replace",
        &["receive_fd_replace"],
        &[Rest],
    )),
];

/// Every family. fs/pipe.c, net/unix/af_unix.c, net/ipv4/af_inet.c, drivers/tty/tty_io.c, fs/splice.c, fs/read_write.c.
pub(super) const FAMILIES: [Family; 6] = [
    // At system calls, readers are copied of what is spliced into a channel; where channels are read below that, they are not.
    Family {
        name: "splice",
        bit: family::SPLICE,
        needs: 0,
        hooks: &[
            exit(
                "do_splice",
                &["do_splice"],
                &[To("file"), Any, To("file"), Rest],
            ),
            exit("do_tee", &["do_tee"], &[To("file"), To("file"), Rest]),
            exit("do_sendfile", &["do_sendfile"], &[Number, Number, Rest]),
            exit(
                "vmsplice",
                &["__x64_sys_vmsplice", "__arm64_sys_vmsplice"],
                &[To("pt_regs")],
            ),
            where_it_is(exit(
                "vmsplice_narrow",
                &["__ia32_sys_vmsplice"],
                &[To("pt_regs")],
            )),
        ],
    },
    Family {
        name: "pipe",
        bit: family::PIPE,
        needs: family::SPLICE,
        hooks: &[
            exit("pipe_write", &["anon_pipe_write", "pipe_write"], FILE),
            entry("pipe_read", &["anon_pipe_read", "pipe_read"], FILE),
            entry(
                "pipe_release",
                &["pipe_release"],
                &[To("inode"), To("file")],
            ),
        ],
    },
    Family {
        name: "unix",
        bit: family::UNIX,
        needs: family::SPLICE,
        hooks: &[
            exit("unix_stream_sendmsg", &["unix_stream_sendmsg"], SOCKET),
            entry(
                "unix_stream_recvmsg",
                &["unix_stream_recvmsg"],
                SOCKET_FLAGS,
            ),
            exit(
                "unix_seqpacket_sendmsg",
                &["unix_seqpacket_sendmsg"],
                SOCKET,
            ),
            entry(
                "unix_seqpacket_recvmsg",
                &["unix_seqpacket_recvmsg"],
                SOCKET_FLAGS,
            ),
            entry("unix_release", &["unix_release"], &[To("socket")]),
            where_it_is(exit(
                "unix_stream_sendpage",
                &["unix_stream_sendpage"],
                PAGE,
            )),
        ],
    },
    Family {
        name: "tcp",
        bit: family::TCP,
        needs: family::SPLICE,
        hooks: &[
            exit("inet_sendmsg", &["inet_sendmsg"], SOCKET),
            exit("inet6_sendmsg", &["inet6_sendmsg"], SOCKET),
            exit("inet_recvmsg", &["inet_recvmsg"], SOCKET_FLAGS),
            exit("inet6_recvmsg", &["inet6_recvmsg"], SOCKET_FLAGS),
            where_it_is(exit("inet_sendpage", &["inet_sendpage"], PAGE)),
            entry("inet_release", &["inet_release"], &[To("socket")]),
        ],
    },
    Family {
        name: "pty",
        bit: family::PTY,
        needs: 0,
        hooks: &[
            exit("tty_write", &["tty_write"], FILE),
            exit("tty_read", &["tty_read"], FILE),
        ],
    },
    Family {
        name: "listen",
        bit: family::LISTEN,
        needs: 0,
        hooks: &[exit(
            "unix_listen",
            &["unix_listen"],
            &[To("socket"), Number],
        )],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::types::Types;

    #[test]
    fn every_hook_fits_this_kernel() {
        let types = Types::read().expect("this kernel has BTF");
        let hooks = FAMILIES.iter().flat_map(|family| family.hooks);
        for hook in HANDED.iter().chain(hooks) {
            let is_there = hook.functions.iter().any(|function| types.has(function));
            let checked = hook
                .functions
                .iter()
                .map(|function| types.check(function, hook.arguments));
            let fits = checked.clone().any(|checked| checked.is_ok());
            let absent = hook.optional && !is_there;
            assert!(
                fits || absent,
                "{}: {:?}",
                hook.program,
                checked.collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn a_family_comes_after_those_it_needs() {
        let mut before = 0;
        for family in &FAMILIES {
            assert_eq!(family.needs & !before, 0, "{}", family.name);
            before |= family.bit;
        }
    }
}
