//! Where things are in the checkout.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// The checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the checkout")
        .to_path_buf()
}

/// One of our programs, as built beside the running test or benchmark.
///
/// # Errors
/// It was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("own path")?;
    let mut folder = own.parent().context("own folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("folder of the profile")?;
    }
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is missing: cargo build --workspace --bins",
        path.display()
    );
    Ok(path)
}

/// A file or folder of set-up's `.tools`.
///
/// # Errors
/// It is not there.
pub fn tool(path: &str) -> Result<PathBuf> {
    let path = checkout().join(".tools").join(path);
    ensure!(
        path.exists(),
        "{} is missing: deploy/setup.sh test",
        path.display()
    );
    Ok(path)
}

/// A file under tests/peers.
#[must_use]
pub fn peer(path: &str) -> PathBuf {
    checkout().join("tests/peers").join(path)
}

/// The engine's library: `GNOMON_CHDB`, else the one that set-up fetched.
///
/// # Errors
/// Neither is there.
pub fn engine_library() -> Result<PathBuf> {
    match env::var_os("GNOMON_CHDB") {
        Some(path) => Ok(path.into()),
        None => tool("clickhouse/libchdb.so"),
    }
}
