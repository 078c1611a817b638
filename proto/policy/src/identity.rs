//! Which server of the inventory a session is with: one rule for sensor and collector, so that both name
//! the subject of a finding alike.

/// Longest identity, bytes; longer ones are cut.
const IDENTITY_BYTES_MAX: usize = 512;

/// Identity of a server in the inventory: its key; else its endpoint, where loopback means the one of
/// `host`; else what is known of it on `host`. Empty texts count as unknown.
#[must_use]
pub fn server_identity(
    host: &str,
    key: Option<&str>,
    endpoint: Option<&str>,
    name: Option<&str>,
    exe: Option<&str>,
) -> String {
    let known = |value: Option<&str>| value.filter(|v| !v.is_empty()).map(str::to_owned);
    let mut identity = match known(key).or_else(|| known(endpoint)) {
        Some(known) if is_loopback(&known) => format!("{known} on {host}"),
        Some(known) => known,
        None => {
            let what = known(name)
                .or_else(|| known(exe))
                .unwrap_or_else(|| "?".to_owned());
            format!("unidentified:{what} on {host}")
        }
    };
    identity.truncate(identity.floor_char_boundary(IDENTITY_BYTES_MAX));
    identity
}

/// Whether a URL names this very host.
fn is_loopback(url: &str) -> bool {
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
        assert_eq!(
            server_identity("h", Some("npm:a"), Some("http://127.0.0.1:1/"), None, None),
            "npm:a"
        );
        assert_eq!(
            server_identity("h", None, Some("https://x.example/mcp"), None, None),
            "https://x.example/mcp"
        );
        assert_eq!(
            server_identity("h", Some(""), Some("http://localhost:1/mcp"), None, None),
            "http://localhost:1/mcp on h"
        );
        assert_eq!(
            server_identity("h", None, None, Some("n"), Some("/bin/x")),
            "unidentified:n on h"
        );
        assert_eq!(
            server_identity("h", None, None, None, None),
            "unidentified:? on h"
        );
        assert!(!is_loopback("https://localhost.evil.example/"));
        assert!(!is_loopback("http://127.evil.example/"));
        assert!(is_loopback("http://[::1]:8080/mcp"));
    }

    #[test]
    fn it_is_bounded() {
        let long = "é".repeat(1000);
        let identity = server_identity("h", Some(&long), None, None, None);
        assert_eq!(identity.len(), IDENTITY_BYTES_MAX);
    }
}
