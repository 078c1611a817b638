//! Which files of a process may be opened: those on local file systems.
//!
//! A dead network mount blocks whoever touches it, and opening a file over the network tells its server.

use std::fs::File;
use std::io::Read;

use rustix::fs::{Mode, OFlags, ResolveFlags};

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
        let root = format!("/proc/{}/root", self.pid);
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, folder, Mode::empty()).ok()?;
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
pub(super) fn read_bounded(path: &str, bytes_max: u64) -> Option<String> {
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
