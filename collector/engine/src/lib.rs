//! The embedded ClickHouse engine's host: what runs in the collector's child process.
//!
//! `libchdb.so` holds the real ClickHouse. Its C entry `chdb_query_cmdline` is the main function of
//! `clickhouse-local`; asked to start its listeners and then to run a query that never ends, it is a
//! server. It brings its own allocator and signal handlers and calls `abort` when it likes, so it
//! never shares a process with the collector.
//!
//! The process ends with its parent: the kernel kills it when the parent dies, however that happens.

#![allow(unsafe_code)]

mod confine;
mod parent;

use std::{
    ffi::{CStr, CString, OsString, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use anyhow::{Context, Result, bail};
use confine::Reach;

/// Mark in the text of the endless query, by which the collector finds and ends it for a clean stop.
pub const KEEPALIVE_MARK: &str = "gnomon-keepalive";

type CmdlineFn = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
type ErrorFn = unsafe extern "C" fn(*mut c_void) -> *const c_char;

/// What the collector asks the engine process to do.
#[derive(Debug)]
pub struct Start<'a> {
    /// `libchdb.so`.
    pub library: &'a Path,
    /// The server's XML configuration. It and `users` hold secrets: remove both once the port is there.
    pub config: &'a Path,
    /// The users that it names.
    pub users: &'a Path,
    /// The data folder; one process at a time, ClickHouse locks it.
    pub data: &'a Path,
    /// File that receives the HTTP port once the listener is open; must not exist yet.
    pub port_file: &'a Path,
    /// Process id of the collector: the engine refuses to outlive it.
    pub parent_pid: u32,
}

/// Runs the engine until it is stopped from outside (the keep-alive query is killed) or fails.
///
/// # Errors
/// The library cannot be loaded, the parent is gone, or ClickHouse itself reported an error.
pub fn run(start: &Start<'_>) -> Result<()> {
    parent::die_with(start.parent_pid)?;
    let arguments = command_line(start)?;
    let run = start
        .port_file
        .parent()
        .context("the port's file has no folder")?;
    // Log, port and what the collector keeps there are not for queries to read: `file()` has no grant.
    confine::confine(&Reach {
        whole: &[start.data],
        write: &[run],
        read: &[start.library, start.config, start.users],
    })?;
    // SAFETY: loading runs the library's constructors. The path is the operator's setting or the
    // one that set-up installed with a pinned digest; nothing else has run in this process yet.
    let library = unsafe { libloading::Library::new(start.library) }
        .with_context(|| format!("loading the ClickHouse engine {}", start.library.display()))?;
    // SAFETY: the symbols' types are those of chdb.h of the pinned version:
    // `chdb_result *chdb_query_cmdline(int, char **)` and `const char *chdb_result_error(chdb_result *)`.
    let (cmdline, error_of) = unsafe {
        (
            library
                .get::<CmdlineFn>(b"chdb_query_cmdline\0")
                .context("the engine lacks chdb_query_cmdline")?,
            library
                .get::<ErrorFn>(b"chdb_result_error\0")
                .context("the engine lacks chdb_result_error")?,
        )
    };
    let mut pointers: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len()).context("too many arguments")?;
    pointers.push(std::ptr::null_mut());
    // SAFETY: argc strings, null-terminated, alive until after the call; ClickHouse does not write to them.
    let result = unsafe { cmdline(count, pointers.as_mut_ptr()) };
    let outcome = if result.is_null() {
        Ok(())
    } else {
        // SAFETY: `result` came from the library just now and was not freed.
        let text = unsafe { error_of(result) };
        if text.is_null() {
            Ok(())
        } else {
            // SAFETY: a null-terminated string owned by `result`, which is never freed here.
            Err(unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .into_owned())
        }
    };
    // Unloading would run destructors under threads that are still alive; the process ends next.
    std::mem::forget(library);
    match outcome {
        Ok(()) => Ok(()),
        // Killing the keep-alive is how it is asked to stop: QUERY_WAS_CANCELLED is a clean end.
        Err(text) if text.contains("QUERY_WAS_CANCELLED") => Ok(()),
        Err(text) => bail!("ClickHouse: {}", text.trim()),
    }
}

fn command_line(start: &Start<'_>) -> Result<Vec<CString>> {
    let port_file = start
        .port_file
        .to_str()
        .context("the state folder's path is not UTF-8")?;
    if port_file.contains(['\'', '\\']) {
        bail!("the state folder's path {port_file:?} holds a quote or a backslash: choose another");
    }
    let query = format!(
        "SYSTEM START LISTEN HTTP; \
         SELECT getServerPort('http_port') INTO OUTFILE '{port_file}' FORMAT TSV; \
         SELECT sleepEachRow(0.2) FROM system.numbers /*{KEEPALIVE_MARK}*/ \
         SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=0, max_execution_time=0 FORMAT Null"
    );
    let option = |name: &str, path: &Path| {
        let mut text = OsString::from(name);
        text.push(path);
        CString::new(text.as_bytes()).context("a path holds a zero byte")
    };
    Ok(vec![
        CString::from(c"clickhouse-local"),
        CString::from(c"--log-level=warning"),
        option("--config-file=", start.config)?,
        option("--path=", start.data)?,
        CString::from(c"--query"),
        CString::new(query).context("a path holds a zero byte")?,
    ])
}
