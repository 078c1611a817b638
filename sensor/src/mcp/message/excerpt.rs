//! What can be said of a message of which only the beginning and the end were kept.

use super::{Envelope, Kind, Message, Outcome, kind, without_mark};
use crate::mcp::json::Reader;
use crate::mcp::signature::Marks;

/// Reads a request or an answer by its first and its last bytes; none when they do not tell which one it is.
///
/// It has no marks: a text that was not read whole proves nothing of its protocol. Names that stand in the middle are
/// missing, and so are tools.
#[must_use]
pub fn excerpt(head: &[u8], tail: &[u8], length: u64) -> Option<Message> {
    let mut envelope = Envelope::default();
    // It ends where the text was cut, with an error; what was read before stays.
    let mut reader = Reader::new(without_mark(before_number(head)));
    let _ = envelope.read_into(&mut reader);
    let (has_id, is_rpc) = (envelope.id.is_some(), envelope.is_rpc);
    if (!has_id || !is_rpc || envelope.method.is_none())
        && let Some(last) = last_members(tail)
    {
        envelope.id = envelope.id.or(last.id);
        envelope.is_rpc |= last.is_rpc;
        envelope.method = envelope.method.or(last.method);
    }
    if !envelope.is_rpc || envelope.id.is_none() {
        return None;
    }
    let (mut kind, _) = kind(envelope)?;
    if let Kind::Response(response) = &mut kind {
        response.tools = None;
        // Quotation marks inside of a text have a backslash before them: this is a key.
        let says = |key: &[u8]| memchr::memmem::find(tail, key).is_some();
        let failed = says(b"\"isError\":true") || says(b"\"isError\": true");
        if failed && response.outcome == Outcome::Ok {
            response.outcome = Outcome::ToolError;
        }
    }
    Some(Message {
        bytes: usize::try_from(length).unwrap_or(usize::MAX),
        kind,
        marks: Marks::default(),
        duplicate_key: false,
    })
}

/// A number at the cut may go on behind it.
fn before_number(head: &[u8]) -> &[u8] {
    let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let digits = head.iter().rev().take_while(is_part).count();
    head.get(..head.len() - digits).unwrap_or_default()
}

/// The members that the outermost object ends with: the longest end of the text that is an object once it has a
/// bracket before it.
fn last_members(tail: &[u8]) -> Option<Envelope> {
    let commas = memchr::memchr_iter(b',', tail);
    commas
        .filter_map(|at| tail.get(at + 1..))
        .find_map(|members| {
            let mut object = Vec::with_capacity(members.len() + 1);
            object.push(b'{');
            object.extend_from_slice(members);
            let mut reader = Reader::new(&object);
            let envelope = Envelope::read(&mut reader).ok()?;
            reader.is_at_end().then_some(envelope)
        })
}

#[cfg(test)]
mod tests {
    use super::super::{Id, Outcome};
    use super::*;

    fn of(text: &str, head: usize, tail: usize) -> Option<Kind> {
        let bytes = text.as_bytes();
        let told = excerpt(
            &bytes[..head],
            &bytes[bytes.len() - tail..],
            bytes.len() as u64,
        )?;
        assert_eq!(told.bytes, bytes.len());
        Some(told.kind)
    }

    #[test]
    fn a_call_is_told_by_its_ends() {
        let filler = "x, \\\", {".repeat(400);
        for text in [
            format!(
                r#"{{"method":"tools/call","params":{{"name":"echo","arguments":{{"a":"{filler}"}}}},"jsonrpc":"2.0","id":77}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{{"name":"echo","arguments":{{"id":5,"a":"{filler}"}}}}}}"#
            ),
        ] {
            let Some(Kind::Request(request)) = of(&text, 200, 300) else {
                panic!("{text} is a request");
            };
            assert_eq!(
                (request.id, request.method.as_str(), request.name.as_deref()),
                (Id::Number(77), "tools/call", Some("echo"))
            );
        }
    }

    #[test]
    fn an_answer_is_told_by_its_ends() {
        let filler = "x".repeat(4000);
        for (failed, outcome) in [
            ("", Outcome::Ok),
            (r#","isError":true"#, Outcome::ToolError),
        ] {
            let text = format!(
                r#"{{"result":{{"content":[{{"type":"text","text":"{filler}"}}]{failed}}},"jsonrpc":"2.0","id":"a"}}"#
            );
            let Some(Kind::Response(response)) = of(&text, 100, 100) else {
                panic!("{text} is an answer");
            };
            assert_eq!(
                (response.id, response.outcome),
                (Some(Id::Text("a".into())), outcome)
            );
        }
    }

    #[test]
    fn nothing_is_made_up() {
        let filler = "x".repeat(4000);
        for text in [
            format!(
                r#"{{"method":"tools/call","params":{{"a":"{filler}","id":5}},"jsonrpc":"2.0"}}"#
            ),
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{filler}"}}"#),
            format!(r#"{{"a":"{filler}"}}"#),
            filler,
        ] {
            assert_eq!(of(&text, 100, 100), None, "{text}");
        }
        // Cut in the middle of an id.
        assert_eq!(
            of(
                r#"{"jsonrpc":"2.0","method":"tools/list","id":1234}"#,
                46,
                0
            ),
            None
        );
    }
}
