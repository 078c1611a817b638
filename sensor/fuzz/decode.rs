//! What every decoder promises of any bytes: no panic, its bounds, and the same frames however they are cut. Shared by
//! the fuzz targets and by the property tests.
#![allow(dead_code)] // each target takes one

use gnomon_sensor::capture::segment::segment;
use gnomon_sensor::event::Body;
use gnomon_sensor::kernel::{self, clock::Clock};
use gnomon_sensor::mcp::message::{BATCH_MAX, Parsed, excerpt, parse};
use gnomon_sensor::protocol::coding::{Coding, ContentDecoder};
use gnomon_sensor::protocol::http1::{Connection, HttpEvent, Side};
use gnomon_sensor::protocol::lines::LineDecoder;
use gnomon_sensor::protocol::sse::SseDecoder;
use gnomon_sensor::redact;
use sensor_abi::{ABI_VERSION, record::Header};

/// Small, so that short inputs reach it.
const LIMIT_BYTES: usize = 64;

/// The first byte says into what pieces the others are cut.
fn split(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes {
        [size, rest @ ..] => (usize::from(*size % 32) + 1, rest),
        [] => (1, &[]),
    }
}

/// Lines of stdio.
pub(crate) fn lines(bytes: &[u8]) {
    let (size, bytes) = split(bytes);
    let decoded = |size: usize| {
        let (mut decoder, mut out) = (LineDecoder::new(LIMIT_BYTES), Vec::new());
        for piece in bytes.chunks(size) {
            decoder.push(piece, &mut out);
            assert!(decoder.pending_bytes() <= LIMIT_BYTES);
        }
        decoder.gap(&mut out);
        out
    };
    assert_eq!(decoded(size), decoded(usize::MAX));
}

/// Server-sent events.
pub(crate) fn sse(bytes: &[u8]) {
    let (size, bytes) = split(bytes);
    let decoded = |size: usize| {
        let (mut decoder, mut out) = (SseDecoder::with_limit(LIMIT_BYTES), Vec::new());
        for piece in bytes.chunks(size) {
            decoder.push(piece, &mut out);
            assert!(decoder.pending_bytes() <= 3 * LIMIT_BYTES + 1024);
        }
        out
    };
    assert_eq!(decoded(size), decoded(usize::MAX));
}

/// Both directions of a connection, in turns, with losses.
pub(crate) fn http1(bytes: &[u8]) {
    let (size, bytes) = split(bytes);
    let (mut connection, mut out) = (Connection::new(), Vec::new());
    let mut bodies = 0;
    for (number, piece) in bytes.chunks(size).enumerate() {
        let side = if number % 3 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        connection.push(side, piece, &mut out);
        if piece.first() == Some(&0xff) {
            connection.gap(side, u64::from(piece[piece.len() - 1]), &mut out);
        }
        assert!(connection.pending_bytes() <= bytes.len());
    }
    connection.close(Side::Client, &mut out);
    connection.close(Side::Server, &mut out);
    for event in &out {
        if let HttpEvent::RequestBody { bytes, .. } | HttpEvent::ResponseBody { bytes, .. } = event
        {
            bodies += bytes.len();
        }
    }
    assert!(bodies <= bytes.len(), "nothing is made up");
}

/// One JSON text, whole and cut.
pub(crate) fn message(bytes: &[u8]) {
    let (size, bytes) = split(bytes);
    if let Parsed::Rpc { messages, .. } = parse(bytes) {
        assert!(messages.len() <= BATCH_MAX);
        assert!(messages.iter().all(|message| message.bytes <= bytes.len()));
    }
    let head = bytes.len() * size / 32;
    let (head, tail) = bytes.split_at(head.min(bytes.len()));
    if let Some(message) = excerpt(head, tail, bytes.len() as u64) {
        assert!(message.marks.is_empty(), "what is cut proves nothing");
    }
}

/// A coded body, one or two codings.
pub(crate) fn content(bytes: &[u8]) {
    const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    let (size, bytes) = split(bytes);
    let decoded = |size: usize| {
        let codings = [CODINGS[bytes.len() % 4], CODINGS[bytes.len() / 4 % 4]];
        let count = bytes.len() / 16 % 2 + 1;
        let mut decoder = ContentDecoder::new(&codings[..count]);
        let (mut out, mut refused) = (Vec::new(), None);
        for piece in bytes.chunks(size) {
            let result = decoder.push(piece, &mut |made| {
                out.extend_from_slice(made);
                true
            });
            refused = refused.or(result.err());
            assert!(decoder.pending_bytes() < 64 << 20);
        }
        (out, refused)
    };
    let (one, other) = (decoded(size), decoded(usize::MAX));
    if one.1.is_none() && other.1.is_none() {
        assert_eq!(one.0, other.0);
    }
}

/// A captured packet, as it is and with the beginning of an IP header.
pub(crate) fn packet(bytes: &[u8]) {
    let (size, bytes) = split(bytes);
    let version = [[0x45, 0], [0x4f, 0], [0x60, 0]][size % 3];
    let tcp = [version.as_slice(), bytes].concat();
    for packet in [bytes, &tcp] {
        if let Some(segment) = segment(packet) {
            assert!(segment.payload.len() as u64 <= u64::from(segment.length));
            assert!(
                segment.payload.len() + 40 <= packet.len(),
                "behind two headers"
            );
        }
    }
}

/// A record of the ring buffer, as it is and with a header of ours before it.
pub(crate) fn record(bytes: &[u8]) {
    /// More than there are kinds.
    const KINDS: usize = 16;
    let clock = Clock::from_offset(1);
    let _ = kernel::decode(bytes, &clock);
    let (kind, bytes) = split(bytes);
    let length = size_of::<Header>() + bytes.len();
    let record = [
        &ABI_VERSION.to_ne_bytes(),
        &((kind % KINDS) as u16).to_ne_bytes(),
        &(length as u32).to_ne_bytes() as &[u8],
        &[0; 8],
        bytes,
    ]
    .concat();
    if let Some(event) = kernel::decode(&record, &clock) {
        if let Body::Transfer(transfer) = &event.body {
            // A packet's end may be added.
            assert!(transfer.payload.len() <= bytes.len() + 1);
        }
        assert_eq!(event.time, 1);
    }
    for cut in [0, length / 2, length - 1] {
        assert!(kernel::decode(&record[..cut], &clock).is_none(), "{cut}");
    }
}

/// A secret of a known format in the middle of any text, in every place that is stated.
pub(crate) fn redacted(bytes: &[u8]) {
    // Of GitHub's own documentation.
    const SECRET: &str = concat!("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a");
    let (size, bytes) = split(bytes);
    let (before, after) = bytes.split_at(bytes.len() * (size - 1) / 32);
    let [before, after] = [before, after].map(String::from_utf8_lossy);
    let planted = format!("{before} {SECRET} {after}");
    for told in [
        redact::text(&planted),
        redact::url(&planted),
        redact::resource(&planted),
        redact::header("X-Any", &planted),
        redact::argv(std::slice::from_ref(&planted)).concat(),
        redact::argv(&planted.split(' ').map(str::to_owned).collect::<Vec<_>>()).concat(),
    ] {
        assert!(!told.contains(SECRET), "{told}");
    }
}
