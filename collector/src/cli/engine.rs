//! `gnomon-collector engine`: the child process that is ClickHouse.

use std::path::PathBuf;

use anyhow::Result;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(long)]
    library: PathBuf,
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    users: PathBuf,
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    port_file: PathBuf,
    #[arg(long)]
    parent: u32,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<()> {
        gnomon_engine::run(&gnomon_engine::Start {
            library: &self.library,
            config: &self.config,
            users: &self.users,
            data: &self.data,
            port_file: &self.port_file,
            parent_pid: self.parent,
        })
    }
}
