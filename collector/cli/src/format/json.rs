//! One array of objects, one a line.

use std::io::{self, Write};

use crate::answer::Answer;
use crate::escape;

/// The same with a line feed at its end.
pub(crate) fn write(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    write_rows(out, answer)?;
    out.write_all(b"\n")
}

/// Keys and values as the API gave them; what could steer a terminal as `\uXXXX`.
pub(crate) fn write_rows(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, row) in answer.rows.iter().enumerate() {
        out.write_all(if index == 0 { b"\n{" } else { b",\n{" })?;
        for (index, (name, value)) in row.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let name = serde_json::to_string(name).map_err(io::Error::other)?;
            write!(
                out,
                "{comma}{}:{}",
                escape::json(&name),
                escape::json(value.get())
            )?;
        }
        out.write_all(b"}")?;
    }
    out.write_all(if answer.rows.is_empty() { b"]" } else { b"\n]" })
}
