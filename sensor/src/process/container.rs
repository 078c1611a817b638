//! The container that a process is in, from its cgroup path.
//!
//! The path is the kernel's, but its names are the runtime's: a process of root may make any. Nothing here is
//! proof of an image.

/// Longest container name taken, in bytes (lxc and nspawn have names instead of ids).
const NAME_BYTES_MAX: usize = 128;

/// Beginnings of scope names, and whose they are.
const SCOPES: &[(&str, &str)] = &[
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "crio"),
    ("libpod-", "podman"),
    ("cri-o-", "crio"),
];

/// A container as its cgroup names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// `docker`, `containerd`, `crio`, `podman`, `lxc`, `nspawn`; `unknown` where only an id shows.
    pub runtime: &'static str,
    /// The container's id, as its runtime writes it.
    pub id: String,
    /// The pod's UID, where the path has one.
    pub pod: Option<String>,
}

/// Reads a cgroup path, or the whole of `/proc/PID/cgroup`.
#[must_use]
pub fn container(cgroup: &str) -> Option<Container> {
    cgroup.lines().find_map(|line| {
        // `0::/path` or `4:memory:/path`; a bare path begins with a slash.
        let path = if line.starts_with('/') {
            line
        } else {
            line.splitn(3, ':').nth(2)?
        };
        of_path(path)
    })
}

/// The innermost container: one may run inside of another.
fn of_path(path: &str) -> Option<Container> {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let pod = segments.iter().find_map(|s| pod(s));
    (0..segments.len()).rev().find_map(|i| {
        let before = i.checked_sub(1).map(|i| segments[i]);
        let (runtime, id) = of_segment(segments[i], before, pod.is_some())?;
        Some(Container {
            runtime,
            id,
            pod: pod.clone(),
        })
    })
}

fn of_segment(segment: &str, before: Option<&str>, in_pod: bool) -> Option<(&'static str, String)> {
    // systemd driver of containerd: kubepods-….slice:cri-containerd:ID
    let mut parts = segment.split(':');
    if let (Some(slice), Some(kind), Some(id)) = (parts.next(), parts.next(), parts.next())
        && slice.ends_with(".slice")
        && is_id(id)
    {
        let runtime = if kind.starts_with("crio") {
            "crio"
        } else {
            "containerd"
        };
        return Some((runtime, id.to_owned()));
    }
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    for (prefix, runtime) in SCOPES {
        if let Some(id) = name.strip_prefix(prefix)
            && is_id(id)
        {
            return Some((runtime, id.to_owned()));
        }
    }
    if let Some(machine) = segment
        .strip_prefix("machine-")
        .and_then(|s| s.strip_suffix(".scope"))
    {
        return named("nspawn", machine);
    }
    if let Some(name) = segment.strip_prefix("lxc.payload.") {
        return named("lxc", name);
    }
    if before == Some("lxc") {
        return named("lxc", segment);
    }
    if !is_id(segment) {
        return None;
    }
    let runtime = match before {
        Some("docker") => "docker",
        Some("libpod" | "libpod_parent") => "podman",
        Some("k8s.io" | "default" | "moby" | "buildkit") => "containerd",
        Some("crio") => "crio",
        _ if in_pod => "containerd",
        _ => "unknown",
    };
    Some((runtime, segment.to_owned()))
}

fn named(runtime: &'static str, name: &str) -> Option<(&'static str, String)> {
    let fits = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| (runtime, name.to_owned()))
}

/// 64 hexadecimal digits: what all runtimes make.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `pod6f…`, `kubepods-burstable-pod6f….slice` (underscores for dashes): a UID of 36 characters, or the 32
/// hexadecimal digits of a static pod's digest.
fn pod(segment: &str) -> Option<String> {
    let bare = segment.split(':').next().unwrap_or(segment);
    let name = bare.strip_suffix(".slice").unwrap_or(bare);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None if name.starts_with("kubepods") => &name[name.rfind("-pod")? + 4..],
        None => return None,
    };
    let uid = uid.replace('_', "-");
    let hex = uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    (hex && matches!(uid.len(), 32 | 36)).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn paths_of_all_runtimes() {
        let low = UID.replace('-', "_");
        for (path, runtime, pod) in [
            (format!("/docker/{ID}"), "docker", false),
            (
                format!("0::/system.slice/docker-{ID}.scope\n"),
                "docker",
                false,
            ),
            (
                format!("12:pids:/docker/{ID}\n11:cpu:/docker/{ID}\n"),
                "docker",
                false,
            ),
            (
                format!("/docker/{}/docker/{ID}", "f".repeat(64)),
                "docker",
                false,
            ),
            (format!("/docker/{ID}/init.scope"), "docker", false),
            (
                format!("/kubepods/burstable/pod{UID}/{ID}"),
                "containerd",
                true,
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{low}.slice/cri-containerd-{ID}.scope"
                ),
                "containerd",
                true,
            ),
            (
                format!("/kubepods.slice/kubepods-pod{low}.slice/crio-{ID}.scope"),
                "crio",
                true,
            ),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-besteffort-pod{low}.slice:cri-containerd:{ID}"
                ),
                "containerd",
                true,
            ),
            (
                format!(
                    "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
                ),
                "podman",
                false,
            ),
            (format!("/machine.slice/libpod-{ID}.scope"), "podman", false),
            (format!("/default/{ID}"), "containerd", false),
            (format!("/ecs/task/{ID}"), "unknown", false),
        ] {
            let found = container(&path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((found.runtime, found.id.as_str()), (runtime, ID), "{path}");
            assert_eq!(found.pod.as_deref(), pod.then_some(UID), "{path}");
        }
        assert_eq!(
            container("/lxc.payload.web/init.scope")
                .map(|c| c.id)
                .as_deref(),
            Some("web")
        );
        assert_eq!(container("/lxc/web").map(|c| c.runtime), Some("lxc"));
        assert_eq!(
            container("/machine.slice/machine-deb.scope")
                .map(|c| c.id)
                .as_deref(),
            Some("deb")
        );
    }

    #[test]
    fn hosts_are_no_containers() {
        for path in [
            "",
            "/",
            "0::/\n",
            "0::/user.slice/user-1000.slice/session-2.scope\n",
            "/system.slice/docker.service",
            "/system.slice/docker-xyz.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-code-1234.scope",
            "garbage",
            "1:2",
            "/machine.slice/libpod-conmon-0123.scope",
        ] {
            assert_eq!(container(path), None, "{path}");
        }
    }
}
