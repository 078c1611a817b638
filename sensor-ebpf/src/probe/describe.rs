//! What the kernel knows of a process, without its memory.

use sensor_abi::record::{Exec, Process};

use crate::{
    memory::{kernel, offset},
    task,
};

/// Fills in who a task is: ids, parent, executable's inode, users, cgroup.
///
/// # Safety
/// `task` is a live `struct task_struct`, `record` points at a record.
#[inline(always)]
pub unsafe fn describe(task: u64, record: *mut Exec) {
    (*record).process = task::process_of(task);
    let parent: u64 = kernel(task, offset!(task_real_parent)).unwrap_or(0);
    (*record).parent = if parent == 0 {
        Process::default()
    } else {
        task::process_of(parent)
    };
    let cred: u64 = kernel(task, offset!(task_cred)).unwrap_or(0);
    (*record).uid = kernel(cred, offset!(cred_uid)).unwrap_or(u32::MAX);
    (*record).login_uid = optional(task, offset!(task_loginuid));
    (*record).login_session = optional(task, offset!(task_sessionid));
    (*record).cgroup = cgroup_of(task);
    let memory: u64 = kernel(task, offset!(task_mm)).unwrap_or(0);
    let file: u64 = kernel(memory, offset!(mm_exe_file)).unwrap_or(0);
    let inode: u64 = kernel(file, offset!(file_inode)).unwrap_or(0);
    let block: u64 = kernel(inode, offset!(inode_sb)).unwrap_or(0);
    (*record).exe_inode = kernel(inode, offset!(inode_ino)).unwrap_or(0);
    (*record).exe_device = kernel(block, offset!(sb_dev)).unwrap_or(0);
    (*record).argv_bytes = 0;
    (*record).exe_bytes = 0;
    (*record).cwd_bytes = 0;
    (*record).flags = 0;
}

#[inline(always)]
unsafe fn optional(task: u64, offset: usize) -> u32 {
    if offset == u32::MAX as usize {
        return u32::MAX;
    }
    kernel(task, offset).unwrap_or(u32::MAX)
}

/// Id of a task's cgroup in the unified hierarchy.
#[inline(always)]
unsafe fn cgroup_of(task: u64) -> u64 {
    let set: u64 = kernel(task, offset!(task_cgroups)).unwrap_or(0);
    let group: u64 = kernel(set, offset!(css_set_cgroup)).unwrap_or(0);
    let node: u64 = kernel(group, offset!(cgroup_kn)).unwrap_or(0);
    kernel(node, offset!(kernfs_node_id)).unwrap_or(0)
}
