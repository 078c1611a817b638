use super::Argument::{Named, To};
use super::*;

fn types() -> Types {
    Types::read().expect("this kernel has BTF")
}

#[test]
fn every_member_is_found_on_this_kernel() {
    let types = types();
    let offsets = types.offsets().expect("all that are needed");
    assert_eq!(offsets.len(), MEMBERS.len());
    for (member, offset) in MEMBERS.iter().zip(&offsets) {
        let optional = member.need == Need::Nothing;
        assert!(optional || *offset < 65536, "{member:?} at {offset}");
    }
    assert_eq!(types.lacks_for_streams(&offsets), None);
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

#[test]
fn functions_are_known_by_their_arguments() {
    let types = types();
    let sends = [
        Argument::To("sock"),
        Argument::To("msghdr"),
        Argument::Number,
    ];
    assert_eq!(types.check("tcp_sendmsg", &sends), Ok(()));
    let some = [Argument::To("sock"), Argument::Rest];
    assert_eq!(types.check("tcp_sendmsg", &some), Ok(()));
    assert!(types.check("tcp_sendmsg", &some[..1]).is_err());
    let other = [Argument::To("socket"), Argument::Rest];
    assert!(types.check("tcp_sendmsg", &other).is_err());
    assert!(types.check("no_such_function", &[]).is_err());
    assert!(types.has("tcp_sendmsg") && !types.has("no_such_function"));
    let size = |name| [To("sock"), To("msghdr"), Named(name)];
    assert_eq!(types.check("tcp_sendmsg", &size("size")), Ok(()));
    assert!(types.check("tcp_sendmsg", &size("flags")).is_err());
}
