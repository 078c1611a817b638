//! The same JSON value, always written the same way (after RFC 8785).
//!
//! Keys in the order of their UTF-16 units, no white space, the fewest escapes, numbers as JavaScript
//! writes them. Different from the RFC where it would make different values equal: whole numbers of more than 15
//! digits and what is no JSON number stay as they were written.

use std::cmp::Ordering;
use std::ops::Range;

use super::json::{NotJson, Reader, Shape};

/// Deeper values are taken over as they are written.
const DEPTH_MAX: usize = 64;

/// Writes the value at the reader to `out` in canonical form.
pub(super) fn write(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), NotJson> {
    value(reader, out, 0)
}

fn value(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), NotJson> {
    match reader.shape()? {
        Shape::Object if depth < DEPTH_MAX => object(reader, out, depth),
        Shape::Array if depth < DEPTH_MAX => array(reader, out, depth),
        Shape::Text => {
            if let Some(text) = reader.string()? {
                string(&text, out);
            }
            Ok(())
        }
        Shape::Number => {
            if let Some(text) = reader.number()? {
                out.extend_from_slice(&number(text));
            }
            Ok(())
        }
        _ => {
            out.extend_from_slice(reader.raw()?);
            Ok(())
        }
    }
}

fn array(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), NotJson> {
    out.push(b'[');
    let start = out.len();
    reader.array(|reader| {
        if out.len() > start {
            out.push(b',');
        }
        value(reader, out, depth + 1)
    })?;
    out.push(b']');
    Ok(())
}

/// Members are written as they come, then put in order: one pass over the text.
fn object(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), NotJson> {
    let mut members: Vec<(Vec<u8>, Range<usize>)> = Vec::new();
    let start = out.len();
    reader.object(|reader, key| {
        let from = out.len();
        string(key, out);
        out.push(b':');
        value(reader, out, depth + 1)?;
        members.push((key.to_vec(), from..out.len()));
        Ok(())
    })?;
    // Stable: of two members with one key, the last stays the last, and it is the one that counts.
    members.sort_by(|(left, _), (right, _)| utf16_order(left, right));
    let mut ordered = Vec::with_capacity(out.len() - start + members.len() + 1);
    ordered.push(b'{');
    let mut members = members.iter().peekable();
    while let Some((key, range)) = members.next() {
        if members.peek().is_some_and(|(next, _)| next == key) {
            continue;
        }
        if ordered.len() > 1 {
            ordered.push(b',');
        }
        ordered.extend_from_slice(out.get(range.clone()).unwrap_or_default());
    }
    ordered.push(b'}');
    out.truncate(start);
    out.extend_from_slice(&ordered);
    Ok(())
}

fn utf16_order(left: &[u8], right: &[u8]) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        return left.cmp(right);
    }
    let (one, other) = (
        String::from_utf8_lossy(left),
        String::from_utf8_lossy(right),
    );
    (one.encode_utf16())
        .cmp(other.encode_utf16())
        .then_with(|| left.cmp(right))
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0x00..0x20))
    {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0x08 => out.extend(b"\\b"),
            0x09 => out.extend(b"\\t"),
            0x0a => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            0x0d => out.extend(b"\\r"),
            _ => out.extend(format!("\\u{byte:04x}").bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn number(text: &[u8]) -> Vec<u8> {
    let written = String::from_utf8_lossy(text);
    let digits = written.strip_prefix('-').unwrap_or(&written);
    if digits.len() > 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_vec();
    }
    match written.parse::<f64>() {
        Ok(0.0) => b"0".to_vec(),
        Ok(number) if number.is_finite() => {
            let size = number.abs();
            if (1e-6..1e21).contains(&size) {
                format!("{number}").into_bytes()
            } else {
                let text = format!("{number:e}");
                if size < 1.0 {
                    text.into_bytes()
                } else {
                    text.replace('e', "e+").into_bytes()
                }
            }
        }
        _ => text.to_vec(),
    }
}

#[cfg(test)]
mod tests;
