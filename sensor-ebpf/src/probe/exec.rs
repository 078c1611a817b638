//! `tp_btf/sched_process_exec(struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)`.
//!
//! Everything is taken here and now: children of AI clients live for milliseconds, and what they
//! were is not in /proc any more by the time anybody could look.

use core::ffi::c_void;
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::{
    helpers::{
        bpf_loop,
        generated::{bpf_probe_read_kernel_str, bpf_probe_read_user},
    },
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use sensor_abi::record::{ARGV_BYTES_MAX, Exec, NAME_BYTES_MAX, PATH_BYTES_MAX, exec_flag, kind};

use crate::{
    emit,
    maps::{EXECS, ExecScratch},
    memory::{kernel, offset},
    pass,
    probe::describe,
    task,
};

/// Components of a path; deeper ones are told as truncated.
const DEPTH_MAX: u32 = 256;
const DATA_BYTES_MAX: u64 = (ARGV_BYTES_MAX + 2 * PATH_BYTES_MAX) as u64;

#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let task: u64 = ctx.arg(0);
    // SAFETY: the current task, with its new memory.
    unsafe {
        pass::turn_epoch();
        if let Some(scratch) = EXECS.get_ptr_mut(0) {
            tell(task, scratch);
        }
    }
    0
}

#[inline(always)]
unsafe fn tell(task: u64, scratch: *mut ExecScratch) {
    let record = &raw mut (*scratch).record;
    (*record).header = emit::header(kind::EXEC, 0);
    describe::describe(task, record);
    (*record).process = task::current_process();
    let argv = copy_argv(task, scratch);
    let path = &raw mut (*scratch).path;
    (*path).fill = argv;
    let memory: u64 = kernel(task, offset!(task_mm)).unwrap_or(0);
    let file: u64 = kernel(memory, offset!(mm_exe_file)).unwrap_or(0);
    let exe = walk(
        scratch,
        file + offset!(file_path) as u64,
        exec_flag::EXE_TRUNCATED,
    );
    (*record).exe_bytes = (exe - argv) as u32;
    let fs: u64 = kernel(task, offset!(task_fs)).unwrap_or(0);
    let cwd = walk(
        scratch,
        fs + offset!(fs_pwd) as u64,
        exec_flag::CWD_TRUNCATED,
    );
    (*record).cwd_bytes = (cwd - exe) as u32;
    let fill = read_volatile(&raw const (*path).fill);
    if fill > DATA_BYTES_MAX {
        return;
    }
    let length = size_of::<Exec>() as u64 + fill;
    (*record).header.length = length as u32;
    emit::send(record, length);
}

/// Copies the arguments to the start of the data; returns how many bytes.
#[inline(always)]
unsafe fn copy_argv(task: u64, scratch: *mut ExecScratch) -> u64 {
    let record = &raw mut (*scratch).record;
    let memory: u64 = kernel(task, offset!(task_mm)).unwrap_or(0);
    let start: u64 = kernel(memory, offset!(mm_arg_start)).unwrap_or(0);
    let end: u64 = kernel(memory, offset!(mm_arg_end)).unwrap_or(0);
    let path = &raw mut (*scratch).path;
    // Through the map: the bound must be checked on the very value that is used.
    write_volatile(&raw mut (*path).fill, end.saturating_sub(start));
    let mut length = read_volatile(&raw const (*path).fill);
    if length > ARGV_BYTES_MAX as u64 {
        length = ARGV_BYTES_MAX as u64;
        (*record).flags |= exec_flag::ARGV_TRUNCATED;
    }
    let data = (&raw mut (*scratch).data).cast::<c_void>();
    if bpf_probe_read_user(data, length as u32, start as *const c_void) != 0 {
        (*record).flags |= exec_flag::ARGV_TRUNCATED;
        length = 0;
    }
    (*record).argv_bytes = length as u32;
    length
}

/// Appends the components of the `struct path` at `address`; returns the new fill.
#[inline(always)]
unsafe fn walk(scratch: *mut ExecScratch, address: u64, truncated: u32) -> u64 {
    let path = &raw mut (*scratch).path;
    let mount: u64 = kernel(address, offset!(path_mnt)).unwrap_or(0);
    (*path).mount = mount.wrapping_sub(offset!(mount_mnt) as u64);
    (*path).dentry = kernel(address, offset!(path_dentry)).unwrap_or(0);
    (*path).limit = read_volatile(&raw const (*path).fill) + PATH_BYTES_MAX as u64;
    (*path).done = 0;
    bpf_loop(
        DEPTH_MAX,
        component as *mut c_void,
        core::ptr::null_mut(),
        0,
    );
    if read_volatile(&raw const (*path).done) == 0 {
        (*scratch).record.flags |= truncated;
    }
    read_volatile(&raw const (*path).fill)
}

/// Appends one component and goes to its parent, across mounts.
unsafe extern "C" fn component(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = EXECS.get_ptr_mut(0) else {
        return 1;
    };
    let path = &raw mut (*scratch).path;
    let dentry = read_volatile(&raw const (*path).dentry);
    let mount = read_volatile(&raw const (*path).mount);
    let root: u64 = kernel(mount, offset!(mount_mnt) + offset!(vfsmount_root)).unwrap_or(0);
    let parent: u64 = kernel(dentry, offset!(dentry_parent)).unwrap_or(0);
    if dentry == root || dentry == parent {
        let above: u64 = kernel(mount, offset!(mount_parent)).unwrap_or(0);
        if above == mount || above == 0 {
            (*path).done = u64::from(above == mount);
            return 1;
        }
        (*path).dentry = kernel(mount, offset!(mount_mountpoint)).unwrap_or(0);
        (*path).mount = above;
        return 0;
    }
    let fill = read_volatile(&raw const (*path).fill);
    let limit = read_volatile(&raw const (*path).limit);
    if fill + NAME_BYTES_MAX as u64 > limit || fill > DATA_BYTES_MAX {
        return 1;
    }
    let name: u64 = kernel(dentry, offset!(dentry_name)).unwrap_or(0);
    let target = (&raw mut (*scratch).data).cast::<u8>().add(fill as usize);
    let copied =
        bpf_probe_read_kernel_str(target.cast(), NAME_BYTES_MAX as u32, name as *const c_void);
    if copied <= 0 {
        return 1;
    }
    (*path).fill = fill + copied as u64;
    (*path).dentry = parent;
    0
}
