//! Which server of the inventory a session is with: one rule for sensor and collector, so that both name
//! the subject of a finding alike.

use sha2::{Digest as _, Sha256};

/// Longest identity, bytes; longer ones are cut, and end in a digest of the whole.
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
    if identity.len() > IDENTITY_BYTES_MAX {
        let mark = mark(&identity);
        identity.truncate(identity.floor_char_boundary(IDENTITY_BYTES_MAX - mark.len()));
        identity.push_str(&mark);
    }
    identity
}

/// Whether a URL names this very host.
/// What tells apart identities that begin alike.
fn mark(identity: &str) -> String {
    let digest = Sha256::digest(identity);
    let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!("…{}", digits.collect::<String>())
}

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
        for length in [IDENTITY_BYTES_MAX / 2 + 1, 1000] {
            let long = "é".repeat(length);
            let identity = server_identity("h", Some(&long), None, None, None);
            assert!((IDENTITY_BYTES_MAX - 1..=IDENTITY_BYTES_MAX).contains(&identity.len()));
        }
        let whole = "a".repeat(IDENTITY_BYTES_MAX);
        assert_eq!(server_identity("h", Some(&whole), None, None, None), whole);
    }

    #[test]
    fn long_ones_are_told_apart_and_stay_their_hosts() {
        let key = |end: &str| format!("file:/{}/{end}", "a".repeat(IDENTITY_BYTES_MAX));
        let of = |host: &str, key: &str| server_identity(host, Some(key), None, None, None);
        assert_ne!(of("h", &key("one.js")), of("h", &key("two.js")));
        let url = format!("http://localhost:1/{}", "a".repeat(IDENTITY_BYTES_MAX));
        assert_ne!(of("h", &url), of("other", &url));
        assert_eq!(of("h", &url), of("h", &url));
    }
}
