//! listen(2) on unix sockets: no tracepoint tells of them as `inet_sock_set_state` does
//! of TCP.

use sensor_abi::record::{End, Socket, channel, kind};

use crate::{emit, end, inode::Object, task};

/// Tells that the current process listens on the unix socket behind a descriptor, if it is one. User space asks
/// for its name: that takes more than an end has room for, and few sockets ever listen.
///
/// # Safety
/// Called at the return of listen(2), with offsets set.
#[inline(never)]
pub unsafe fn tell(fd: u32) {
    if let Some(object) = end::object_of(end::file_of(task::current(), fd)) {
        tell_of(&object);
    }
}

/// The same of a socket.
///
/// # Safety
/// As for [`tell`].
#[inline(always)]
pub unsafe fn tell_of(object: &Object) {
    let mut end = End::default();
    if !end::fill(object, &raw mut end) || end.channel != channel::UNIX {
        return;
    }
    let record = Socket {
        header: emit::header(kind::SOCKET, size_of::<Socket>()),
        process: task::current_process(),
        end,
    };
    emit::send(&raw const record, size_of::<Socket>() as u64);
}
