//! Tool definitions and their digests.

pub use super::value::Digest;

use super::canonical;
use super::json::{NotJson, Reader};
use super::value::clean;

/// Most tools of one list that are kept; the largest list seen in the wild has 300.
pub const TOOLS_MAX: usize = 4096;

/// Longest definition that is put in canonical form, in bytes; of a longer one the digest is that of the text
/// as it is written. Real ones have a few KB: this bounds what a hostile list costs.
const CANONICAL_BYTES_MAX: usize = 1024 * 1024;

/// One tool of a `tools/list` answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name, cleaned (see [`super::value::NAME_BYTES_MAX`]).
    pub name: String,
    /// Digest of the whole definition in canonical form: the same however it was written.
    pub digest: Digest,
}

/// The tools of a list, and what they say of the protocol.
#[derive(Default)]
pub(super) struct ToolList {
    pub(super) tools: Vec<Tool>,
    /// Without a name, or too many.
    pub(super) dropped: u64,
    /// At least one, and each with a name and an input schema.
    pub(super) is_mcp: bool,
}

impl ToolList {
    /// Reads `result.tools`; none when it is no array.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, NotJson> {
        let mut list = Self {
            is_mcp: true,
            ..Self::default()
        };
        let mut canonical = Vec::new();
        let is_array = reader.array(|reader| {
            if list.tools.len() >= TOOLS_MAX {
                list.dropped += 1;
                return reader.skip();
            }
            let (mut name, mut has_schema) = (None, false);
            let start = reader.offset();
            reader.object(|reader, key| {
                match key {
                    b"name" => name = reader.string()?,
                    b"inputSchema" => has_schema = reader.object(|reader, _| reader.skip())?,
                    _ => reader.skip()?,
                }
                Ok(())
            })?;
            list.is_mcp &= has_schema && name.is_some();
            let Some(name) = name else {
                list.dropped += 1;
                return Ok(());
            };
            let definition = reader.since(start);
            canonical.clear();
            if definition.len() <= CANONICAL_BYTES_MAX {
                canonical::write(&mut Reader::new(definition), &mut canonical)?;
            } else {
                canonical.extend_from_slice(definition);
            }
            list.tools.push(Tool {
                name: clean(&name),
                digest: Digest::of(&canonical),
            });
            Ok(())
        })?;
        list.is_mcp &= !list.tools.is_empty();
        Ok(is_array.then_some(list))
    }
}
