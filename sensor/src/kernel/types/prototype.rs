//! What kernel functions take. They are no ABI: a program is only attached to one whose arguments are those it reads.

use btf_rs::{Btf, FuncProto, Parameter, Type};

use super::strip;

/// What a program expects of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// A pointer to this structure.
    To(&'static str),
    /// A number.
    Number,
    /// A number of this name: others of its kind stood there in other kernels.
    Named(&'static str),
    /// Anything: it is not read.
    Any,
    /// Any number of further ones. Without it there are none, and what the function returned is behind the last.
    Rest,
}

/// Whether there is a function of this name.
pub(super) fn has(btf: &Btf, function: &str) -> bool {
    prototype(btf, function).is_some()
}

/// That a function takes these arguments, or how it differs.
pub(super) fn check(btf: &Btf, function: &str, arguments: &[Argument]) -> Result<(), String> {
    let found = prototype(btf, function).ok_or_else(|| format!("no function {function}"))?;
    let open = arguments.last() == Some(&Argument::Rest);
    if !open && found.parameters.len() != arguments.len() {
        let count = found.parameters.len();
        return Err(format!("{function} has {count} arguments"));
    }
    for (index, argument) in arguments.iter().enumerate() {
        let parameter = found.parameters.get(index);
        let kind = parameter.and_then(|parameter| kind_of(btf, parameter));
        let fits = match argument {
            Argument::To(structure) => kind
                .as_ref()
                .is_some_and(|kind| points_at(btf, kind, structure)),
            Argument::Number => is_number(kind.as_ref()),
            Argument::Named(name) => {
                let named = parameter.and_then(|parameter| btf.resolve_name(parameter).ok());
                is_number(kind.as_ref()) && named.as_deref() == Some(*name)
            }
            Argument::Any => kind.is_some(),
            Argument::Rest => true,
        };
        if !fits {
            return Err(format!(
                "argument {index} of {function} is not {argument:?}"
            ));
        }
    }
    Ok(())
}

const fn is_number(kind: Option<&Type>) -> bool {
    matches!(kind, Some(Type::Int(_) | Type::Enum(_)))
}

fn prototype(btf: &Btf, function: &str) -> Option<FuncProto> {
    let types = btf.resolve_types_by_name(function).ok()?;
    types.iter().find_map(|kind| {
        let Type::Func(found) = kind else { return None };
        match btf.resolve_chained_type(found).ok()? {
            Type::FuncProto(prototype) => Some(prototype),
            _ => None,
        }
    })
}

fn kind_of(btf: &Btf, parameter: &Parameter) -> Option<Type> {
    strip(btf, btf.resolve_chained_type(parameter).ok()?)
}

fn points_at(btf: &Btf, kind: &Type, structure: &str) -> bool {
    let Type::Ptr(pointer) = kind else {
        return false;
    };
    let target = btf.resolve_chained_type(pointer).ok();
    let Some(Type::Struct(target)) = target.and_then(|target| strip(btf, target)) else {
        return false;
    };
    btf.resolve_name(&target)
        .is_ok_and(|name| name == structure)
}
