//! RFC 4180: a header, all columns, CRLF, quotes where they are needed.
//!
//! Names come from strangers, and spreadsheets run what starts with `= + - @` (or with a tab or a
//! carriage return before that). Such a text gets a `'` in front, which spreadsheets take as "text
//! follows"; numbers are left alone, negative ones too. Programs that want the text unchanged have
//! JSON. Null is an empty field, lists and objects are JSON.

use std::io::{self, Write};

use serde_json::Value;

use crate::answer::Answer;

/// Writes header and rows.
pub(crate) fn write(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let columns = answer.columns();
    let header: Vec<String> = columns.iter().map(|name| field(name)).collect();
    write!(out, "{}\r\n", header.join(","))?;
    for row in &answer.rows {
        let fields: Vec<String> = columns.iter().map(|name| value(&row.value(name))).collect();
        write!(out, "{}\r\n", fields.join(","))?;
    }
    Ok(())
}

/// A value as a field.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => field(text),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => field(&value.to_string()),
    }
}

/// A text as a field.
pub(crate) fn field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    // Other controls are of no use in a sheet and harmful on a terminal.
    let text = crate::escape::lines(text);
    if guard.is_empty() && !text.contains(['"', ',', '\r', '\n', '\t']) {
        return text.into_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {

    #[test]
    fn fields() {
        for (value, expected) in [
            (serde_json::json!(null), ""),
            (serde_json::json!("plain"), "plain"),
            (serde_json::json!("a,b"), "\"a,b\""),
            (
                serde_json::json!("say \"hi\"\nthere"),
                "\"say \"\"hi\"\"\nthere\"",
            ),
            (serde_json::json!(-5), "-5"),
            (serde_json::json!("-5"), "\"'-5\""),
            (
                serde_json::json!("=HYPERLINK(\"x\")"),
                "\"'=HYPERLINK(\"\"x\"\")\"",
            ),
            (serde_json::json!("@scope/name"), "\"'@scope/name\""),
            (serde_json::json!(["a", 1]), "\"[\"\"a\"\",1]\""),
            (serde_json::json!("\u{1b}[2J"), "\\u{1b}[2J"),
        ] {
            assert_eq!(super::value(&value), expected);
        }
    }
}
