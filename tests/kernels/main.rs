//! gnomon-kernels: the sensor on other kernels, each in a virtual machine, by each of its tiers.
//!
//! `gnomon-kernels [--quick] [KERNEL…]` boots each kernel once for each tier, runs the tests of the kernel side (sensor/tests/kernel)
//! and conversations of real MCP peers in it, sets its clock and locks it down, writes docs/kernels.md, and fails if anything did. `KERNELS` in the environment
//! names kernels too, `TIERS` tiers. `gnomon-kernels run [--counted] KERNEL COMMAND…` runs any shell command in a guest.
//! `gnomon-kernels inside …` is what a guest runs, and for its use only.

mod check;
mod conversation;
mod host;
mod inside;
mod matrix;
mod option;
mod suite;
mod table;

use std::{env, io::Write as _, process::ExitCode, time::Duration};

use anyhow::Result;
use gnomon_tests::vm::{Guest, Kernel, Mode};
use option::Options;

/// Of a command by hand.
const LIMIT: Duration = Duration::from_secs(3600);
/// As the machines have on which all this runs.
const PROCESSORS: u32 = 2;

fn main() -> Result<ExitCode> {
    let words: Vec<String> = env::args().skip(1).collect();
    match Options::parse(words, env::var("KERNELS").ok().as_deref())? {
        Options::Test { kernels, quick } => matrix::run(&kernels, quick),
        Options::Run {
            kernel,
            counted,
            command,
        } => run(&kernel, counted, &command),
        Options::Inside { words } => inside::run(&words),
    }
}

/// Runs a command in a guest; what it prints is printed as it comes.
fn run(kernel: &str, counted: bool, command: &str) -> Result<ExitCode> {
    let mode = if counted {
        Mode::Counted
    } else {
        Mode::Smp(PROCESSORS)
    };
    let mut shown = 0;
    let guest = Guest::new(Kernel::find(kernel)?, mode);
    let ended = guest.run(command, LIMIT, |output| shown += show(output, shown))?;
    show(&ended.output, shown);
    Ok(ExitCode::from(u8::try_from(ended.status).unwrap_or(1)))
}

/// Prints what is new, and says how long that was.
fn show(output: &str, shown: usize) -> usize {
    let new = output.get(shown..).unwrap_or_default();
    print!("{new}");
    // A closed standard output is noticed by the next line that goes there.
    let _ = std::io::stdout().flush();
    new.len()
}
