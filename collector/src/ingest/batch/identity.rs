//! Which server of the inventory a session is with.

use super::bounds::{ID_BYTES_MAX, cut};

/// Identity of the server in the inventory: its key; else its endpoint, which on loopback means this
/// host's; else what is known of it on this host.
pub(super) fn identity(
    host: &str,
    key: &Option<String>,
    endpoint: &Option<String>,
    name: &Option<String>,
    exe: &Option<String>,
) -> String {
    let known = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
    let identity = match (known(key), known(endpoint)) {
        (Some(key), _) if loopback(&key) => format!("{key} on {host}"),
        (Some(key), _) => key,
        (None, Some(endpoint)) if loopback(&endpoint) => format!("{endpoint} on {host}"),
        (None, Some(endpoint)) => endpoint,
        (None, None) => {
            let what = known(name)
                .or_else(|| known(exe))
                .unwrap_or_else(|| "?".to_owned());
            format!("unidentified:{what} on {host}")
        }
    };
    cut(identity, 2 * ID_BYTES_MAX)
}

/// Whether a URL names this very host.
fn loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = match host_port.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host_port.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_loopback_is_this_hosts_own() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            identity(
                "h",
                &some("npm:a"),
                &some("http://127.0.0.1:1/"),
                &None,
                &None
            ),
            "npm:a"
        );
        assert_eq!(
            identity("h", &None, &some("https://x.example/mcp"), &None, &None),
            "https://x.example/mcp"
        );
        assert_eq!(
            identity("h", &None, &some("http://localhost:1/mcp"), &None, &None),
            "http://localhost:1/mcp on h"
        );
        assert_eq!(
            identity("h", &None, &None, &some("n"), &some("/bin/x")),
            "unidentified:n on h"
        );
        assert!(!loopback("https://localhost.evil.example/"));
        assert!(!loopback("http://127.evil.example/"));
        assert!(loopback("http://[::1]:8080/mcp"));
    }
}
