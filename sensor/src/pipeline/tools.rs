//! Which definition of each tool was told last.

use std::collections::HashMap;

use crate::mcp::tools::Digest;
use crate::observation::ServerKey;

/// Tools remembered, over all servers: 64 bytes each. When there are more all are forgotten, and told again.
const TOOLS_MAX: usize = 65_536;

/// Names are kept as digests: servers can have many and long ones.
#[derive(Default)]
pub(super) struct ToolsTold(HashMap<Digest, Digest>);

impl ToolsTold {
    /// Whether this definition of a server's tool is to be told, and which one was told of it before.
    pub(super) fn note(
        &mut self,
        server: &ServerKey,
        tool: &str,
        digest: Digest,
    ) -> Option<Previous> {
        // No server key holds a NUL.
        let name = Digest::of(format!("{}\0{tool}", server.as_str()).as_bytes());
        if self.0.get(&name) == Some(&digest) {
            return None;
        }
        if self.0.len() >= TOOLS_MAX {
            self.0.clear();
        }
        Some(Previous(self.0.insert(name, digest)))
    }
}

/// What was told of a tool before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Previous(pub(super) Option<Digest>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_told_once_and_with_the_one_before() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let server = ServerKey::new("npm:x");
        let mut told = ToolsTold::default();
        assert_eq!(told.note(&server, "add", one), Some(Previous(None)));
        assert_eq!(told.note(&server, "add", one), None);
        assert_eq!(told.note(&server, "add", two), Some(Previous(Some(one))));
        assert_eq!(
            told.note(&ServerKey::new("npm:y"), "add", two),
            Some(Previous(None))
        );
    }
}
