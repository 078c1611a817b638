//! The TCP sockets of this network namespace.
//!
//! The kernel is asked for each one (`diag`): that costs the same however many there are. Its lists in /proc (`host::tcp_sockets`)
//! are for where it cannot be asked: to read one, the kernel walks a table that is sized by the machine's memory, for
//! milliseconds.

use std::collections::HashMap;
use std::io;

use super::diag::Diag;
use crate::event::Tuple;
use crate::host::{Addresses, TcpSocket, tcp_sockets};

/// States of a socket that can be waiting to be accepted (include/net/tcp_states.h): `TCP_ESTABLISHED`, `TCP_SYN_RECV`,
/// and `TCP_CLOSE_WAIT` once the other side has said all it had to say.
const ACCEPTABLE: [u8; 3] = [1, 3, 8];
/// No process has it yet; one that was closed by its process stays without.
#[must_use]
pub(super) fn is_to_be_accepted(socket: &TcpSocket) -> bool {
    socket.inode == 0 && ACCEPTABLE.contains(&socket.state)
}

/// Where sockets are looked up.
#[derive(Debug)]
pub(super) struct Sockets {
    diag: Option<Diag>,
}

impl Sockets {
    /// Asks the kernel, if it answers.
    #[must_use]
    pub(super) fn open() -> Self {
        Self { diag: Diag::open() }
    }

    /// Those that listen.
    #[must_use]
    pub(super) fn listening(&mut self) -> Vec<TcpSocket> {
        if let Some(diag) = &mut self.diag
            && let Ok(sockets) = diag.listening()
        {
            return sockets;
        }
        tcp_sockets("self")
            .into_iter()
            .filter(TcpSocket::is_listening)
            .collect()
    }

    /// Those of these addresses that there are. `own`: the addresses of this namespace.
    #[must_use]
    pub(super) fn connected(
        &mut self,
        tuples: impl Iterator<Item = Tuple>,
        own: &Addresses,
    ) -> HashMap<Tuple, TcpSocket> {
        let tuples: Vec<Tuple> = tuples.collect();
        if let Some(diag) = &mut self.diag {
            let asked: Result<Vec<_>, _> = tuples
                .iter()
                .map(|tuple| connected(diag, tuple, own))
                .collect();
            if let Ok(found) = asked {
                return by_tuple(found.into_iter().flatten());
            }
        }
        by_tuple(
            tcp_sockets("self")
                .into_iter()
                .filter(|socket| !socket.is_listening()),
        )
    }
}

/// A socket by its addresses; one that is bound to an interface (SO_BINDTODEVICE, a VRF, IPv6 of one link) by that, too.
fn connected(diag: &mut Diag, tuple: &Tuple, own: &Addresses) -> io::Result<Option<TcpSocket>> {
    for interface in std::iter::once(0).chain(own.interfaces_of(tuple.local.ip())) {
        if let Some(socket) = diag.connected(tuple, interface)? {
            return Ok(Some(socket));
        }
    }
    Ok(None)
}

fn by_tuple(sockets: impl Iterator<Item = TcpSocket>) -> HashMap<Tuple, TcpSocket> {
    sockets.map(|socket| (socket.tuple, socket)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    fn tuple(end: &TcpStream) -> Tuple {
        let plain =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Tuple {
            local: plain(end.local_addr().unwrap()),
            remote: plain(end.peer_addr().unwrap()),
        }
    }

    fn own() -> Addresses {
        let mut own = Addresses::new(Duration::from_secs(60));
        own.refresh();
        own
    }

    /// By the kernel's answers and by its lists. A machine that does not answer says so.
    fn ways() -> Vec<Sockets> {
        let list = Sockets { diag: None };
        let Some(diag) = Diag::open() else {
            assert!(std::env::var_os("CI").is_none(), "no sock_diag in CI");
            eprintln!(
                "SKIPPED: this kernel does not answer sock_diag for TCP; its lists alone are tested"
            );
            return vec![list];
        };
        vec![Sockets { diag: Some(diag) }, list]
    }

    #[test]
    fn a_live_connection_is_found_from_both_sides() {
        // An IPv4 client of a listener for both is an IPv6 socket at the server.
        let any = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        for listens_at in [IpAddr::from([127, 0, 0, 1]), any] {
            let listener = TcpListener::bind((listens_at, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (server, _) = listener.accept().unwrap();
            let ends = [tuple(&client), tuple(&server)];
            for mut sockets in ways() {
                let connected = sockets.connected(ends.into_iter(), &own());
                for end in ends {
                    assert_ne!(connected[&end].inode, 0, "{sockets:?}");
                }
                let all = sockets.listening();
                let at = listener.local_addr().unwrap();
                let here = all.iter().filter(|socket| socket.tuple.local == at);
                assert_eq!(here.count(), 1, "{sockets:?}: {all:?}");
                assert!(all.iter().all(TcpSocket::is_listening));
            }
        }
    }

    #[test]
    fn a_socket_that_is_bound_to_an_interface_is_found() {
        const BOUND: &str = "import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')
s.connect(('127.0.0.1', int(sys.argv[1])))
sys.stdin.read()
";
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut client = Command::new("python3")
            .args(["-c", BOUND, &port])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (server, _) = listener.accept().unwrap();
        let far = tuple(&server);
        let near = Tuple {
            local: far.remote,
            remote: far.local,
        };
        for mut sockets in ways() {
            let found = sockets.connected([near].into_iter(), &own());
            let inode = found.get(&near).map_or(0, |socket| socket.inode);
            assert_ne!(inode, 0, "{sockets:?}");
        }
        client.kill().unwrap();
        client.wait().unwrap();
    }

    #[test]
    fn who_was_not_accepted_is_waited_for_and_who_closed_is_not() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let near = tuple(&client);
        let far = Tuple {
            local: near.remote,
            remote: near.local,
        };
        for mut sockets in ways() {
            let waiting = sockets.connected([far].into_iter(), &own())[&far];
            assert!(is_to_be_accepted(&waiting), "{waiting:?}");
        }
        drop(client);
        for mut sockets in ways() {
            // The other side has not closed, so that this one is kept by the kernel.
            let closed = sockets.connected([near].into_iter(), &own())[&near];
            assert_eq!(closed.inode, 0);
            assert!(!is_to_be_accepted(&closed), "{closed:?}");
            let absent = Tuple {
                local: near.local,
                remote: near.local,
            };
            assert!(
                !sockets
                    .connected([absent].into_iter(), &own())
                    .contains_key(&absent)
            );
        }
    }
}
