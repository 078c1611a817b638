//! Values that the sensor sets in the programs before they are loaded.

/// Buffers for transfers of one processor: where the kernel may be preempted, so may a program, and another hook's may run
/// on the same processor.
pub const LEVELS: u32 = 2;

/// Where a member of a kernel structure is: its field here, the structure, the path of the member,
/// and who needs it.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Structure's name in BTF; `enum …`: an enumeration, of which the value is wanted.
    pub structure: &'static str,
    /// Members from there on, dots between; anonymous structures and unions are looked through. `|` between names that
    /// kernels gave it one after the other; none: the size of the structure.
    pub path: &'static str,
    /// What there is not without it.
    pub need: Need,
}

/// What a [`Member`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing works without it.
    Always,
    /// Streams are not read where they are written (tier 1) without it.
    Streams,
    /// The programs do without it.
    Nothing,
}

macro_rules! offsets {
    ($($field:ident = $structure:literal . $path:literal $($need:ident)?;)*) => {
        /// Byte offsets of members of kernel structures, `u32::MAX` where not known.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[expect(missing_docs, reason = "named after what MEMBERS says in full")]
        pub struct Offsets { $(pub $field: u32,)* }

        impl Offsets {
            /// Nothing known.
            pub const UNKNOWN: Self = Self { $($field: u32::MAX,)* };
        }

        /// What each field of [`Offsets`] is, in the order of the fields.
        pub const MEMBERS: &[Member] = &[
            $(Member {
                structure: $structure,
                path: $path,
                need: offsets!(@need $($need)?),
            },)*
        ];
    };
    (@need optional) => { Need::Nothing };
    (@need streams) => { Need::Streams };
    (@need) => { Need::Always };
}

offsets! {
    task_files = "task_struct"."files";
    task_group_leader = "task_struct"."group_leader";
    task_start_boottime = "task_struct"."start_boottime";
    task_self_exec_id = "task_struct"."self_exec_id";
    task_pid = "task_struct"."pid";
    task_tgid = "task_struct"."tgid";
    task_real_parent = "task_struct"."real_parent";
    task_signal = "task_struct"."signal";
    task_mm = "task_struct"."mm";
    task_fs = "task_struct"."fs";
    task_cred = "task_struct"."cred";
    task_cgroups = "task_struct"."cgroups";
    task_loginuid = "task_struct"."loginuid.val" optional;
    task_sessionid = "task_struct"."sessionid" optional;
    task_info_status = "task_struct"."thread_info.status" optional;
    task_info_flags = "task_struct"."thread_info.flags" optional;
    task_io_uring = "task_struct"."io_uring" optional;
    files_count = "files_struct"."count.counter" optional;
    files_fdt = "files_struct"."fdt";
    fdt_max_fds = "fdtable"."max_fds";
    fdt_fd = "fdtable"."fd";
    file_inode = "file"."f_inode";
    file_mode = "file"."f_mode";
    file_path = "file"."f_path";
    file_private = "file"."private_data";
    inode_mode = "inode"."i_mode";
    inode_sb = "inode"."i_sb";
    inode_ino = "inode"."i_ino";
    inode_rdev = "inode"."i_rdev";
    sb_dev = "super_block"."s_dev";
    socket_alloc_inode = "socket_alloc"."vfs_inode";
    socket_sk = "socket"."sk";
    sock_socket = "sock"."sk_socket";
    sock_type = "sock"."sk_type";
    sock_protocol = "sock"."sk_protocol";
    sock_family = "sock_common"."skc_family";
    sock_state = "sock_common"."skc_state";
    sock_daddr = "sock_common"."skc_daddr";
    sock_rcv_saddr = "sock_common"."skc_rcv_saddr";
    sock_dport = "sock_common"."skc_dport";
    sock_num = "sock_common"."skc_num";
    inet_sport = "inet_sock"."inet_sport";
    sock_net = "sock_common"."skc_net.net" optional;
    sock_v6_daddr = "sock_common"."skc_v6_daddr" optional;
    sock_v6_rcv_saddr = "sock_common"."skc_v6_rcv_saddr" optional;
    net_inum = "net"."ns.inum";
    unix_peer = "unix_sock"."peer";
    signal_live = "signal_struct"."live.counter";
    signal_threads = "signal_struct"."nr_threads" optional;
    mm_arg_start = "mm_struct"."arg_start";
    mm_arg_end = "mm_struct"."arg_end";
    mm_exe_file = "mm_struct"."exe_file";
    fs_pwd = "fs_struct"."pwd";
    path_mnt = "path"."mnt";
    path_dentry = "path"."dentry";
    mount_mnt = "mount"."mnt";
    mount_parent = "mount"."mnt_parent";
    mount_mountpoint = "mount"."mnt_mountpoint";
    vfsmount_root = "vfsmount"."mnt_root";
    dentry_parent = "dentry"."d_parent";
    dentry_name = "dentry"."d_name.name";
    dentry_inode = "dentry"."d_inode";
    tty_file_tty = "tty_file_private"."tty" optional;
    tty_driver = "tty_struct"."driver" optional;
    tty_driver_data = "tty_struct"."driver_data" optional;
    tty_link = "tty_struct"."link" optional;
    tty_driver_major = "tty_driver"."major" optional;
    cred_uid = "cred"."uid.val";
    css_set_cgroup = "css_set"."dfl_cgrp";
    cgroup_kn = "cgroup"."kn";
    kernfs_node_id = "kernfs_node"."id";
    kiocb_file = "kiocb"."ki_filp" streams;
    file_count = "file"."f_count|f_ref" streams;
    file_count_is_offset = "file"."f_ref" optional;
    socket_file = "socket"."file" streams;
    msghdr_iter = "msghdr"."msg_iter" streams;
    msghdr_flags = "msghdr"."msg_flags" streams;
    iter_kind = "iov_iter"."iter_type" streams;
    iter_skip = "iov_iter"."iov_offset" streams;
    iter_count = "iov_iter"."count" streams;
    iter_vector = "iov_iter"."__iov|iov" streams;
    iter_buffer = "iov_iter"."ubuf" optional;
    iter_is_buffer = "enum iter_type"."ITER_UBUF" optional;
    iter_is_vector = "enum iter_type"."ITER_IOVEC" streams;
    iter_is_kernel = "enum iter_type"."ITER_KVEC" streams;
    iter_is_pages = "enum iter_type"."ITER_BVEC" streams;
    pipe_head = "pipe_inode_info"."head" streams;
    pipe_tail = "pipe_inode_info"."tail" streams;
    pipe_ring_size = "pipe_inode_info"."ring_size" streams;
    pipe_writers = "pipe_inode_info"."writers" streams;
    pipe_buffers = "pipe_inode_info"."bufs" streams;
    pipe_buffer_size = "pipe_buffer"."" streams;
    pipe_buffer_page = "pipe_buffer"."page" streams;
    pipe_buffer_skip = "pipe_buffer"."offset" streams;
    pipe_buffer_length = "pipe_buffer"."len" streams;
    page_size = "page"."" streams;
}

const _: () = assert!(core::mem::size_of::<Offsets>() == MEMBERS.len() * 4);

/// How the kernel maps its memory, where user space found out; all zero where not.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages {
    /// Where the kernel keeps the address of its `struct page`s (`vmemmap_base`).
    pub map_at: u64,
    /// Where it keeps the address at which it maps all memory (`page_offset_base`).
    pub memory_at: u64,
    /// `PAGE_SHIFT`.
    pub page_shift: u64,
}

const _: () = assert!(core::mem::size_of::<Pages>() == 24);
