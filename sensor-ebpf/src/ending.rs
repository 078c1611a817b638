//! What a call returned says of the other side: that it is gone.

use sensor_abi::record::direction::{READ, WRITE};

use crate::inode::{Kind, Object};

/// The other side of a terminal is closed (`include/uapi/asm-generic/errno-base.h`); of anything else it says nothing.
pub const EIO: i64 = -5;
/// Memory that the call was to use is not to be used so.
pub const EFAULT: i64 = -14;
/// An argument is wrong.
pub const EINVAL: i64 = -22;
/// Nobody is left to read.
pub const EPIPE: i64 = -32;
/// The other side gave up (`include/uapi/asm-generic/errno.h`).
pub const ECONNRESET: i64 = -104;

/// A read of nothing where something was asked for, a write to nobody, a reset; of a terminal, that the other
/// side is closed.
#[inline(always)]
pub fn ends(object: &Object, way: u8, returned: i64, wanted: u64) -> bool {
    match returned {
        0 => way == READ && wanted > 0,
        EPIPE => way == WRITE,
        EIO => object.kind == Kind::Terminal,
        ECONNRESET => true,
        _ => false,
    }
}
