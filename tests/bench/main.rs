//! gnomon-bench: the figures that the project promises, measured on the real programs.
fn main() {}
