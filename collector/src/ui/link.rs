//! Addresses within the page: always a path of ours, values encoded, so that nothing leads elsewhere.

use form_urlencoded::Serializer;

/// `path?name=value&…`, without what is empty.
pub(super) fn to(path: &str, values: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    let mut any = false;
    for (name, value) in values {
        if !value.is_empty() {
            query.append_pair(name, value);
            any = true;
        }
    }
    if any {
        format!("{path}?{}", query.finish())
    } else {
        path.to_owned()
    }
}

/// One server.
pub(super) fn server(key: &str) -> String {
    to("/server", &[("key", key)])
}

/// One session; ids are of their host.
pub(super) fn session(host: &str, id: &str) -> String {
    to("/session", &[("host", host), ("id", id)])
}

/// One host.
pub(super) fn host(host: &str) -> String {
    to("/host", &[("name", host)])
}

/// One finding.
pub(super) fn finding(id: &str) -> String {
    to("/finding", &[("id", id)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        for value in [
            "javascript:alert(1)",
            "//evil.example/",
            "a&id=b#c?d",
            "\"><script>",
            "\u{202e}é\n",
        ] {
            let link = server(value);
            let query = link.strip_prefix("/server?key=").expect("our path");
            assert!(
                query
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"%+-_.*".contains(&b)),
                "{link}"
            );
            let back: Vec<_> =
                form_urlencoded::parse(&link.as_bytes()["/server?".len()..]).collect();
            assert_eq!(back.len(), 1);
            assert_eq!(back[0].1, value);
        }
        assert_eq!(to("/servers", &[("host", "")]), "/servers");
    }
}
