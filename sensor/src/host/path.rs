//! Which files of a process may be opened: those on local file systems.
//!
//! A dead network mount blocks whoever touches it, and opening a file over the network tells its server.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::event::Exec;

/// Longest list of mounts that is read, in bytes: a host of containers has some KiB for each.
const MOUNTS_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// File systems whose files come over a network, or from a program of a user.
const REMOTE: [&str; 16] = [
    "9p",
    "afs",
    "autofs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "fuse",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// The same by `f_type` (statfs(2)), for where a link has led: 9p, AFS, autofs, Ceph, CIFS, Coda, FUSE, NFS,
/// SMB, SMB2.
const REMOTE_MAGIC: [u32; 10] = [
    0x0102_1997,
    0x5346_414f,
    0x0187,
    0x00c3_6400,
    0xff53_4d42,
    0x7375_7245,
    0x6573_5546,
    0x6969,
    0x517b,
    0xfe53_4d42,
];

/// Opens what a process calls, or called, `path`. A server may live for milliseconds: where it is gone, its files are
/// looked for among the host's, if those have the very executable that it ran, so that it was in no container. A file
/// that was written to since may not be what ran.
pub(super) fn open_of(image: &Exec, path: &str) -> Option<File> {
    let cwd = image.cwd.as_deref();
    let own = Mounts::of(image.process.pid).and_then(|mounts| mounts.open(path, cwd));
    if own.is_some() || root_of(image.process.pid).is_some() {
        return own;
    }
    host().find_map(|host| Mounts::of_gone(image, host)?.open_untouched(image, path))
}

/// The executable of a process that is gone.
pub(super) fn executable_of_gone(image: &Exec) -> Option<File> {
    host().find_map(|host| Mounts::of(host)?.executable(image))
}

/// Whether a file is as it was when the process began. The time of its last change is the kernel's to set.
fn is_untouched(file: &File, image: &Exec) -> bool {
    let Ok(metadata) = file.metadata() else {
        return false;
    };
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(u64::MAX);
    let nanoseconds = u64::try_from(metadata.ctime_nsec()).unwrap_or(0);
    let changed = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds);
    changed <= image.started
}

/// A process's root; none when it is gone.
fn root_of(pid: u32) -> Option<rustix::fd::OwnedFd> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(format!("/proc/{pid}/root"), folder, Mode::empty()).ok()
}

/// Who sees what the host's own processes see: the first of them, or, where that one is closed to us, this one.
fn host() -> impl Iterator<Item = u32> {
    [1, std::process::id()].into_iter()
}

/// The mounts that a process sees.
pub(super) struct Mounts {
    pid: u32,
    info: String,
}

impl Mounts {
    /// Reads them; none when the process is gone, or has too many.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let info = read_bounded(&format!("/proc/{pid}/mountinfo"), MOUNTS_BYTES_MAX)?;
        Self::listed(pid, info)
    }

    /// None where the list was cut: the mount that a file lies on may be missing, and that one may be dead.
    fn listed(pid: u32, info: String) -> Option<Self> {
        ((info.len() as u64) < MOUNTS_BYTES_MAX).then_some(Self { pid, info })
    }

    /// Of a process that is gone, by another one.
    fn of_gone(image: &Exec, other: u32) -> Option<Self> {
        let mounts = Self::of(other)?;
        mounts.executable(image).is_some().then_some(mounts)
    }

    fn open_untouched(&self, image: &Exec, path: &str) -> Option<File> {
        let file = self.open(path, image.cwd.as_deref())?;
        is_untouched(&file, image).then_some(file)
    }

    /// The file that the process ran, if it is still at its path.
    fn executable(&self, image: &Exec) -> Option<File> {
        let file = self.open_untouched(image, image.exe.as_deref()?)?;
        let inode = file.metadata().ok()?.ino();
        (image.exe_inode?.inode == inode).then_some(file)
    }

    /// Opens what the process calls `path`, if that is a regular file on a local file system. Links are
    /// followed within the process's own root; nothing here waits for a pipe or a device.
    pub(super) fn open(&self, path: &str, cwd: Option<&str>) -> Option<File> {
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", cwd?)
        };
        let file = self.opened(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let kind = rustix::fs::fstatfs(&file).ok()?.f_type;
        let file = File::from(file);
        let regular = file.metadata().ok()?.is_file();
        // The kernel's own type differs in width and sign between architectures.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        let kind = kind as u32;
        (regular && !REMOTE_MAGIC.contains(&kind)).then_some(file)
    }

    /// Mode and owners of what the process calls `path`, an absolute one, if that is a socket on a local file
    /// system. It is not opened.
    pub(super) fn socket(&self, path: &str) -> Option<Stat> {
        let file = self.opened(path, OFlags::PATH)?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let socket = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        (socket == rustix::fs::FileType::Socket).then_some(Stat {
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
        })
    }

    /// Links are followed within the process's own root.
    fn opened(&self, path: &str, flags: OFlags) -> Option<rustix::fd::OwnedFd> {
        let outside = !path.starts_with('/') || path.split('/').any(|part| part == "..");
        if outside || is_remote(&self.info, path) {
            return None;
        }
        let root = root_of(self.pid)?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve).ok()
    }
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// proc(5), mountinfo: the fifth field is the mount point, the first after ` - ` the type.
fn is_remote(info: &str, path: &str) -> bool {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = unescaped(place.split(' ').nth(4)?);
        let kind = kind.split(' ').next()?.to_owned();
        let inside = point == "/" || path == point || path.strip_prefix(&point)?.starts_with('/');
        inside.then_some((point.len(), kind))
    };
    // Of mounts on one point the last is on top.
    let own = info
        .lines()
        .filter_map(mount)
        .max_by_key(|(length, _)| *length);
    own.is_none_or(|(_, kind)| REMOTE.contains(&kind.as_str()) || kind.starts_with("fuse."))
}

/// Text of a file in /proc.
pub(crate) fn read_bounded(path: &str, bytes_max: u64) -> Option<String> {
    text_of(File::open(path).ok()?, bytes_max)
}

/// A file's text, cut at `bytes_max`; invalid UTF-8 replaced.
pub(super) fn text_of(file: File, bytes_max: u64) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// proc(5): space, tab, newline and backslash are written in octal.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EndKey, ProcessKey};

    const INFO: &str = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
        30 22 0:40 / /home/mara/mnt rw shared:1 - nfs4 server:/x rw\n\
        31 22 0:41 / /srv/cloud rw - fuse.sshfs x rw\n";

    #[test]
    fn network_file_systems_are_left_alone() {
        assert!(!is_remote(INFO, "/home/mara/package.json"));
        assert!(is_remote(INFO, "/home/mara/mnt/package.json"));
        assert!(!is_remote(INFO, "/home/mara/mntx/package.json"));
        assert!(is_remote(INFO, "/srv/cloud/a"));
        assert!(is_remote("", "/a"), "not known is not opened");
    }

    #[test]
    fn a_list_that_was_cut_allows_nothing() {
        let local = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";
        assert!(Mounts::listed(1, local.to_owned()).is_some());
        let most = usize::try_from(MOUNTS_BYTES_MAX).expect("it fits") / local.len() + 1;
        assert!(Mounts::listed(1, local.repeat(most)).is_none());
    }

    #[test]
    fn files_of_who_is_gone_are_the_hosts_where_his_program_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["program", "other", "script"] {
            std::fs::write(path(name), name).expect("written");
        }
        let image = |program: &str, started| Exec {
            process: ProcessKey {
                pid: 1,
                start_ns: 1,
            },
            parent: None,
            started,
            exe: path("program").to_str().map(str::to_owned),
            exe_inode: std::fs::metadata(path(program)).ok().map(|m| EndKey {
                device: 0,
                inode: m.ino(),
            }),
            argv: Vec::new(),
            argv_truncated: false,
            cwd: folder.path().to_str().map(str::to_owned),
            uid: 0,
            login_uid: None,
            login_session: None,
            cgroup: 0,
        };
        let (later, here) = (u64::MAX, std::process::id());
        let gone = image("program", later);
        let mounts = Mounts::of_gone(&gone, here).expect("the host's");
        assert!(mounts.open_untouched(&gone, "script").is_some());
        // Another file at that path, as in a container of his own; and nothing known of it.
        assert!(Mounts::of_gone(&image("other", later), here).is_none());
        assert!(Mounts::of_gone(&image("none", later), here).is_none());
        // What was written to since it began.
        assert!(Mounts::of_gone(&image("program", 1), here).is_none());
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("package.json"), "{}").expect("written");
        let pipe = path("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .expect("a pipe");
        std::os::unix::fs::symlink("/dev/tty", path("link")).expect("a link");
        let mounts = Mounts::of(std::process::id()).expect("we live");
        let cwd = folder.path().to_str();
        assert!(mounts.open("package.json", cwd).is_some());
        assert!(mounts.open("pipe", cwd).is_none());
        assert!(mounts.open("link", cwd).is_none());
        assert!(mounts.open("../package.json", cwd).is_none());
        assert!(mounts.open("package.json", None).is_none());
    }
}
