//! Pseudo-terminals: master and slave as the two sides of one channel.
//!
//! Both are named by the inode of the slave in its devpts, since the master has none of its own. What the
//! terminal adds to the stream on its way (echo, line ends) is no call of anybody, so it is never copied: a
//! pseudo-terminal is copied where it is written, and only there.

use sensor_abi::{
    flow::FlowKey,
    record::{End, MASTER_DEVICE, channel},
};

use crate::{
    inode::{self, Kind, Object},
    memory::{kernel, offset},
};

/// `TTYAUX_MAJOR`, and of it /dev/tty and /dev/ptmx.
const AUXILIARY_MAJOR: u32 = 5;
const MINOR_TTY: u32 = 0;
const MINOR_PTMX: u32 = 2;
/// `UNIX98_PTY_MASTER_MAJOR`.
const MASTER_MAJOR: u32 = 128;
/// `UNIX98_PTY_SLAVE_MAJOR` and, a slave having one of eight, the last.
const SLAVE_MAJOR: u32 = 136;
const SLAVE_MAJOR_LAST: u32 = 143;
/// `MINORBITS`.
const MINOR_BITS: u32 = 20;

/// The side of a pseudo-terminal that a device file is, if it is one. Other terminals have only one side
/// on this host, and it is a person.
///
/// # Safety
/// `file` is a `struct file` of the device `number`.
#[inline(always)]
pub unsafe fn object_of(file: u64, number: u32) -> Option<Object> {
    if !may_be_terminal(number) || offset!(tty_link) == u32::MAX as usize {
        return None;
    }
    let private: u64 = kernel(file, offset!(file_private))?;
    let terminal: u64 = kernel(private, offset!(tty_file_tty))?;
    let driver: u64 = kernel(terminal, offset!(tty_driver))?;
    // The driver's kind is numbered differently in different kernels; its major is ABI.
    let major: u32 = kernel(driver, offset!(tty_driver_major))?;
    let slave: u64 = match major {
        MASTER_MAJOR => kernel(terminal, offset!(tty_link))?,
        SLAVE_MAJOR => terminal,
        _ => return None,
    };
    // `ptmx_open` leaves the slave's directory entry there.
    let entry: u64 = kernel(slave, offset!(tty_driver_data))?;
    let inode: u64 = kernel(entry, offset!(dentry_inode))?;
    let FlowKey { device, inode: at } = inode::key(inode)?;
    let side = if major == MASTER_MAJOR {
        u64::from(MASTER_DEVICE)
    } else {
        0
    };
    Some(Object {
        inode,
        kind: Kind::Terminal,
        key: FlowKey {
            device: device | side,
            inode: at,
        },
    })
}

#[inline(always)]
const fn may_be_terminal(number: u32) -> bool {
    let (major, minor) = (number >> MINOR_BITS, number & ((1 << MINOR_BITS) - 1));
    (major >= SLAVE_MAJOR && major <= SLAVE_MAJOR_LAST)
        || (major == AUXILIARY_MAJOR && (minor == MINOR_TTY || minor == MINOR_PTMX))
}

/// Fills in both sides.
///
/// # Safety
/// `end` points at a cleared end that has the object's own key.
#[inline(always)]
pub unsafe fn fill(object: &Object, end: *mut End) {
    (*end).channel = channel::PTY;
    (*end).peer_inode = object.key.inode;
    (*end).peer_device = object.key.device as u32 ^ MASTER_DEVICE;
}
