//! `tp_btf/inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`.
//!
//! May run in a soft interrupt on top of another program, so it has no shared buffer, and the current
//! task is only the owner when a process asks to listen.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_abi::record::{End, Process, Socket, kind};

use crate::{emit, end, task};

const TCP_ESTABLISHED: i32 = 1;
const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;

#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let sock: u64 = ctx.arg(0);
    let state: i32 = ctx.arg(2);
    if state == TCP_ESTABLISHED || state == TCP_CLOSE || state == TCP_LISTEN {
        // SAFETY: a live socket.
        unsafe { tell(sock, state) };
    }
    0
}

#[inline(always)]
unsafe fn tell(sock: u64, state: i32) {
    let mut end = End::default();
    if !end::fill_tcp(sock, end::family_of(sock), &raw mut end) {
        return;
    }
    // The state is entered after the tracepoint.
    end.state = state as u8;
    if let Some(key) = end::key_of_sock(sock) {
        end.inode = key.inode;
        end.device = key.device as u32;
    }
    let process = if state == TCP_LISTEN {
        task::current_process()
    } else {
        Process::default()
    };
    let record = Socket {
        header: emit::header(kind::SOCKET, size_of::<Socket>()),
        process,
        end,
    };
    emit::send(&raw const record, size_of::<Socket>() as u64);
}
