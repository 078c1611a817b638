//! The outermost object of a message.

use super::fields::{Answer, Failure, Params};
use super::json::{NotJson, Reader};
use super::value::{Id, Keys, clean, id};

/// What the outermost object holds.
#[derive(Default)]
pub(super) struct Envelope {
    /// `jsonrpc` is `"2.0"`.
    pub(super) is_rpc: bool,
    /// `seq` and `type` are there, as DAP has them.
    pub(super) has_seq: bool,
    pub(super) has_type: bool,
    pub(super) id: Option<Id>,
    pub(super) method: Option<String>,
    pub(super) params: Params,
    pub(super) answer: Option<Answer>,
    pub(super) failure: Option<Failure>,
    keys: Keys,
}

impl Envelope {
    /// Reads the object at the reader; anything else is skipped and leaves nothing.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, NotJson> {
        let mut envelope = Self::default();
        envelope.read_into(reader)?;
        Ok(envelope)
    }

    /// The same, into what was read before. What comes before an error stays.
    pub(super) fn read_into(&mut self, reader: &mut Reader<'_>) -> Result<(), NotJson> {
        reader.object(|reader, key| self.member(reader, key))?;
        Ok(())
    }

    /// Peers may read this message differently.
    pub(super) fn has_duplicate_key(&self) -> bool {
        self.keys.duplicate
            || self.params.keys.duplicate
            || self
                .answer
                .as_ref()
                .is_some_and(|answer| answer.keys.duplicate)
    }

    fn member(&mut self, reader: &mut Reader<'_>, key: &[u8]) -> Result<(), NotJson> {
        match key {
            b"jsonrpc" => {
                self.keys.see(0);
                self.is_rpc = reader
                    .string()?
                    .is_some_and(|version| version.as_ref() == b"2.0");
            }
            b"id" => {
                self.keys.see(1);
                self.id = id(reader)?;
            }
            b"method" => {
                self.keys.see(2);
                self.method = reader.string()?.map(|method| clean(&method));
            }
            b"params" => {
                self.keys.see(3);
                self.params = Params::default();
                self.params.read_into(reader)?;
            }
            b"result" => {
                self.keys.see(4);
                self.answer.insert(Answer::default()).read_into(reader)?;
            }
            b"error" => {
                self.keys.see(5);
                Failure::read_into(&mut self.failure, reader)?;
            }
            b"seq" => {
                self.has_seq = reader.number()?.is_some();
            }
            b"type" => {
                const TYPES: [&[u8]; 3] = [b"request", b"response", b"event"];
                self.has_type = reader
                    .string()?
                    .is_some_and(|kind| TYPES.contains(&kind.as_ref()));
            }
            _ => reader.skip()?,
        }
        Ok(())
    }
}
