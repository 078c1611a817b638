//! Where things are in the checkout.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::{Builder, TempDir};

/// Folders that one process makes by [`own_folder`], at most.
const FOLDERS_MAX: u32 = 1000;

/// The checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the checkout")
        .to_path_buf()
}

/// A folder for temporary files, which goes with what is returned. Its name is a number: a sensor states no path that looks
/// like a secret, and one random name in twenty does.
///
/// # Errors
/// It cannot be made.
pub fn own_folder(kind: &str) -> Result<TempDir> {
    let own = std::process::id();
    for number in 0..FOLDERS_MAX {
        let name = format!("gnomon-{kind}-{own}-{number}");
        match Builder::new().prefix(&name).rand_bytes(0).tempdir() {
            // This process made one before, or one of that number was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.context("a temporary folder"),
        }
    }
    bail!("{FOLDERS_MAX} folders of process {own} are there already")
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

/// A program in C, compiled for this machine, statically linked: it runs in guests too.
///
/// # Errors
/// The compiler refuses.
pub fn compiled(source: &Path) -> Result<PathBuf> {
    let folder = checkout().join("target/kernels");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(source.file_stem().context("a source file")?);
    let status = Command::new("cc")
        .args(["-O2", "-static", "-o"])
        .args([&path, source])
        .status()
        .context("cc")?;
    ensure!(
        status.success(),
        "{} is not to be compiled: {status}",
        source.display()
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
