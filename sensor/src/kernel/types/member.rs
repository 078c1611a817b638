//! Offsets of members, sizes of structures, values of enumerations.

use btf_rs::{Btf, Struct, Type};
use sensor_abi::config::Member;

use super::strip;

/// What a [`Member`] asks for; none if this kernel has no such thing.
pub(super) fn value(btf: &Btf, member: &Member) -> Option<u32> {
    if let Some(name) = member.structure.strip_prefix("enum ") {
        return enumerator(btf, name, member.path);
    }
    let mut names = member.path.split('|');
    names.find_map(|path| offset(btf, member.structure, path))
}

/// Offset in bytes of a path of members; of none, the size of the structure.
fn offset(btf: &Btf, structure: &str, path: &str) -> Option<u32> {
    let types = btf.resolve_types_by_name(structure).unwrap_or_default();
    types.iter().find_map(|kind| match kind {
        Type::Struct(found) if path.is_empty() => u32::try_from(found.size()).ok(),
        Type::Struct(found) => descend(btf, found, path).map(|bits| bits / 8),
        _ => None,
    })
}

fn enumerator(btf: &Btf, name: &str, wanted: &str) -> Option<u32> {
    let types = btf.resolve_types_by_name(name).unwrap_or_default();
    types.iter().find_map(|kind| {
        let Type::Enum(found) = kind else { return None };
        let named = |member: &&btf_rs::EnumMember| {
            btf.resolve_name(*member).is_ok_and(|name| name == wanted)
        };
        found
            .members
            .iter()
            .find(named)
            .map(btf_rs::EnumMember::val)
    })
}

/// Offset in bits of a path of members.
fn descend(btf: &Btf, structure: &Struct, path: &str) -> Option<u32> {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    for member in &structure.members {
        let member_name = btf.resolve_name(member).ok()?;
        let nested = || match strip(btf, btf.resolve_chained_type(member).ok()?)? {
            Type::Struct(nested) | Type::Union(nested) => Some(nested),
            _ => None,
        };
        if member_name == name {
            return match rest {
                None => Some(member.bit_offset()),
                Some(rest) => Some(member.bit_offset() + descend(btf, &nested()?, rest)?),
            };
        }
        // An anonymous structure or union: its members are ours.
        if member_name.is_empty()
            && let Some(inner) = nested()
            && let Some(bits) = descend(btf, &inner, path)
        {
            return Some(member.bit_offset() + bits);
        }
    }
    None
}
