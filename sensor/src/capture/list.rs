//! The TCP sockets of this network namespace, as /proc lists them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::socket::Socket;
use crate::event::Tuple;
use crate::host::read_bounded;

/// Longest list that is read, in bytes: about 200,000 sockets.
const LIST_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// All of them.
#[must_use]
pub(super) fn list() -> Vec<Socket> {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|path| read_bounded(path, LIST_BYTES_MAX))
        .flat_map(|list| parse(&list))
        .collect()
}

/// proc(5), /proc/net/tcp: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`.
fn parse(list: &str) -> Vec<Socket> {
    let socket = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let local = address(fields.nth(1)?)?;
        let remote = address(fields.next()?)?;
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Socket {
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
        let named = |local: &str, remote: &str, state, uid, inode| Socket {
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
