//! The text of a whole head → its parts, as tolerant as the servers that read it.
//!
//! A line that cannot be read is left out and the rest stands: a session must not vanish behind a line
//! that its own server passes over. Strict is only what could end the body elsewhere for one reader than
//! for another: a length or transfer coding that is written so that some see it and some do not.

use super::{Headers, RequestHead, ResponseHead, Version};

/// Most header fields of one head that are kept whatever they are; servers refuse at 100 to 2,000.
pub(super) const FIELDS_MAX: usize = 1024;

/// Most fields with those that are kept past that, because they frame the body or tell what MCP needs.
const NEEDED_FIELDS_MAX: usize = 2 * FIELDS_MAX;

/// Reads a request head that `end_of_head` found whole.
pub(in super::super) fn request(text: &[u8]) -> Result<RequestHead, &'static str> {
    let mut lines = lines(text);
    let mut words = words(lines.next().unwrap_or_default());
    let (Some(method), Some(target), Some(number), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("bad_head");
    };
    if !method.iter().copied().all(is_token) {
        return Err("bad_head");
    }
    Ok(RequestHead {
        method: readable(method),
        target: readable(target),
        version: version(number)?,
        headers: fields(lines)?,
    })
}

/// Reads a response head that `end_of_head` found whole.
pub(in super::super) fn response(text: &[u8]) -> Result<ResponseHead, &'static str> {
    let mut lines = lines(text);
    let mut words = words(lines.next().unwrap_or_default());
    let version = version(words.next().unwrap_or_default())?;
    let status = match words.next() {
        Some(digits) if digits.len() == 3 => number(digits).ok_or("bad_head")?,
        _ => return Err("bad_head"),
    };
    Ok(ResponseHead {
        status,
        version,
        headers: fields(lines)?,
        assumed: false,
    })
}

/// Space or tab.
pub(in super::super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// May the byte be in a method or a field's name (RFC 9110, section 5.6.2)?
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        )
}

/// Empty lines between messages are allowed (RFC 9112, section 2.2).
pub(in super::super) fn skip_empty_lines(bytes: &[u8]) -> &[u8] {
    let ends = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    bytes.get(ends..).unwrap_or_default()
}

/// Without blanks at either end. Not `trim_ascii`: a form feed is no blank to every reader.
pub(in super::super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| is_blank(byte))
        .filter(|word| !word.is_empty())
}

/// `HTTP/1.1`; a minor version that does not exist is read as the newest, as RFC 9110, section 6.2 says.
fn version(text: &[u8]) -> Result<Version, &'static str> {
    match text.strip_prefix(b"HTTP/") {
        Some([major @ b'0'..=b'2', b'.', minor @ ..]) if minor.len() <= 4 => {
            let minor = number(minor).ok_or("http_version")?;
            Ok(match (major, minor) {
                (b'0', _) | (b'1', 0) => Version::Http10,
                _ => Version::Http11,
            })
        }
        _ => Err("http_version"),
    }
}

/// At most 4 digits as a number.
fn number(digits: &[u8]) -> Option<u16> {
    let all = !digits.is_empty() && digits.len() <= 4 && digits.iter().all(u8::is_ascii_digit);
    all.then(|| {
        digits
            .iter()
            .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
    })
}

/// Text of which nothing takes effect on a terminal or makes it equal to other text.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.contains(char::is_control) {
        text.replace(char::is_control, "\u{fffd}")
    } else {
        text.into_owned()
    }
}

fn fields<'t>(lines: impl Iterator<Item = &'t [u8]>) -> Result<Headers, &'static str> {
    let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
    // The line before is the last field that was kept, so a folded line goes on with it.
    let mut open = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        if hides_framing(line) {
            return Err("length_ambiguous");
        }
        if line.first().copied().is_some_and(is_blank) {
            if open && let Some((name, value)) = kept.last_mut() {
                fold(name, value, trim(line))?;
            }
            continue;
        }
        open = false;
        let Some((name, value)) = field(line) else {
            continue;
        };
        open = kept.len() < FIELDS_MAX || (is_needed(&name) && kept.len() < NEEDED_FIELDS_MAX);
        if open {
            kept.push((name, value));
        } else if frames(name.as_bytes()) {
            return Err("too_many_headers");
        }
    }
    Ok(Headers(kept))
}

/// A line's name in lower case and its value; none if it has no name that can be one.
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    let name = trim(name);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Some((name, clean(trim(value))))
}

/// A control byte becomes a sign that no other value has: no value is taken for one without it.
fn clean(value: &[u8]) -> Vec<u8> {
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if !value.iter().any(control) {
        return value.to_vec();
    }
    let sign = "\u{fffd}".as_bytes();
    value
        .iter()
        .flat_map(|byte| {
            if control(byte) {
                sign
            } else {
                std::slice::from_ref(byte)
            }
        })
        .copied()
        .collect()
}

/// Goes on with a value on the next line (RFC 9112, section 5.2).
fn fold(name: &str, value: &mut Vec<u8>, more: &[u8]) -> Result<(), &'static str> {
    if more.is_empty() {
        return Ok(());
    }
    if frames(name.as_bytes()) {
        return Err("length_ambiguous");
    }
    value.push(b' ');
    value.extend(clean(more));
    Ok(())
}

/// Does the line look to some reader as if it framed the body, and to another not? With something in
/// its name that does not belong there, or behind a carriage return that some take for a line end.
fn hides_framing(line: &[u8]) -> bool {
    let mut pieces = line.split(|&byte| byte == b'\r');
    let odd = pieces
        .next()
        .and_then(name_of)
        .is_some_and(|name| !name.iter().copied().all(is_token) && frames(&only_tokens(name)));
    odd || pieces
        .filter_map(name_of)
        .any(|name| frames(&only_tokens(name)))
}

fn name_of(line: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b':', line).and_then(|colon| line.get(..colon))
}

fn only_tokens(name: &[u8]) -> Vec<u8> {
    name.iter()
        .copied()
        .filter(|&byte| is_token(byte))
        .collect()
}

fn frames(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
}

/// Fields that no number of others pushes out.
fn is_needed(name: &str) -> bool {
    const NEEDED: [&str; 4] = ["host", "accept", "content-type", "content-encoding"];
    frames(name.as_bytes()) || NEEDED.contains(&name) || name.starts_with("mcp-")
}
