//! What of a message's `params`, `result` and `error` is looked at: read once, in the order it comes.

use super::json::{NotJson, Reader, Shape};
use super::tools::ToolList;
use super::value::{
    Id, Keys, Peer, Revision, cut, id, is_object, name, peer, revisions, whole_number,
};

/// Longest error message that is kept, in bytes.
pub const ERROR_BYTES_MAX: usize = 1024;

/// Longest resource URI that is kept, in bytes.
pub const URI_BYTES_MAX: usize = 4096;

/// `_meta`, the keys that MCP itself defines.
#[derive(Default)]
pub(super) struct Meta {
    pub(super) revision: Option<String>,
    pub(super) client: Option<Peer>,
    pub(super) server: Option<Peer>,
    /// At least one key of MCP's own.
    pub(super) is_mcp: bool,
}

impl Meta {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotJson> {
        let mut meta = Self::default();
        reader.object(|reader, key| {
            let Some(key) = key.strip_prefix(b"io.modelcontextprotocol/") else {
                return reader.skip();
            };
            meta.is_mcp = true;
            match key {
                b"protocolVersion" => meta.revision = name(reader)?,
                b"clientInfo" => meta.client = peer(reader)?,
                b"serverInfo" => meta.server = peer(reader)?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(meta)
    }
}

/// `params`.
#[derive(Default)]
pub(super) struct Params {
    pub(super) name: Option<String>,
    pub(super) uri: Option<String>,
    pub(super) revision: Revision,
    pub(super) client: Option<Peer>,
    /// `capabilities` is an object.
    pub(super) has_capabilities: bool,
    /// `clientCapabilities` is there, which is ACP's word.
    pub(super) has_client_capabilities: bool,
    /// `arguments` is there and no object.
    pub(super) has_odd_arguments: bool,
    /// A key is there that only LSP has.
    pub(super) is_lsp: bool,
    pub(super) cancels: Option<Id>,
    pub(super) meta: Meta,
    pub(super) keys: Keys,
}

impl Params {
    pub(super) fn read_into(&mut self, reader: &mut Reader<'_>) -> Result<(), NotJson> {
        reader.object(|reader, key| self.member(reader, key))?;
        Ok(())
    }

    fn member(&mut self, reader: &mut Reader<'_>, key: &[u8]) -> Result<(), NotJson> {
        match key {
            b"name" => {
                self.keys.see(0);
                self.name = name(reader)?;
            }
            b"uri" => {
                self.keys.see(1);
                self.uri = reader.string()?.map(|text| cut(&text, URI_BYTES_MAX));
            }
            b"protocolVersion" => {
                self.keys.see(2);
                self.revision = Revision::read(reader)?;
            }
            b"clientInfo" => {
                self.keys.see(3);
                self.client = peer(reader)?;
            }
            b"requestId" => {
                self.keys.see(4);
                self.cancels = id(reader)?;
            }
            b"_meta" => {
                self.keys.see(5);
                self.meta = Meta::read(reader)?;
            }
            b"capabilities" => self.has_capabilities = is_object(reader)?,
            b"arguments" => self.has_odd_arguments = !is_object(reader)?,
            b"clientCapabilities" => {
                self.has_client_capabilities = true;
                reader.skip()?;
            }
            b"processId" | b"rootUri" | b"rootPath" | b"workspaceFolders" | b"textDocument" => {
                self.is_lsp = true;
                reader.skip()?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    }
}

/// `result`.
#[derive(Default)]
pub(super) struct Answer {
    /// An object with nothing in it.
    pub(super) is_empty: bool,
    pub(super) revision: Revision,
    pub(super) supported: Vec<String>,
    pub(super) server: Option<Peer>,
    pub(super) has_capabilities: bool,
    /// `capabilities` has members that only LSP has.
    pub(super) is_lsp: bool,
    /// `agentCapabilities` is there, which is ACP's word.
    pub(super) is_acp: bool,
    /// `status.state`, or a `kind` of A2A's.
    pub(super) is_a2a: bool,
    /// `isError`, where it is true or false.
    pub(super) is_error: Option<bool>,
    /// `content` has blocks, all of MCP's types.
    pub(super) has_content: bool,
    pub(super) tools: Option<ToolList>,
    /// `resultType` is there.
    pub(super) is_modern: bool,
    pub(super) meta: Meta,
    pub(super) keys: Keys,
}

impl Answer {
    pub(super) fn read_into(&mut self, reader: &mut Reader<'_>) -> Result<(), NotJson> {
        let mut members = 0_usize;
        let is_object = reader.object(|reader, key| {
            members += 1;
            self.member(reader, key)
        })?;
        self.is_empty = is_object && members == 0;
        Ok(())
    }

    fn member(&mut self, reader: &mut Reader<'_>, key: &[u8]) -> Result<(), NotJson> {
        match key {
            b"protocolVersion" => {
                self.keys.see(0);
                self.revision = Revision::read(reader)?;
            }
            b"serverInfo" => {
                self.keys.see(1);
                self.server = peer(reader)?;
            }
            b"supportedVersions" => {
                self.keys.see(2);
                self.supported = revisions(reader)?;
            }
            b"tools" => {
                self.keys.see(3);
                self.tools = ToolList::read(reader)?;
            }
            b"isError" => {
                self.keys.see(4);
                self.is_error = reader.boolean()?;
            }
            b"_meta" => {
                self.keys.see(5);
                self.meta = Meta::read(reader)?;
            }
            b"capabilities" => {
                self.has_capabilities = reader.object(|reader, key| {
                    self.is_lsp |= key.ends_with(b"Provider") || key == b"textDocumentSync";
                    reader.skip()
                })?;
            }
            b"content" => self.has_content = has_content(reader)?,
            b"resultType" => {
                self.is_modern = true;
                reader.skip()?;
            }
            b"agentCapabilities" => {
                self.is_acp = true;
                reader.skip()?;
            }
            b"kind" => {
                const KINDS: [&[u8]; 4] =
                    [b"task", b"message", b"status-update", b"artifact-update"];
                self.is_a2a |= reader
                    .string()?
                    .is_some_and(|kind| KINDS.contains(&kind.as_ref()));
            }
            b"status" => {
                reader.object(|reader, key| {
                    self.is_a2a |= key == b"state";
                    reader.skip()
                })?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    }
}

/// `error`.
#[derive(Default)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) supported: Vec<String>,
}

impl Failure {
    /// Stays none when it is `null`: some peers write that beside a result.
    pub(super) fn read_into(
        place: &mut Option<Self>,
        reader: &mut Reader<'_>,
    ) -> Result<(), NotJson> {
        *place = None;
        if reader.shape()? == Shape::Null {
            return reader.skip();
        }
        let failure = place.insert(Self::default());
        reader.object(|reader, key| {
            match key {
                b"code" => failure.code = reader.number()?.and_then(whole_number).unwrap_or(0),
                b"message" => {
                    failure.message = reader
                        .string()?
                        .map(|text| cut(&text, ERROR_BYTES_MAX))
                        .unwrap_or_default();
                }
                b"data" => {
                    reader.object(|reader, key| {
                        if key == b"supported" {
                            failure.supported = revisions(reader)?;
                            return Ok(());
                        }
                        reader.skip()
                    })?;
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn has_content(reader: &mut Reader<'_>) -> Result<bool, NotJson> {
    const TYPES: [&[u8]; 5] = [b"text", b"image", b"audio", b"resource", b"resource_link"];
    let (mut blocks, mut known) = (0_usize, 0_usize);
    reader.array(|reader| {
        blocks += 1;
        let mut is_known = false;
        reader.object(|reader, key| {
            if key == b"type" {
                is_known = reader
                    .string()?
                    .is_some_and(|kind| TYPES.contains(&kind.as_ref()));
                return Ok(());
            }
            reader.skip()
        })?;
        known += usize::from(is_known);
        Ok(())
    })?;
    Ok(blocks > 0 && blocks == known)
}
