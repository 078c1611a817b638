//! The running kernel's own description of its types: where members are, and what functions take.

mod member;
mod prototype;

use btf_rs::{Btf, Type};
use sensor_abi::config::{MEMBERS, Need};

use super::AttachError;
pub(super) use prototype::Argument;

/// Where the kernel describes its types.
const PATH: &str = "/sys/kernel/btf/vmlinux";

/// A member that the programs take for the first one, because looking where it is would cost each call.
const FIRST: (&str, &str) = ("kiocb", "ki_filp");

/// The description; it takes some 30 MB, so it is dropped when everything is attached.
pub(super) struct Types(Btf);

impl Types {
    /// Reads it.
    pub(super) fn read() -> Result<Self, AttachError> {
        let bytes = std::fs::read(PATH).map_err(AttachError::NoBtf)?;
        Btf::from_bytes(&bytes)
            .map(Self)
            .map_err(AttachError::BadBtf)
    }

    /// Offsets in the order of [`MEMBERS`]: the bytes of [`sensor_abi::config::Offsets`].
    pub(super) fn offsets(&self) -> Result<Vec<u32>, AttachError> {
        let value = |member| match member::value(&self.0, member) {
            Some(value) => Ok(value),
            None if member.need == Need::Always => Err(AttachError::NoMember {
                structure: member.structure,
                path: member.path,
            }),
            None => Ok(u32::MAX),
        };
        MEMBERS.iter().map(value).collect()
    }

    /// The first member that reading streams where they are written would need and that is not there.
    pub(super) fn lacks_for_streams(&self, offsets: &[u32]) -> Option<String> {
        let lacking = MEMBERS.iter().zip(offsets).find(|(member, offset)| {
            let first = member.structure == FIRST.0 && member.path == FIRST.1;
            member.need == Need::Streams && (**offset == u32::MAX || (first && **offset != 0))
        })?;
        let (member, _) = lacking;
        Some(format!(
            "no {} where it should be in {}",
            member.path, member.structure
        ))
    }

    /// Whether there is a function of this name that programs can be attached to.
    pub(super) fn has(&self, function: &str) -> bool {
        prototype::has(&self.0, function)
    }

    /// That a function takes these arguments, or how it differs.
    pub(super) fn check(&self, function: &str, arguments: &[Argument]) -> Result<(), String> {
        prototype::check(&self.0, function, arguments)
    }
}

/// Looks through typedefs and qualifiers.
fn strip(btf: &Btf, mut kind: Type) -> Option<Type> {
    loop {
        kind = match &kind {
            Type::Typedef(inner) => btf.resolve_chained_type(inner).ok()?,
            Type::Const(inner) | Type::Volatile(inner) | Type::Restrict(inner) => {
                btf.resolve_chained_type(inner).ok()?
            }
            Type::TypeTag(inner) => btf.resolve_chained_type(inner).ok()?,
            _ => return Some(kind),
        };
    }
}

#[cfg(test)]
mod tests;
