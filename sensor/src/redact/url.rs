//! URLs: scheme, host, port and readable path stay.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{REDACTED, formats, names, percent, place, words};

/// Longest scheme taken for one.
const SCHEME_BYTES_MAX: usize = 32;

/// Schemes whose `//` is followed by a host. After others stands whatever the server likes.
const HOST_SCHEMES: &[&str] = &[
    "amqp",
    "amqps",
    "file",
    "ftp",
    "ftps",
    "git",
    "http",
    "https",
    "ldap",
    "ldaps",
    "mariadb",
    "mongodb",
    "mongodb+srv",
    "mysql",
    "nfs",
    "postgres",
    "postgresql",
    "redis",
    "rediss",
    "sftp",
    "smb",
    "ssh",
    "ws",
    "wss",
];

struct Parts<'a> {
    scheme: &'a str,
    /// Without user-info.
    host: &'a str,
    /// `user=a;password=b` behind the host: connection strings of databases.
    parameters: Option<&'a str>,
    /// Everything up to the query: `/…` or empty.
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

/// The redacted URL, or path with query; none where `url` is neither.
pub(super) fn pass(url: &str) -> Option<String> {
    if let Some(data) = url.get(..5)
        && data.eq_ignore_ascii_case("data:")
    {
        return Some(format!("data:{REDACTED}"));
    }
    let (parts, mut out) = if url.starts_with('/') && !url.contains(char::is_whitespace) {
        (relative(url), String::new())
    } else {
        let parts = parse(url)?;
        let out = format!("{}://{}", parts.scheme, host(parts.host));
        (parts, out)
    };
    if let Some(parameters) = parts.parameters {
        let _ = write!(out, ";{}", redacted_parameters(parameters, ';'));
    }
    out.push_str(&path(parts.path));
    if let Some(query) = parts.query {
        let _ = write!(out, "?{}", redacted_query(query));
    }
    match parts.fragment {
        None => {}
        Some("") => out.push('#'),
        Some(_) => {
            let _ = write!(out, "#{REDACTED}");
        }
    }
    Some(out)
}

fn parse(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme_fits = (1..=SCHEME_BYTES_MAX).contains(&scheme.len())
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !scheme_fits || rest.chars().any(char::is_whitespace) {
        return None;
    }
    let (rest, parameters) = split_parameters(rest);
    let rest = without_user_info(rest);
    let (rest, fragment) = split(rest, '#');
    let (rest, query) = split(rest, '?');
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(Parts {
        scheme,
        host,
        parameters,
        path,
        query,
        fragment,
    })
}

/// Path, query and fragment, as in a request line.
fn relative(url: &str) -> Parts<'_> {
    let (rest, fragment) = split(url, '#');
    let (path, query) = split(rest, '?');
    Parts {
        scheme: "",
        host: "",
        parameters: None,
        path,
        query,
        fragment,
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Cuts off the parameters behind the host: all to the end, since their values may have any sign of a URL in them.
/// With an `@` after it the semicolon may be one of a password, save where a name follows it.
fn split_parameters(rest: &str) -> (&str, Option<&str>) {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // Without a semicolon, what stands before the first sign of equality is no host but a name.
    let equals = authority.find('=').unwrap_or(authority.len());
    let at = match authority.find(';') {
        Some(at) => at,
        None if equals == authority.len() => return (rest, None),
        None => authority[..equals].rfind(['&', ',', '|', '!']).unwrap_or(0),
    };
    let after = authority[at..].trim_start_matches([';', '&', ',', '|', '!']);
    let named = after
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && !name.contains([':', '@']));
    if authority[at..].contains('@') && !(named && authority[at..].starts_with(';')) {
        return (rest, None);
    }
    let tail = &rest[at..];
    let tail = tail.strip_prefix([';', '&', ',', '|', '!']).unwrap_or(tail);
    (&rest[..at], Some(tail))
}

/// Drops `user:password@`. A password with `/` or `@` written plainly shows in that user-info, or something that is
/// no port, stands before it; then all up to the last `@` goes, save one that begins a segment (`/@scope`).
fn without_user_info(rest: &str) -> &str {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority
        .rfind('@')
        .map_or(authority, |at| &authority[at + 1..]);
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let strange = !host.ends_with(']') && !port.bytes().all(|b| b.is_ascii_digit());
    if !strange && host.len() == authority.len() {
        return rest;
    }
    let bytes = rest.as_bytes();
    let end = (1..rest.len()).rfind(|&i| bytes[i] == b'@' && bytes[i - 1] != b'/');
    end.map_or(&rest[authority.len() - host.len()..], |at| &rest[at + 1..])
}

/// Host and port. What stands in the place of the port and is none may be a password.
fn host(host: &str) -> String {
    let host = formats::pass(host);
    let (host, port) = match split_port(&host) {
        (host, Some(port)) if is_port(port) => (host, format!(":{port}")),
        (host, Some(_)) => (host, format!(":{REDACTED}")),
        (host, None) => (host, String::new()),
    };
    let label = |label: &str| {
        if label.contains(REDACTED) || words::is_secret(label) {
            REDACTED.to_owned()
        } else {
            label
                .chars()
                .filter(|c| c.is_alphanumeric() || "-_:[]%*{}$".contains(*c))
                .collect()
        }
    };
    let labels: Vec<String> = host.split('.').map(label).collect();
    labels.join(".") + &port
}

/// The last colon outside of brackets; an address of IPv6 without them has no port.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((front, port))
            if !front.contains(':')
                || front.ends_with(']')
                || !host.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') =>
        {
            // `[::1]` and `[::ffff:10.0.0.7]`: the colon is inside.
            if front.starts_with('[') && !front.contains(']') {
                (host, None)
            } else {
                (front, Some(port))
            }
        }
        _ => (host, None),
    }
}

/// A number, nothing, or what stands for one: `*`, `{port}`, `${PORT}`, `$PORT`.
fn is_port(port: &str) -> bool {
    let number = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let template = port.strip_prefix('$').unwrap_or(port);
    let name = template
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}'))
        .unwrap_or(template);
    let stands_for_one = name.eq_ignore_ascii_case("port") || port == "*" || port == REDACTED;
    number || stands_for_one
}

/// Labels of letters, digits, dashes, or an address; no host at all is fine.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            && !words::is_secret(label)
    };
    let address = || {
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        inner.is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    host.is_empty() || (host.len() <= 253 && name.split('.').all(label)) || address()
}

/// Segment by segment; what follows a segment that is named like a secret is one.
fn path(path: &str) -> String {
    let path = words::segments(&formats::pass(path));
    let mut out = String::with_capacity(path.len());
    let mut announced = false;
    for (i, segment) in path.split('/').enumerate() {
        if i > 0 {
            out.push('/');
        }
        if segment.contains(REDACTED) || (announced && !segment.is_empty()) {
            out.push_str(REDACTED);
        } else {
            out.push_str(&path_segment(segment));
        }
        announced = matches!(
            segment.to_ascii_lowercase().as_str(),
            "token"
                | "key"
                | "apikey"
                | "api_key"
                | "api-key"
                | "secret"
                | "password"
                | "auth_token"
                | "access_token"
        );
    }
    out
}

/// A segment, with parameters (`;token=x`) and encodings.
fn path_segment(segment: &str) -> String {
    let decoded = percent::decode(&percent::decode(segment));
    let secret = |text: &str| {
        formats::pass(text) != text
            || text
                .split(|c: char| !c.is_ascii_alphanumeric() && !"-_.~".contains(c))
                .any(words::is_secret)
    };
    if secret(segment)
        || (decoded != segment && (secret(&decoded) || decoded.contains(['@', '=', '?'])))
    {
        return REDACTED.to_owned();
    }
    // `user:password@host` where a proxy or a client took it for a path.
    if segment.contains(':') && segment.contains('@') && place::user_info(segment) != segment {
        return REDACTED.to_owned();
    }
    match segment.split_once(['=', ':']) {
        Some((name, value))
            if !value.is_empty()
                && names::is_secret_parameter(name.rsplit(';').next().unwrap_or(name)) =>
        {
            format!("{}{REDACTED}", &segment[..=name.len()])
        }
        _ => segment.to_owned(),
    }
}

/// Names stay, values go; a parameter without a name is a value.
fn redacted_query(query: &str) -> String {
    redacted_parameters(query, '&')
}

fn redacted_parameters(parameters: &str, separator: char) -> String {
    let parameter = |parameter: &str| match parameter.split_once('=') {
        _ if parameter.is_empty() => String::new(),
        Some((name, "")) => parameter_name(name) + "=",
        Some((name, _)) => format!("{}={REDACTED}", parameter_name(name)),
        None => REDACTED.to_owned(),
    };
    parameters
        .split(separator)
        .map(parameter)
        .collect::<Vec<_>>()
        .join(&separator.to_string())
}

fn parameter_name(name: &str) -> String {
    let odd = name.contains(['%', '@', '?']) || name.len() > 64;
    if name != REDACTED && (odd || words::is_secret(name) || formats::pass(name) != name) {
        REDACTED.to_owned()
    } else {
        name.to_owned()
    }
}

/// Scheme, host, digest. The host only where the scheme is known to have one and it is written like one.
pub(super) fn resource(uri: &str) -> String {
    let scheme_of = || {
        let scheme = uri.split_once(':')?.0;
        let fits = (1..=SCHEME_BYTES_MAX).contains(&scheme.len())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !words::is_secret(scheme);
        fits.then_some(scheme)
    };
    let mut digest = Sha256::new();
    let Some(parts) = parse(uri) else {
        digest.update(uri.as_bytes());
        let scheme = scheme_of().map(|s| format!("{s}:")).unwrap_or_default();
        return format!("{scheme}#{}", prefix(digest));
    };
    let (name, port) = split_port(parts.host);
    let port = port.filter(|port| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()));
    // No port that is none: it may be a password.
    let with_port = port.map_or(name, |_| parts.host);
    for part in [parts.scheme, with_port, parts.path] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    if let Some(parameters) = parts.parameters {
        digest.update(redacted_parameters(parameters, ';').as_bytes());
    }
    if let Some(query) = parts.query {
        digest.update(redacted_query(query).as_bytes());
    }
    let known = HOST_SCHEMES
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(parts.scheme));
    let host = if known && is_host_name(name) && formats::pass(name) == name {
        with_port
    } else {
        ""
    };
    let scheme = if words::is_secret(parts.scheme) {
        REDACTED
    } else {
        parts.scheme
    };
    format!("{scheme}://{host}#{}", prefix(digest))
}

fn prefix(digest: Sha256) -> String {
    digest
        .finalize()
        .iter()
        .take(8)
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
