//! Any bytes, and those that look like more, through every decoder and through the whole pass.

use proptest::prelude::*;

use crate::recording::{
    CLIENT, Recording, SERVER, call, chunk, event, initialize, initialized, ok, post, result,
    stream,
};

#[path = "../../fuzz/decode.rs"]
mod decode;

/// Pieces of protocols between pieces of noise: noise alone gets nowhere.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::sample::select(vec![
            "POST /mcp HTTP/1.1\r\n",
            "GET /sse HTTP/1.1\r\n",
            "HTTP/1.1 200 OK\r\n",
            "Host: h\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Content-Type: application/json\r\n",
            "Content-Type: text/event-stream\r\n",
            "Content-Encoding: gzip\r\n",
            "Mcp-Session-Id: x\r\n",
            "\r\n",
            "\n",
            "5\r\nhello\r\n",
            "0\r\n\r\n",
            "event: endpoint\n",
            "data: ",
            "data: /m?session_id=1\n\n",
            "id: 1\n",
            "retry: 1\n",
            "{\"jsonrpc\":\"2.0\",\"id\":1,",
            "\"method\":\"tools/call\",",
            "\"method\":\"initialize\",",
            "\"params\":{\"name\":\"a\"}}",
            "\"result\":{",
            "\"error\":{\"code\":-1}}",
            "\"tools\":[{\"name\":\"a\",\"inputSchema\":{}}]}}",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\"isError\":true",
            "\u{feff}",
            "\\ud800",
            "\"",
            "1e999",
            "-0",
            "\x1f\x00\x08",
            "\x78\x01",
            "(\x00/\x00",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        Just(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
        Just(vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_decoder_keeps_its_promises(bytes in bytes()) {
        decode::lines(&bytes);
        decode::sse(&bytes);
        decode::http1(&bytes);
        decode::message(&bytes);
        decode::content(&bytes);
        decode::packet(&bytes);
        decode::record(&bytes);
        decode::redacted(&bytes);
    }

    #[test]
    fn any_packet_is_taken(
        kind in 0u8..3,
        bytes in proptest::collection::vec(any::<u8>(), 40..200),
        short in any::<bool>(),
    ) {
        // The target puts two bytes before these; then IPv4 or IPv6 says that TCP follows, and no fragment.
        let mut bytes = bytes;
        let set: &[(usize, u8)] = if kind == 2 { &[(4, 6)] } else { &[(4, 0), (5, 0), (7, 6)] };
        for (at, value) in set {
            bytes[*at] = *value;
        }
        if short {
            // A header of TCP of five words, so that many have a payload.
            for at in [30, 50] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 0x50;
                }
            }
        }
        bytes.insert(0, (kind + 2) % 3);
        decode::packet(&bytes);
    }

    #[test]
    fn noise_beside_a_session_hides_nothing_of_it(
        noise in proptest::collection::vec(bytes(), 1..6),
        gone in any::<bool>(),
    ) {
        let mut recording = Recording::default();
        let (pipes, other) = (recording.pipes(CLIENT, SERVER), recording.pipes(CLIENT, 7));
        let (to, elsewhere) = (
            recording.connect(3, 4, 9000),
            recording.connect(3, 4, 9000),
        );
        recording.ask(pipes, initialize(0, "c") + "\n");
        recording.send(to, post("/mcp", "", initialize(0, "h")));
        for noise in &noise {
            recording.tell(other, noise);
            recording.ask(other, noise);
            if gone {
                recording.send(elsewhere, noise);
            }
            recording.reply(elsewhere, noise);
            // Standard output before and between messages, whole lines.
            recording.tell(pipes, [b"# ".as_slice(), noise, b"\n"].concat());
        }
        recording.tell(pipes, initialized(0) + "\n");
        recording.reply(to, ok("Mcp-Session-Id: x\r\n", initialized(0)));
        recording.ask(pipes, call(1, "piped") + "\n");
        recording.tell(pipes, result(1) + "\n");
        recording.send(to, post("/mcp", "Mcp-Session-Id: x\r\n", call(1, "posted")));
        recording.reply(to, stream(""));
        recording.reply(to, chunk(event(&result(1))));
        let calls = recording.told().calls();
        prop_assert!(calls.contains(&"tools/call piped ok".to_owned()), "{:?}", calls);
        prop_assert!(calls.contains(&"tools/call posted ok".to_owned()), "{:?}", calls);
    }
}
