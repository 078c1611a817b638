//! Ties this process's life to its parent's.

use anyhow::{Context, Result, bail};

/// Has the kernel kill this process when its parent dies.
///
/// # Errors
/// The parent (`pid`) is gone already, or the kernel refuses.
pub(crate) fn die_with(pid: u32) -> Result<()> {
    // SAFETY: prctl with PR_SET_PDEATHSIG takes one integer and touches no memory of ours.
    let answer = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    if answer != 0 {
        return Err(std::io::Error::last_os_error()).context("asking to end with the collector");
    }
    // The parent may have died before the request above: then nobody would ever send the signal.
    // SAFETY: getppid has no arguments and cannot fail.
    let parent = unsafe { libc::getppid() };
    if u32::try_from(parent) != Ok(pid) {
        bail!("the collector (process {pid}) is gone");
    }
    Ok(())
}
