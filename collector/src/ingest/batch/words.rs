//! The wire's enumerations as the contract's words.

use gnomon_proto::v1;

pub(super) fn transport(value: v1::Transport) -> Option<&'static str> {
    match value {
        v1::Transport::Unspecified => None,
        v1::Transport::Stdio => Some("stdio"),
        v1::Transport::Http => Some("http"),
        v1::Transport::Sse => Some("sse"),
    }
}

pub(super) fn channel(value: v1::Channel) -> Option<&'static str> {
    match value {
        v1::Channel::Unspecified => None,
        v1::Channel::Pipe => Some("pipe"),
        v1::Channel::Unix => Some("unix"),
        v1::Channel::Tcp => Some("tcp"),
        v1::Channel::Pty => Some("pty"),
    }
}

pub(super) fn base_route(value: v1::BaseRoute) -> &'static str {
    match value {
        v1::BaseRoute::Local => "local",
        v1::BaseRoute::Direct => "direct",
        v1::BaseRoute::Inbound => "inbound",
        v1::BaseRoute::Bridge => "bridge",
        v1::BaseRoute::Opaque | v1::BaseRoute::Unspecified => "opaque",
    }
}
