//! An IP packet as it was captured → the TCP segment in it.
//!
//! The kernel gives what begins at the IP header (see `kernel::packet`). A packet may be far larger than a link's: the
//! network card and the loopback interface hand on many segments as one, with lengths of 0 where a length has no room.
//! Checksums are not looked at: what leaves this host is captured before the card fills them in.

use std::net::{IpAddr, SocketAddr};

use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::{TcpFlags, TcpPacket};

/// Extension headers of IPv6 that are walked; real packets have one or two.
const EXTENSIONS_MAX: usize = 8;
/// RFC 8200, 4: the fixed header.
const IPV6_HEADER_BYTES: usize = 40;
/// Lengths of IPv4 and TCP headers count in words of four bytes.
const WORD_BYTES: usize = 4;
/// RFC 791, 3.1: more fragments follow.
const MORE_FRAGMENTS: u8 = 0b001;

/// One TCP segment, with the bytes of it that were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Sequence number of its first byte, or of the SYN.
    pub sequence: u32,
    /// The next byte that its sender expects of the other side.
    pub acknowledged: Option<u32>,
    /// It opens the connection.
    pub syn: bool,
    /// Its sender has no more to say after it.
    pub fin: bool,
    /// The connection is over.
    pub rst: bool,
    /// What it carries, as far as it was captured.
    pub payload: &'a [u8],
    /// Bytes that it carries; more than `payload` has where the packet was cut or is the first of fragments.
    pub length: u32,
}

/// The segment in an IP packet; none where there is no TCP header to read.
#[must_use]
pub fn segment(packet: &[u8]) -> Option<Segment<'_>> {
    match packet.first()? >> 4 {
        4 => in_ipv4(packet),
        6 => in_ipv6(packet),
        _ => None,
    }
}

fn in_ipv4(bytes: &[u8]) -> Option<Segment<'_>> {
    let packet = Ipv4Packet::new(bytes)?;
    let tcp = packet.get_next_level_protocol() == IpNextHeaderProtocols::Tcp;
    if !tcp || packet.get_fragment_offset() != 0 {
        return None;
    }
    let header = usize::from(packet.get_header_length()) * WORD_BYTES;
    if header < Ipv4Packet::minimum_packet_size() {
        return None;
    }
    let total = match usize::from(packet.get_total_length()) {
        // Larger than the field: the bytes themselves tell.
        0 => bytes.len(),
        total => total,
    };
    let length = total.checked_sub(header)?;
    let places = (packet.get_source().into(), packet.get_destination().into());
    let mut segment = in_tcp(places, bytes.get(header..)?, length)?;
    if packet.get_flags() & MORE_FRAGMENTS != 0 {
        // What follows it is in other packets, which say no ports.
        segment.fin = false;
    }
    Some(segment)
}

fn in_ipv6(bytes: &[u8]) -> Option<Segment<'_>> {
    let packet = Ipv6Packet::new(bytes)?;
    let total = match usize::from(packet.get_payload_length()) {
        0 => bytes.len(),
        length => IPV6_HEADER_BYTES + length,
    };
    let (mut next, mut at) = (packet.get_next_header(), IPV6_HEADER_BYTES);
    for _ in 0..EXTENSIONS_MAX {
        match next {
            IpNextHeaderProtocols::Tcp => {
                let places = (packet.get_source().into(), packet.get_destination().into());
                return in_tcp(places, bytes.get(at..)?, total.checked_sub(at)?);
            }
            IpNextHeaderProtocols::Hopopt
            | IpNextHeaderProtocols::Ipv6Route
            | IpNextHeaderProtocols::Ipv6Opts => {
                // RFC 8200, 4.2: the next header, and the length in units of eight bytes beside the first eight.
                let [following, length, ..] = bytes.get(at..)? else {
                    return None;
                };
                next = IpNextHeaderProtocol::new(*following);
                at += (usize::from(*length) + 1) * 8;
            }
            _ => return None,
        }
    }
    None
}

/// `length`: bytes of the segment with its header, as IP says.
fn in_tcp((from, to): (IpAddr, IpAddr), bytes: &[u8], length: usize) -> Option<Segment<'_>> {
    // A link may pad a short packet.
    let bytes = bytes.get(..length).unwrap_or(bytes);
    let packet = TcpPacket::new(bytes)?;
    let header = usize::from(packet.get_data_offset()) * WORD_BYTES;
    if header < TcpPacket::minimum_packet_size() {
        return None;
    }
    let flags = packet.get_flags();
    let has = |flag| flags & flag != 0;
    Some(Segment {
        from: SocketAddr::new(from.to_canonical(), packet.get_source()),
        to: SocketAddr::new(to.to_canonical(), packet.get_destination()),
        sequence: packet.get_sequence(),
        acknowledged: has(TcpFlags::ACK).then(|| packet.get_acknowledgement()),
        syn: has(TcpFlags::SYN),
        fin: has(TcpFlags::FIN),
        rst: has(TcpFlags::RST),
        payload: bytes.get(header..).unwrap_or_default(),
        length: u32::try_from(length.checked_sub(header)?).ok()?,
    })
}

#[cfg(test)]
mod tests;
