use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

/// What servers send under each name; `raw` is deflate without the zlib header.
const NAMES: [(&str, Coding); 5] = [
    ("gzip", Coding::Gzip),
    ("zlib", Coding::Deflate),
    ("raw", Coding::Deflate),
    ("br", Coding::Brotli),
    ("zstd", Coding::Zstd),
];

/// Codes pieces as a server that flushes after each of them: what it sends for each piece.
fn coded(name: &str, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    fn all<W: std::io::Write>(
        writer: W,
        pieces: &[&[u8]],
        sent: impl Fn(&mut W) -> Vec<u8>,
        end: impl FnOnce(W) -> Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let mut writer = writer;
        let mut out = Vec::new();
        for piece in pieces {
            writer.write_all(piece).expect("a vector");
            writer.flush().expect("a vector");
            out.push(sent(&mut writer));
        }
        out.push(end(writer));
        out
    }
    let level = Compression::default();
    let take = std::mem::take::<Vec<u8>>;
    match name {
        "gzip" => all(
            GzEncoder::new(Vec::new(), level),
            pieces,
            |writer| take(writer.get_mut()),
            |writer| writer.finish().expect("a vector"),
        ),
        "zlib" => all(
            ZlibEncoder::new(Vec::new(), level),
            pieces,
            |writer| take(writer.get_mut()),
            |writer| writer.finish().expect("a vector"),
        ),
        "raw" => all(
            DeflateEncoder::new(Vec::new(), level),
            pieces,
            |writer| take(writer.get_mut()),
            |writer| writer.finish().expect("a vector"),
        ),
        "br" => all(
            ::brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22),
            pieces,
            |writer| take(writer.get_mut()),
            ::brotli::CompressorWriter::into_inner,
        ),
        "zstd" => zstd_pieces(pieces),
        _ => unreachable!("{name}"),
    }
}

fn zstd_pieces(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    use zstd_safe::{CCtx, InBuffer, OutBuffer};
    let mut context = CCtx::create();
    let mut out = Vec::new();
    for piece in pieces {
        let (mut sent, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        let mut input = InBuffer::around(piece);
        while input.pos() < piece.len() {
            let mut output = OutBuffer::around(&mut buffer[..]);
            context
                .compress_stream(&mut output, &mut input)
                .expect("codes");
            let made = output.pos();
            sent.extend_from_slice(&buffer[..made]);
        }
        loop {
            let mut output = OutBuffer::around(&mut buffer[..]);
            let left = context.flush_stream(&mut output).expect("flushes");
            let made = output.pos();
            sent.extend_from_slice(&buffer[..made]);
            if left == 0 {
                break;
            }
        }
        out.push(sent);
    }
    let mut buffer = vec![0; 1 << 16];
    let mut output = OutBuffer::around(&mut buffer[..]);
    context.end_stream(&mut output).expect("ends");
    let made = output.pos();
    out.push(buffer[..made].to_vec());
    out
}

fn undone(
    codings: &[Coding],
    pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> (Vec<u8>, Result<(), Refusal>) {
    let (mut decoder, mut out) = (ContentDecoder::new(codings), Vec::new());
    for piece in pieces {
        let result = decoder.push(piece.as_ref(), &mut |made| {
            out.extend_from_slice(made);
            true
        });
        if result.is_err() {
            return (out, result);
        }
    }
    (out, Ok(()))
}

#[test]
fn what_was_flushed_is_there_when_it_arrives() {
    let events: Vec<Vec<u8>> = (0..20)
        .map(|n| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{n}}}\n\n").into_bytes())
        .collect();
    let pieces: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    for (name, coding) in NAMES {
        let mut decoder = ContentDecoder::new(&[coding]);
        for (sent, expect) in coded(name, &pieces).iter().zip(&pieces) {
            let mut out = Vec::new();
            decoder
                .push(sent, &mut |made| {
                    out.extend_from_slice(made);
                    true
                })
                .expect("it is what it says");
            assert_eq!(out, *expect, "{name}");
        }
    }
}

#[test]
fn several_in_a_row_are_undone_from_the_outside() {
    let text = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}".repeat(100);
    let inner = coded("br", &[&text]).concat();
    let middle = coded("gzip", &[&inner]).concat();
    let outer = coded("zstd", &[&middle]).concat();
    let headers: Headers = [
        ("content-encoding", "br , GZIP"),
        ("transfer-encoding", "zstd, chunked"),
    ]
    .into_iter()
    .collect();
    let all = codings(&headers).expect("all are known");
    assert_eq!(all, [Coding::Zstd, Coding::Gzip, Coding::Brotli]);
    assert_eq!(undone(&all, outer.chunks(7)), (text, Ok(())));
}

#[test]
fn members_and_frames_in_a_row_are_one_body() {
    for (name, coding) in [("gzip", Coding::Gzip), ("zstd", Coding::Zstd)] {
        let twice = [coded(name, &[b"one "]), coded(name, &[b"two"])]
            .concat()
            .concat();
        assert_eq!(
            undone(&[coding], [twice]),
            (b"one two".to_vec(), Ok(())),
            "{name}"
        );
    }
}

#[test]
fn unknown_and_too_many_codings_are_refused() {
    for value in ["compress", "gzip, lzma", "br,br,br,br,br", "gzip;q=1"] {
        let headers: Headers = [("content-encoding", value)].into_iter().collect();
        assert_eq!(codings(&headers), Err(Refusal::Unknown), "{value}");
    }
    for value in ["", "identity", " , identity ,"] {
        let headers: Headers = [("content-encoding", value)].into_iter().collect();
        assert_eq!(codings(&headers), Ok(Vec::new()), "{value}");
    }
}

#[test]
fn a_bomb_is_given_up_and_takes_no_memory() {
    let zeros = vec![0; 1 << 20];
    let pieces = vec![zeros.as_slice(); 64];
    for (name, coding) in NAMES {
        let bomb = coded(name, &pieces).concat();
        let (mut decoder, mut made, mut refused) = (ContentDecoder::new(&[coding]), 0, None);
        for piece in bomb.chunks(4096) {
            let result = decoder.push(piece, &mut |bytes| {
                assert!(bytes.len() <= 3 << 20, "{name}: {}", bytes.len());
                made += bytes.len() as u64;
                true
            });
            refused = refused.or(result.err());
            assert!(decoder.pending_bytes() < 20 << 20, "{name}");
        }
        assert_eq!(refused, Some(Refusal::Bomb), "{name}");
        let allowed = FREE_BYTES.max(bomb.len() as u64 * RATIO_MAX);
        assert!(made <= allowed, "{name}: {made}");
        assert_eq!(decoder.pending_bytes(), 0, "{name}");
    }
}

#[test]
fn a_bomb_in_a_bomb_is_held_against_the_wire() {
    let zeros = vec![0; 1 << 20];
    let inner = coded("zstd", &vec![zeros.as_slice(); 512]).concat();
    let outer = coded("zstd", &[&inner]).concat();
    let (made, result) = undone(&[Coding::Zstd, Coding::Zstd], [outer]);
    assert_eq!(result, Err(Refusal::Bomb));
    assert!(made.len() as u64 <= FREE_BYTES, "{}", made.len());
}

#[test]
fn a_window_larger_than_https_is_refused() {
    use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};
    for (log, refused) in [(23, false), (24, true)] {
        let mut context = CCtx::create();
        context
            .set_parameter(CParameter::WindowLog(log))
            .expect("a valid window");
        let mut buffer = vec![0; 1 << 16];
        let mut output = OutBuffer::around(&mut buffer[..]);
        let mut input = InBuffer::around(b"{}");
        context
            .compress_stream(&mut output, &mut input)
            .expect("codes");
        context.flush_stream(&mut output).expect("flushes");
        let made = output.pos();
        let (out, result) = undone(&[Coding::Zstd], [&buffer[..made]]);
        assert_eq!(result.is_err(), refused, "2^{log}");
        assert_eq!(out.is_empty(), refused, "2^{log}");
    }
}

#[test]
fn whoever_has_enough_stops_it() {
    let text = vec![b'x'; 1 << 20];
    for (name, coding) in NAMES {
        let body = coded(name, &[&text]).concat();
        let (mut decoder, mut calls) = (ContentDecoder::new(&[coding]), 0);
        for piece in body.chunks(16) {
            decoder
                .push(piece, &mut |_| {
                    calls += 1;
                    false
                })
                .expect("no refusal");
        }
        assert_eq!(calls, 1, "{name}");
    }
}

#[test]
fn bytes_behind_a_loss_are_not_guessed() {
    let mut decoder = ContentDecoder::new(&[Coding::Gzip]);
    assert_eq!(decoder.gap(), Err(Refusal::Broken));
    assert_eq!(ContentDecoder::default().gap(), Ok(()));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_bytes(
        text in proptest::collection::vec(any::<u8>(), 0..3000),
        repeat in 1_usize..20,
        which in 0_usize..NAMES.len(),
        sizes in proptest::collection::vec(1_usize..300, 1..10),
    ) {
        let text = text.repeat(repeat);
        let (name, coding) = NAMES[which];
        let body = coded(name, &[&text]).concat();
        let (mut rest, mut pieces) = (body.as_slice(), Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, left) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        prop_assert_eq!(undone(&[coding], pieces), (text, Ok(())));
    }

    #[test]
    fn any_bytes_are_taken(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        which in proptest::collection::vec(0_usize..NAMES.len(), 1..4),
        whole in 0_usize..200,
    ) {
        // A whole beginning gets further than noise alone.
        let codings: Vec<Coding> = which.iter().map(|which| NAMES[*which].1).collect();
        let mut body = coded(NAMES[which[0]].0, &[&bytes]).concat();
        body.truncate(whole);
        body.extend_from_slice(&bytes);
        let _ = undone(&codings, body.chunks(50));
    }
}
