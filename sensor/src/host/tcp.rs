//! TCP sockets, as /proc lists them for one network namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::path::read_bounded;
use crate::event::Tuple;

/// Longest list that is read, in bytes: about 200,000 sockets.
const LIST_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// `TCP_LISTEN` (include/net/tcp_states.h).
const LISTEN: u8 = 10;

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    /// Its addresses; a listening one has port 0 on the other side.
    pub(crate) tuple: Tuple,
    /// include/net/tcp_states.h.
    pub(crate) state: u8,
    /// Who made it.
    pub(crate) uid: u32,
    /// Its number; 0 while no process has it: not accepted yet, or closed.
    pub(crate) inode: u64,
}

impl TcpSocket {
    /// It waits for connections.
    #[must_use]
    pub(crate) const fn is_listening(&self) -> bool {
        self.state == LISTEN
    }
}

/// All that a process (a number, or `self`) could see.
#[must_use]
pub(crate) fn tcp_sockets(process: &str) -> Vec<TcpSocket> {
    ["tcp", "tcp6"]
        .into_iter()
        .filter_map(|list| read_bounded(&format!("/proc/{process}/net/{list}"), LIST_BYTES_MAX))
        .flat_map(|list| parse(&list))
        .collect()
}

/// proc(5), /proc/net/tcp: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`.
fn parse(list: &str) -> Vec<TcpSocket> {
    let socket = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let local = address(fields.nth(1)?)?;
        let remote = address(fields.next()?)?;
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(TcpSocket {
            tuple: Tuple { local, remote },
            state,
            uid,
            inode,
        })
    };
    list.lines().skip(1).filter_map(socket).collect()
}

/// `0100007F:1F90`: words of an address as this machine keeps them, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(8 * at..8 * at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let list = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0
   1: 0100007F:1F90 0200007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0
   2: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000300007F:0001 06 0:0 0:0 0 7 0 9 1
   3: 0100007F 0200007F:9999 01 0 0 0 0 0 4243
short 0A
";
        let named = |local: &str, remote: &str, state, uid, inode| TcpSocket {
            tuple: Tuple {
                local: local.parse().unwrap(),
                remote: remote.parse().unwrap(),
            },
            state,
            uid,
            inode,
        };
        let expected = [
            named("127.0.0.1:8080", "0.0.0.0:0", 10, 1000, 4242),
            named("127.0.0.1:8080", "127.0.0.2:39321", 1, 0, 4243),
            named("127.0.0.1:8080", "127.0.0.3:1", 6, 7, 9),
        ];
        assert_eq!(parse(list), expected);
    }
}
