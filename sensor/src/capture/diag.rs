//! Sockets by question and answer: sock_diag(7).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink,
    sockopt,
};

use crate::event::Tuple;
use crate::host::TcpSocket;

/// The kernel answers before `send` returns; this is for one that does not.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);
/// What one datagram of answers may take, bytes: the kernel fills at most 32 KiB (`netlink_dump`, net/netlink/af_netlink.c).
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Listening sockets that are taken.
const LISTENING_MAX: usize = 65_536;
/// `INET_DIAG_NOCOOKIE` (include/uapi/linux/inet_diag.h): whichever socket has these addresses.
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// A socket to ask the kernel by.
#[derive(Debug)]
pub(super) struct Diag {
    socket: OwnedFd,
    sequence: u32,
    answers: Vec<u8>,
}

impl Diag {
    /// None where the kernel does not answer for TCP (CONFIG_INET_TCP_DIAG), or does not let us ask.
    #[must_use]
    pub(super) fn open() -> Option<Self> {
        let mut diag = Self::connect().ok()?;
        // Asked for one socket, the kernel says ENOENT for "none such" and for "no answers for TCP"; asked for all, for the latter alone.
        diag.listening().ok().map(|_| diag)
    }

    fn connect() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(rustix::net::netlink::SOCK_DIAG),
        )?;
        rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWERS_WITHIN))?;
        Ok(Self {
            socket,
            sequence: 0,
            answers: vec![0; ANSWER_BYTES_MAX],
        })
    }

    /// All listening sockets.
    ///
    /// # Errors
    /// The kernel did not answer, or refused.
    pub(super) fn listening(&mut self) -> io::Result<Vec<TcpSocket>> {
        let mut found = Vec::new();
        for ids in [SocketId::new_v4(), SocketId::new_v6()] {
            self.ask(NLM_F_DUMP, StateFlags::LISTEN, ids)?;
            self.answers(|socket| {
                if found.len() < LISTENING_MAX {
                    found.push(socket);
                }
            })?;
        }
        found.retain(TcpSocket::is_listening);
        Ok(found)
    }

    /// The connected socket of these addresses; a dual-stack one, too, is asked for by the IPv4 addresses it uses. With `interface` 0
    /// that is one which is bound to none; one that is bound is found by its interface alone (`inet_match`,
    /// include/net/inet_hashtables.h).
    ///
    /// # Errors
    /// The kernel did not answer, or refused.
    pub(super) fn connected(
        &mut self,
        tuple: &Tuple,
        interface: u32,
    ) -> io::Result<Option<TcpSocket>> {
        let id = SocketId {
            source_port: tuple.local.port(),
            destination_port: tuple.remote.port(),
            source_address: tuple.local.ip(),
            destination_address: tuple.remote.ip(),
            interface_id: interface,
            cookie: NO_COOKIE,
        };
        self.ask(0, StateFlags::all(), id)?;
        let mut found = None;
        match self.answers(|socket| found = Some(socket)) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            answered => answered?,
        }
        // The kernel falls back to who listens there.
        Ok(found.filter(|socket| !socket.is_listening() && socket.tuple == *tuple))
    }

    fn ask(&mut self, flags: u16, states: StateFlags, socket_id: SocketId) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let family = if socket_id.source_address.is_ipv4() {
            AF_INET
        } else {
            AF_INET6
        };
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states,
            socket_id,
        };
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        rustix::net::send(&self.socket, &bytes, SendFlags::empty())?;
        Ok(())
    }

    /// Reads what belongs to the last question: one socket, or all up to the end of the list.
    fn answers(&mut self, mut found: impl FnMut(TcpSocket)) -> io::Result<()> {
        loop {
            let (length, _) = rustix::net::recv(
                &self.socket,
                self.answers.as_mut_slice(),
                RecvFlags::empty(),
            )?;
            let mut rest = self.answers.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
                let length = aligned(message.header.length);
                rest = rest.get(length.max(1)..).unwrap_or_default();
                // Left from a question whose answer came too late.
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                        found(socket(&response));
                        if message.header.flags & libc::NLM_F_MULTI as u16 == 0 {
                            return Ok(());
                        }
                    }
                    NetlinkPayload::Done(done) => return refusal(done.code),
                    NetlinkPayload::Error(error) => {
                        return refusal(error.code.map_or(0, NonZero::get));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// An answer that is a number: 0, or an error as the kernel writes it.
fn refusal(code: i32) -> io::Result<()> {
    match code {
        0.. => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}

fn socket(response: &InetResponse) -> TcpSocket {
    let header = &response.header;
    let id = &header.socket_id;
    let address = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
    TcpSocket {
        tuple: Tuple {
            local: address(id.source_address, id.source_port),
            remote: address(id.destination_address, id.destination_port),
        },
        state: header.state,
        uid: header.uid,
        inode: header.inode.into(),
    }
}

/// netlink(7), `NLMSG_ALIGN`.
fn aligned(length: u32) -> usize {
    usize::try_from(length)
        .unwrap_or(usize::MAX)
        .next_multiple_of(4)
}
