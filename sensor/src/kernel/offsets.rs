//! Where members of kernel structures are, from the running kernel's own BTF.

use btf_rs::{Btf, Struct, Type};
use sensor_abi::config::{MEMBERS, Member};

use super::AttachError;

/// Where the kernel describes its types.
pub(super) const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Offsets in the order of [`MEMBERS`]: the bytes of [`sensor_abi::config::Offsets`].
pub(super) fn read() -> Result<Vec<u32>, AttachError> {
    let bytes = std::fs::read(BTF_PATH).map_err(AttachError::NoBtf)?;
    let btf = Btf::from_bytes(&bytes).map_err(AttachError::BadBtf)?;
    MEMBERS.iter().map(|member| offset(&btf, member)).collect()
}

/// Offset in bytes; `u32::MAX` for an optional member that is not there.
fn offset(btf: &Btf, member: &Member) -> Result<u32, AttachError> {
    let types = btf
        .resolve_types_by_name(member.structure)
        .unwrap_or_default();
    let found = types.iter().find_map(|kind| match kind {
        Type::Struct(structure) => descend(btf, structure, member.path),
        _ => None,
    });
    match found {
        Some(bits) => Ok(bits / 8),
        None if member.optional => Ok(u32::MAX),
        None => Err(AttachError::NoMember {
            structure: member.structure,
            path: member.path,
        }),
    }
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
mod tests {
    use super::*;

    #[test]
    fn every_member_is_found_on_this_kernel() {
        let offsets = read().expect("this kernel has BTF");
        assert_eq!(offsets.len(), MEMBERS.len());
        for (member, offset) in MEMBERS.iter().zip(&offsets) {
            assert!(member.optional || *offset < 65536, "{member:?} at {offset}");
        }
        let find = |structure: &str, path: &str| {
            MEMBERS
                .iter()
                .position(|member| member.structure == structure && member.path == path)
                .map(|index| offsets[index])
        };
        // ABI of the protocol headers in all kernels: family behind two addresses, hash and ports.
        assert_eq!(find("sock_common", "skc_family"), Some(16));
        assert_eq!(find("sock_common", "skc_dport"), Some(12));
    }
}
