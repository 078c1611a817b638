//! `gnomon-sensor`: see [`gnomon_sensor`].

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
