//! What the words of an image take in memory, and the same image with fewer of them.
//!
//! A process chooses its command line and its folders itself, and there can be ten thousands of processes: whoever keeps
//! images keeps account of them, and lets the heaviest go first.

use crate::event::Exec;

/// What an allocation takes beside its bytes, at most: the allocator's own word, and rounding up (glibc: to 16 bytes, at least 32).
const ALLOCATION_BYTES: usize = 32;
/// Of an image that was made lighter once: its first arguments.
const SHORT_ARGV_BYTES: usize = 1024;
/// Each of its paths.
pub(crate) const SHORT_PATH_BYTES: usize = 512;
/// An image that takes more is made lighter before those that do not.
pub(crate) const SHORT_BYTES: usize = SHORT_ARGV_BYTES + 2 * SHORT_PATH_BYTES;

/// Bytes that the words of an image take, without the image itself.
pub(crate) fn bytes(exec: &Exec) -> usize {
    argv_bytes(&exec.argv) + path_bytes(&exec.exe) + path_bytes(&exec.cwd)
}

/// Bytes that a command line takes.
pub(crate) fn argv_bytes(argv: &[String]) -> usize {
    argv.iter().map(text_bytes).sum()
}

/// Bytes that a path takes.
pub(crate) fn path_bytes(path: &Option<String>) -> usize {
    path.as_ref().map_or(0, text_bytes)
}

/// The image with fewer words: of a heavy one the first arguments and the paths that are short are kept, of a light one nothing.
/// What is left out is unknown from then on, and the arguments say that there were more.
pub(crate) fn lighter(exec: &Exec) -> Exec {
    let heavy = bytes(exec) > SHORT_BYTES;
    let kept = |path: &Option<String>| {
        let short = heavy && path_bytes(path) <= SHORT_PATH_BYTES;
        path.clone().filter(|_| short)
    };
    Exec {
        exe: kept(&exec.exe),
        argv: if heavy { first(&exec.argv) } else { Vec::new() },
        argv_truncated: true,
        cwd: kept(&exec.cwd),
        ..*exec
    }
}

/// The first arguments, as many as a light image has.
pub(crate) fn first(argv: &[String]) -> Vec<String> {
    let mut room = SHORT_ARGV_BYTES;
    let fits = |argument: &&String| match room.checked_sub(text_bytes(argument)) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    argv.iter().take_while(fits).cloned().collect()
}

/// A text, its own allocation and its place in a list.
fn text_bytes(text: &String) -> usize {
    size_of::<String>() + text.capacity() + ALLOCATION_BYTES
}
