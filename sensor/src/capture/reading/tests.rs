use super::*;

const REQUEST: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: h\r\n\r\n";

fn piece(bytes: &[u8]) -> Piece {
    Piece {
        lost: 0,
        bytes: bytes.to_vec(),
    }
}

/// What is passed on of these pieces, by reading.
fn passed(reading: &mut Reading, pieces: &[(Side, &[u8])]) -> Vec<(u64, usize, u64)> {
    let mut out = Vec::new();
    for (from, bytes) in pieces {
        reading.push(*from, piece(bytes), &mut out);
    }
    out.iter()
        .map(|passed| (passed.piece.lost, passed.piece.bytes.len(), passed.length))
        .collect()
}

#[test]
fn http_is_known_by_either_side_and_nothing_of_it_is_left_out() {
    for bytes in [
        REQUEST,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\nGET / HTTP/1.1\r\n",
    ] {
        let mut reading = Reading::default();
        let single: Vec<(Side, &[u8])> = bytes.chunks(1).map(|byte| (Side::B, byte)).collect();
        assert_eq!(passed(&mut reading, &single).len(), bytes.len());
        assert!(reading.is_http());
    }
}

#[test]
fn anything_else_is_let_go_and_keeps_nothing() {
    for bytes in [
        b"SSH-2.0-OpenSSH\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"220 mail ESMTP\r\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}\n",
    ] {
        let mut reading = Reading::default();
        assert_eq!(passed(&mut reading, &[(Side::A, bytes)]), []);
        assert!(reading.is_let_go());
        assert_eq!(reading.pending_bytes(), 0);
    }
    let mut reading = Reading::default();
    let endless = vec![(Side::A, b"POST ".as_slice()); 1000];
    passed(&mut reading, &endless);
    assert!(reading.is_let_go(), "a look is bounded");
}

#[test]
fn what_lies_before_a_gap_is_lost_and_keeps_nothing() {
    let mut reading = Reading::default();
    let mut out = Vec::new();
    for _ in 0..10_000 {
        let piece = Piece {
            lost: 7,
            ..piece(b"GE")
        };
        reading.push(Side::A, piece, &mut out);
        assert!(reading.pending_bytes() <= PIECE_BYTES + 4);
    }
    reading.push(Side::B, piece(b"HT"), &mut out);
    let rest = Piece {
        lost: 1,
        ..piece(REQUEST)
    };
    reading.push(Side::A, rest, &mut out);
    let told = out.iter().map(|passed| (passed.from, passed.piece.lost));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(Side::B, 0), (Side::A, 10_000 * 9 + 1)]
    );
}

#[test]
fn many_small_pieces_are_counted_for_what_they_cost() {
    let mut reading = Reading::default();
    let begun = [b"POST /".as_slice(), &[b'x'; 994]].concat();
    let single: Vec<(Side, &[u8])> = begun.chunks(1).map(|byte| (Side::A, byte)).collect();
    passed(&mut reading, &single);
    assert!(reading.pending_bytes() >= 1000 * (PIECE_BYTES + 1));
}

#[test]
fn of_other_http_the_heads_are_told_and_what_surrounds_a_post() {
    let mut reading = Reading::default();
    reading.judge(FlowVerdict::Heads);
    let body = vec![b'x'; 10_000];
    let get = b"GET /large HTTP/1.1\r\n\r\n".as_slice();
    let answer = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
    let pieces: Vec<(Side, &[u8])> = vec![
        (Side::A, get),
        (Side::B, &answer),
        (Side::B, &body),
        (Side::B, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (Side::A, REQUEST),
        (Side::B, &body),
    ];
    let length = |bytes: &[u8]| bytes.len() as u64;
    assert_eq!(
        passed(&mut reading, &pieces),
        [
            (0, get.len(), length(get)),
            // Its rest is told as missing by its length.
            (0, 4096, length(&answer)),
            (10_000, 27, 27),
            (0, REQUEST.len(), length(REQUEST)),
            (0, 10_000, 10_000),
        ]
    );
    reading.judge(FlowVerdict::Mcp);
    assert_eq!(
        passed(&mut reading, &[(Side::B, &body)]),
        [(0, 10_000, 10_000)]
    );
    reading.judge(FlowVerdict::NotMcp);
    assert_eq!(passed(&mut reading, &[(Side::A, REQUEST)]), []);
}
