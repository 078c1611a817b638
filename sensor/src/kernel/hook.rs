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
}

/// Channels of one kind, and all programs that read them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// For people.
    pub(super) name: &'static str,
    /// Its bit in [`family`].
    pub(super) bit: u32,
    /// The programs.
    pub(super) hooks: &'static [Hook],
}

const FILE: &[Argument] = &[To("kiocb"), To("iov_iter")];
const SOCKET: &[Argument] = &[To("socket"), To("msghdr"), Number];
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
    }
}

/// Every family. fs/pipe.c, net/unix/af_unix.c, net/ipv4/af_inet.c, drivers/tty/tty_io.c, fs/splice.c, fs/read_write.c.
pub(super) const FAMILIES: [Family; 6] = [
    Family {
        name: "pipe",
        bit: family::PIPE,
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
            entry("scm_detach_fds", &["scm_detach_fds"], &[Rest]),
        ],
    },
    Family {
        name: "tcp",
        bit: family::TCP,
        hooks: &[
            exit("inet_sendmsg", &["inet_sendmsg"], SOCKET),
            exit("inet6_sendmsg", &["inet6_sendmsg"], SOCKET),
            exit("inet_recvmsg", &["inet_recvmsg"], SOCKET_FLAGS),
            exit("inet6_recvmsg", &["inet6_recvmsg"], SOCKET_FLAGS),
            entry("inet_release", &["inet_release"], &[To("socket")]),
        ],
    },
    Family {
        name: "pty",
        bit: family::PTY,
        hooks: &[
            exit("tty_write", &["tty_write"], FILE),
            exit("tty_read", &["tty_read"], FILE),
        ],
    },
    Family {
        name: "splice",
        bit: family::SPLICE,
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
        ],
    },
    Family {
        name: "listen",
        bit: family::LISTEN,
        hooks: &[exit(
            "unix_listen",
            &["unix_listen"],
            &[To("socket"), Number],
        )],
    },
];
