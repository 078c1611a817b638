//! Where the kernel keeps how it maps its memory, for the programs that read pages.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    sync::OnceLock,
};

use aya::Ebpf;

use super::{AttachError, load::set_data};

/// arch/x86/kernel/head64.c: exported, and set once at boot.
const MAP: &str = "vmemmap_base";
const MEMORY: &str = "page_offset_base";
/// `PAGE_SHIFT` of x86-64, the only architecture on which pages are read.
const PAGE_SHIFT: u64 = 12;
/// Lines of /proc/kallsyms that are read at most.
const SYMBOLS_MAX: usize = 2_000_000;

static FOUND: OnceLock<Option<[u64; 2]>> = OnceLock::new();

/// Finds out where they are, while this process may still know (`CAP_SYSLOG`).
pub fn find_pages() {
    FOUND.get_or_init(symbols);
}

/// Tells the programs. Where it cannot be found out, what is in pages (splice, sendfile, fixed buffers of
/// io_uring) is counted as not readable.
pub(super) fn tell(ebpf: &mut Ebpf) -> Result<(), AttachError> {
    let Some([map, memory]) = *FOUND.get_or_init(symbols) else {
        tracing::info!("pages are not read: /proc/kallsyms does not say where they are");
        return Ok(());
    };
    set_data(ebpf, ".data.pages", [map, memory, PAGE_SHIFT])
}

/// Addresses of both; none where the kernel has no such symbols, or shows no addresses (`kernel.kptr_restrict`).
fn symbols() -> Option<[u64; 2]> {
    let lines = BufReader::new(File::open("/proc/kallsyms").ok()?).lines();
    find(lines.take(SYMBOLS_MAX).map_while(Result::ok))
}

/// `ffffffff82345678 D page_offset_base`; what modules have ends with their name.
fn find(lines: impl Iterator<Item = String>) -> Option<[u64; 2]> {
    let mut found = [None; 2];
    for line in lines {
        let mut fields = line.split_ascii_whitespace();
        let (Some(address), Some(_), Some(name)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let Some(index) = [MAP, MEMORY].iter().position(|wanted| *wanted == name) else {
            continue;
        };
        let address = u64::from_str_radix(address, 16).ok()?;
        found[index] = Some(address).filter(|address| *address != 0);
        if let [Some(map), Some(memory)] = found {
            return Some([map, memory]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(text: &str) -> Option<[u64; 2]> {
        find(text.lines().map(str::to_owned))
    }

    #[test]
    fn both_are_needed_and_zeros_are_none() {
        let both = "ffffffff81000000 T _text\nffffffff82000010 D page_offset_base\nffffffff82000018 D vmemmap_base\n";
        assert_eq!(
            find_in(both),
            Some([0xffff_ffff_8200_0018, 0xffff_ffff_8200_0010])
        );
        assert_eq!(find_in("ffffffff82000010 D page_offset_base\n"), None);
        let hidden = "0000000000000000 D page_offset_base\n0000000000000000 D vmemmap_base\n";
        assert_eq!(find_in(hidden), None);
        assert_eq!(find_in("garbage\n\nzz D vmemmap_base\n"), None);
    }
}
