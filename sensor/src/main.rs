//! gnomon-sensor
fn main() {}
