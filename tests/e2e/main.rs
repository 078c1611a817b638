//! End to end through the running kernel, with real MCP peers: one module per subject.
//!
//! Needs root, a kernel that allows BPF, and what `deploy/setup.sh test` installs. Each test starts its
//! own collector, ClickHouse and sensor; .config/nextest.toml runs them one at a time.

mod bad_input;
mod capture;
mod clients;
mod findings;
mod full_disk;
mod gateway;
mod harm;
mod http;
mod listeners;
mod matrix;
mod negatives;
mod page;
mod redaction;
mod stdio;
mod stop;
