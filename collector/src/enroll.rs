//! Who may send: the collector's own certificate authority.

pub mod authority;
