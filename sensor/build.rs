//! Builds the BPF programs, or takes a prebuilt object.
//!
//! `GNOMON_EBPF_OBJECT` names a prebuilt object. Otherwise the first toolchain that can compile for
//! BPF is used: a system compiler that ships `core` for it, else rustup's nightly with rust-src.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain};

const OBJECT: &str = "GNOMON_EBPF_OBJECT";
/// File name that lib code includes, the binary's name in sensor-ebpf.
const NAME: &str = "gnomon";

fn main() -> Result<()> {
    println!("cargo:rerun-if-env-changed={OBJECT}");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    if let Some(object) = env::var_os(OBJECT) {
        let object = PathBuf::from(object);
        println!("cargo:rerun-if-changed={}", object.display());
        fs::copy(&object, out.join(NAME))
            .with_context(|| format!("{OBJECT}: cannot copy {}", object.display()))?;
        return Ok(());
    }
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("no manifest")?);
    let workspace = manifest
        .parent()
        .context("the sensor lies in the workspace")?;
    prepend_path(&workspace.join(".tools/bin"))?;
    if !is_program("bpf-linker") {
        bail!(
            "bpf-linker is not on PATH: run deploy/setup.sh, or `cargo install bpf-linker`, \
             or name a prebuilt object in {OBJECT}"
        );
    }
    let sources = workspace.join("sensor-ebpf");
    let sources_text = sources
        .to_str()
        .context("the path of the checkout is not UTF-8")?
        .to_owned();
    let toolchain = toolchain()?;
    // aya-build shows what cargo says as warnings.
    set_env("CARGO_TERM_QUIET", "true");
    // aya-build runs cargo where we are, and asks for the package by name.
    env::set_current_dir(&sources)
        .with_context(|| format!("cannot enter {}", sources.display()))?;
    aya_build::build_ebpf(
        [Package {
            name: "sensor-ebpf",
            root_dir: &sources_text,
            ..Package::default()
        }],
        Toolchain::Custom(&toolchain),
    )
    .context("the BPF programs do not build")
}

/// Puts a folder in front of PATH, if it is there.
fn prepend_path(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    println!("cargo:rerun-if-changed={}", folder.display());
    let path = env::var_os("PATH").unwrap_or_default();
    let joined =
        env::join_paths(std::iter::once(folder.to_owned()).chain(env::split_paths(&path)))?;
    set_env("PATH", joined);
    Ok(())
}

#[allow(unsafe_code)]
fn set_env(name: &str, value: impl AsRef<std::ffi::OsStr>) {
    // SAFETY: a build script of one thread.
    unsafe { env::set_var(name, value) };
}

/// Name of the first toolchain, as `rustup run` takes it, that compiles for BPF.
fn toolchain() -> Result<String> {
    for candidate in ["/usr", "/usr/local"] {
        let compiler = Path::new(candidate).join("bin/rustc");
        if compiler.is_file() && sysroot(&compiler).is_some_and(|root| has_core(&root)) {
            // aya-ebpf needs one unstable feature. Another value would make aya-build ask for
            // build-std, which needs the sources of `core`.
            // For the BPF assembly in aya-ebpf and in the programs.
            set_env("RUSTC_BOOTSTRAP", "aya_ebpf,gnomon");
            return Ok(candidate.to_owned());
        }
    }
    let nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .output();
    if let Ok(output) = nightly
        && output.status.success()
        && let Ok(root) = String::from_utf8(output.stdout)
        && Path::new(root.trim())
            .join("lib/rustlib/src/rust/library/core")
            .is_dir()
    {
        return Ok("nightly".to_owned());
    }
    bail!(
        "no Rust toolchain here compiles for BPF: run deploy/setup.sh; or install Debian's \
         rustc-web, cargo-web and libstd-rust-web-dev-bpf; or `rustup toolchain install nightly \
         --component rust-src`; or name a prebuilt object in {OBJECT}"
    )
}

fn sysroot(compiler: &Path) -> Option<PathBuf> {
    let output = Command::new(compiler)
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// `core` for BPF comes with it.
fn has_core(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/bpfel-unknown-none").is_dir()
}

fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
