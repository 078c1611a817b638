//! Which files of a process may be opened: those on local file systems.
//!
//! A dead network mount blocks whoever touches it, and opening a file over the network tells its server.

use std::fs::File;
use std::io::Read;

/// Longest list of mounts that is read, in bytes.
const MOUNTS_BYTES_MAX: u64 = 1024 * 1024;

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

/// The mounts that a process sees.
pub(super) struct Mounts {
    pid: u32,
    info: String,
}

impl Mounts {
    /// Reads them; none when the process is gone.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let info = read_bounded(&format!("/proc/{pid}/mountinfo"), MOUNTS_BYTES_MAX)?;
        Some(Self { pid, info })
    }

    /// The path under which this program can open what the process calls `path`; none when it is not on a
    /// local file system.
    pub(super) fn local(&self, path: &str, cwd: Option<&str>) -> Option<String> {
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", cwd?)
        };
        if path.split('/').any(|part| part == "..") {
            return None;
        }
        (!is_remote(&self.info, &path)).then(|| format!("/proc/{}/root{path}", self.pid))
    }
}

/// proc(5), mountinfo: the fifth field is the mount point, the first after ` - ` the type.
fn is_remote(info: &str, path: &str) -> bool {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.replace("\\040", " ");
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

/// A regular file's text, cut at `bytes_max`; invalid UTF-8 replaced.
pub(super) fn read_bounded(path: &str, bytes_max: u64) -> Option<String> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
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
    fn paths_are_seen_through_the_process() {
        let mounts = Mounts {
            pid: 7,
            info: INFO.into(),
        };
        assert_eq!(
            mounts.local("a.js", Some("/srv")).as_deref(),
            Some("/proc/7/root/srv/a.js")
        );
        assert_eq!(mounts.local("../a.js", Some("/srv")), None);
        assert_eq!(mounts.local("a.js", None), None);
    }
}
