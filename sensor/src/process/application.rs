//! The AI application that a process is, named from its executable and arguments.

/// Names the AI application, or none. Never from what the process says of itself on the wire.
/// The caller walks up the ancestors.
#[must_use]
pub fn application(exe: Option<&str>, argv: &[String]) -> Option<&'static str> {
    let _ = (exe, argv);
    None
}
