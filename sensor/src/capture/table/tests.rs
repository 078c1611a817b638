use super::*;

const REQUEST: &[u8] = b"POST /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn segment(from: u16, to: u16, sequence: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        from: address(from),
        to: address(to),
        sequence,
        acknowledged: Some(0),
        syn: false,
        fin: false,
        rst: false,
        payload,
        length: u32::try_from(payload.len()).unwrap(),
    }
}

fn syn(from: u16, to: u16, sequence: u32) -> Segment<'static> {
    Segment {
        acknowledged: None,
        syn: true,
        ..segment(from, to, sequence, b"")
    }
}

fn table() -> ConnectionTable {
    ConnectionTable::new(Limits {
        connections_max: 32,
        ahead_bytes_max: 4096,
    })
}

fn run(table: &mut ConnectionTable, segments: &[Segment<'_>]) -> Vec<Seen> {
    let mut out = Vec::new();
    for segment in segments {
        table.push(1, segment, &mut out);
    }
    out
}

/// `h` HTTP, `a` and `b` bytes of a side, `A` and `B` its end, `c` closed; with how many bytes were lost before.
fn outline(seen: &[Seen]) -> String {
    let mut text = String::new();
    for seen in seen {
        match seen {
            Seen::Http(..) => text.push('h'),
            Seen::Bytes(_, passed) => {
                text.push(if passed.from == Side::A { 'a' } else { 'b' });
                if passed.piece.lost > 0 {
                    text.push_str(&passed.piece.lost.to_string());
                }
            }
            Seen::End(_, Side::A) => text.push('A'),
            Seen::End(_, Side::B) => text.push('B'),
            Seen::Closed(_) => text.push('c'),
        }
    }
    text
}

fn fin(from: u16, to: u16, sequence: u32) -> Segment<'static> {
    Segment {
        fin: true,
        ..segment(from, to, sequence, b"")
    }
}

const REQUEST_END: u32 = 1 + REQUEST.len() as u32;
const ANSWER_END: u32 = 1 + ANSWER.len() as u32;

fn whole() -> Vec<Segment<'static>> {
    let answers = Segment {
        acknowledged: Some(1),
        ..syn(80, 5000, 0)
    };
    vec![
        syn(5000, 80, 0),
        answers,
        segment(5000, 80, 1, REQUEST),
        segment(80, 5000, 1, ANSWER),
        fin(5000, 80, REQUEST_END),
        fin(80, 5000, ANSWER_END),
        segment(5000, 80, REQUEST_END + 1, b""),
    ]
}

#[test]
fn a_connection_from_its_beginning_to_its_end() {
    let mut table = table();
    let seen = run(&mut table, &whole());
    assert_eq!(outline(&seen), "habABc");
    assert!(matches!(seen[0], Seen::Http(_, [opener, _]) if opener == address(5000)));
    // Its last packets once more, from another interface, open nothing.
    assert_eq!(outline(&run(&mut table, &whole()[2..])), "");
    assert_eq!(table.connections.len(), 1);
    let mut out = Vec::new();
    table.tick(1 + OVER_NS, &mut out);
    assert!(table.connections.is_empty() && table.keys.is_empty() && out.is_empty());
    assert_eq!(table.take_lost(), BTreeMap::new());
}

#[test]
fn every_packet_twice_says_nothing_twice() {
    let doubled: Vec<Segment<'_>> = whole().iter().flat_map(|segment| [*segment; 2]).collect();
    assert_eq!(outline(&run(&mut table(), &doubled)), "habABc");
}

fn reset(from: u16, to: u16, sequence: u32) -> Segment<'static> {
    Segment {
        rst: true,
        ..segment(from, to, sequence, b"")
    }
}

#[test]
fn the_same_addresses_are_another_connection_once_another_syn_is_taken() {
    let mut table = table();
    let mut segments = vec![syn(5000, 80, 0), segment(5000, 80, 1, REQUEST)];
    segments.push(syn(5000, 80, 9000));
    assert_eq!(outline(&run(&mut table, &segments)), "ha");
    // The kernel of a live connection takes none, whoever sends it.
    let next = segment(5000, 80, REQUEST_END, REQUEST);
    assert_eq!(outline(&run(&mut table, &[next])), "a");
    let taken = Segment {
        acknowledged: Some(9001),
        ..syn(80, 5000, 700)
    };
    let segments = [
        taken,
        segment(5000, 80, 9001, REQUEST),
        segment(80, 5000, 701, ANSWER),
    ];
    assert_eq!(outline(&run(&mut table, &segments)), "chab");
    assert_eq!(
        outline(&run(
            &mut table,
            &[reset(80, 5000, 701 + ANSWER.len() as u32)]
        )),
        "c"
    );
    // One that is over makes way at once.
    let segments = [syn(5000, 80, 50), segment(5000, 80, 51, REQUEST)];
    assert_eq!(outline(&run(&mut table, &segments)), "ha");
}

#[test]
fn a_reset_that_the_kernel_ignores_ends_nothing() {
    const FAR: u32 = 1 << 30;
    let begins = [syn(5000, 80, 100), segment(5000, 80, 101, REQUEST)];
    for let_go in [false, true] {
        let mut table = table();
        let seen = run(&mut table, &begins);
        let Seen::Http(id, _) = seen[0] else {
            panic!("{seen:?}");
        };
        if let_go {
            table.judge(id, FlowVerdict::NotMcp);
        }
        let number = 101 + REQUEST.len() as u32;
        let forged = [
            reset(5000, 80, number - 1),
            reset(5000, 80, number + FAR),
            reset(80, 5000, FAR),
        ];
        assert_eq!(outline(&run(&mut table, &forged)), "", "{let_go}");
        let next = segment(5000, 80, number, REQUEST);
        assert_eq!(outline(&run(&mut table, &[next])), "a", "{let_go}");
        let real = reset(5000, 80, number + REQUEST.len() as u32);
        assert_eq!(outline(&run(&mut table, &[real])), "c", "{let_go}");
    }
    // Nothing listens there.
    let mut table = table();
    run(&mut table, &[syn(5000, 80, 100)]);
    let refused = Segment {
        acknowledged: Some(101),
        ..reset(80, 5000, 0)
    };
    run(&mut table, &[refused]);
    assert!(table.connections.values().all(|connection| connection.over));
}

#[test]
fn what_goes_on_behind_its_end_is_another_connection() {
    let mut table = table();
    run(&mut table, &whole());
    let mut out = Vec::new();
    let next = |number: u32| segment(5000, 80, REQUEST_END + 1 + number, REQUEST);
    let times = (0..10).map(|number: u32| (u64::from(number) * OVER_NS / 4, number));
    for (time, number) in times {
        table.push(1 + time, &next(number), &mut out);
        table.tick(1 + time, &mut out);
    }
    assert!(outline(&out).starts_with("ha"), "{}", outline(&out));
}

#[test]
fn an_acknowledgement_from_afar_blinds_nothing() {
    let mut table = table();
    let forged = |sequence: u32, number: u32| Segment {
        acknowledged: Some(number),
        ..segment(80, 5000, sequence, b"")
    };
    let seen = run(
        &mut table,
        &[
            syn(5000, 80, 0),
            segment(80, 5000, 1, b""),
            segment(5000, 80, 1, REQUEST),
            // Its own number is right, but not what it has.
            forged(1, 1 << 30),
            segment(5000, 80, REQUEST_END, REQUEST),
            // It has what it may have, but by its number it is not the receiver's.
            forged(1 << 30, REQUEST_END + 10_000),
            segment(5000, 80, 2 * REQUEST_END - 1, REQUEST),
        ],
    );
    assert_eq!(outline(&seen), "haaa");
    assert_eq!(table.take_lost(), BTreeMap::new());
}

#[test]
fn near_numbers_that_are_guessed_end_and_blind_nothing() {
    let forged = |sequence: u32, number: u32, fin: bool| Segment {
        acknowledged: Some(number),
        fin,
        ..segment(80, 5000, sequence, b"HTTP/1.1 500 forged\r\n\r\n")
    };
    let mut table = table();
    let begins = [
        syn(5000, 80, 0),
        segment(80, 5000, 1, b""),
        segment(5000, 80, 1, REQUEST),
    ];
    assert_eq!(outline(&run(&mut table, &begins)), "ha");
    for ahead in [1, 1000, 1 << 20, 60 << 20] {
        let guessed = [
            reset(5000, 80, REQUEST_END + ahead),
            reset(80, 5000, 1 + ahead),
            forged(1, REQUEST_END + ahead, true),
            forged(1 + ahead, REQUEST_END + ahead, false),
        ];
        assert_eq!(outline(&run(&mut table, &guessed)), "", "{ahead}");
    }
    let goes_on = [
        segment(5000, 80, REQUEST_END, REQUEST),
        segment(80, 5000, 1, ANSWER),
        fin(5000, 80, 2 * REQUEST_END - 1),
        fin(80, 5000, ANSWER_END),
    ];
    assert_eq!(outline(&run(&mut table, &goes_on)), "abABc");
    assert_eq!(table.take_lost(), BTreeMap::new());
}

#[test]
fn a_fin_that_is_guessed_ahead_does_not_stand_for_the_real_one() {
    let mut table = table();
    let mut segments = whole();
    segments.insert(3, fin(5000, 80, REQUEST_END + 5000));
    assert_eq!(outline(&run(&mut table, &segments)), "habABc");
}

#[test]
fn what_the_capture_missed_of_both_sides_stops_neither() {
    let at = |from: u16, to: u16, sequence: u32, number: u32, payload| Segment {
        acknowledged: Some(number),
        ..segment(from, to, sequence, payload)
    };
    let mut table = table();
    let seen = run(
        &mut table,
        &[
            syn(5000, 80, 0),
            Segment {
                syn: true,
                ..at(80, 5000, 0, 1, b"")
            },
            at(5000, 80, 1, 1, REQUEST),
            // 1000 bytes of each side went by unseen.
            at(80, 5000, 1001, REQUEST_END + 1000, b""),
            at(5000, 80, REQUEST_END + 1000, 1001, REQUEST),
            at(80, 5000, 1001, 2 * REQUEST_END + 999, ANSWER),
            at(
                5000,
                80,
                2 * REQUEST_END + 999,
                1001 + ANSWER.len() as u32,
                REQUEST,
            ),
        ],
    );
    assert_eq!(outline(&seen), "haa1000b1000a");
}

#[test]
fn a_side_of_which_very_much_was_missed_is_read_again() {
    const FAR: u32 = 1 << 30;
    let mut table = table();
    let seen = run(
        &mut table,
        &[
            syn(5000, 80, 0),
            segment(80, 5000, 1, b""),
            segment(5000, 80, 1, REQUEST),
            Segment {
                acknowledged: Some(FAR),
                ..segment(80, 5000, 1, b"")
            },
            segment(5000, 80, FAR, REQUEST),
        ],
    );
    assert_eq!(outline(&seen), format!("haa{}", FAR - REQUEST_END));
    let lost = table.take_lost();
    assert_eq!(lost, BTreeMap::from([(LossReason::SegmentMissed, 1)]));
}

#[test]
fn a_gap_is_counted_though_its_connection_is_let_go() {
    let mut table = table();
    let seen = run(
        &mut table,
        &[
            syn(5000, 80, 0),
            segment(5000, 80, 1, REQUEST),
            segment(5000, 80, REQUEST_END + 10, b"behind a gap"),
            Segment {
                acknowledged: Some(REQUEST_END + 22),
                ..segment(80, 5000, 1, b"")
            },
        ],
    );
    let Seen::Http(id, _) = seen[0] else {
        panic!("{seen:?}");
    };
    table.judge(id, FlowVerdict::NotMcp);
    let lost = table.take_lost();
    assert_eq!(lost, BTreeMap::from([(LossReason::SegmentMissed, 1)]));
}

#[test]
fn a_connection_met_in_its_middle_is_read_from_its_next_head() {
    let mut table = table();
    let seen = run(
        &mut table,
        &[
            segment(80, 5000, 1, b"the middle of something"),
            segment(5000, 80, 500, b"more"),
            segment(5000, 80, 504, REQUEST),
            segment(80, 5000, 24, ANSWER),
        ],
    );
    // Side A is whoever was seen first, the server here.
    assert_eq!(outline(&seen), "hb4a");
}

#[test]
fn what_was_missed_is_counted_for_http_alone() {
    let mut table = table();
    let acknowledges = |to: u16, from: u16, number: u32| Segment {
        acknowledged: Some(number),
        ..segment(to, from, 1, b"")
    };
    let seen = run(
        &mut table,
        &[
            syn(5000, 80, 0),
            segment(5000, 80, 1, REQUEST),
            segment(5000, 80, REQUEST_END + 10, b"behind a gap"),
            acknowledges(80, 5000, REQUEST_END + 22),
            syn(6000, 22, 0),
            segment(6000, 22, 1, b"SSH-2.0-x\r\n"),
            segment(6000, 22, 1000, b"binary"),
            acknowledges(22, 6000, 1006),
        ],
    );
    assert_eq!(outline(&seen), "haa10");
    let lost = table.take_lost();
    assert_eq!(lost, BTreeMap::from([(LossReason::SegmentMissed, 1)]));
}

#[test]
fn a_verdict_lets_go_and_a_head_wakes() {
    let mut table = table();
    let seen = run(
        &mut table,
        &[syn(5000, 80, 0), segment(5000, 80, 1, REQUEST)],
    );
    let Seen::Http(id, _) = seen[0] else {
        panic!("{seen:?}");
    };
    table.judge(id, FlowVerdict::NotMcp);
    let next = REQUEST_END;
    let seen = run(
        &mut table,
        &[
            segment(5000, 80, next, b"frames of a web socket"),
            segment(5000, 80, next + 22, REQUEST),
        ],
    );
    assert_eq!(outline(&seen), "a22");
    table.judge(ConnectionId(77), FlowVerdict::Mcp);
}

#[test]
fn a_full_table_keeps_http_longest_and_counts_what_makes_way() {
    let mut table = table();
    run(
        &mut table,
        &[syn(5000, 80, 0), segment(5000, 80, 1, REQUEST)],
    );
    let flood: Vec<Segment<'_>> = (0..1000)
        .map(|number| syn(10_000 + number, 80, 0))
        .collect();
    assert_eq!(outline(&run(&mut table, &flood)), "");
    assert!(table.connections.len() <= 32 && table.keys.len() == table.connections.len());
    assert_eq!(
        outline(&run(&mut table, &[segment(80, 5000, 1, ANSWER)])),
        "b"
    );
    let http: Vec<Segment<'_>> = (0..40)
        .map(|number| segment(20_000 + number, 80, 1, REQUEST))
        .collect();
    let seen = outline(&run(&mut table, &http));
    let closed = seen.matches('c').count() as u64;
    assert!(closed > 0);
    assert_eq!(
        table.take_lost(),
        BTreeMap::from([(LossReason::TableFull, closed)])
    );
}

#[test]
fn what_waits_behind_gaps_is_bounded_over_all() {
    let mut table = table();
    let chunk = [b'x'; 1000];
    for port in 5000..5010 {
        run(
            &mut table,
            &[
                syn(port, 80, 0),
                segment(port, 80, 1, REQUEST),
                segment(port, 80, 2000, &chunk),
            ],
        );
        assert!(table.ahead_bytes <= 4096);
    }
    assert!(table.take_lost()[&LossReason::ReassemblyFull] > 0);
}

#[test]
fn heads_that_do_not_go_on_are_bounded_over_all() {
    let mut table = table();
    let begun = [b"FOO ".as_slice(), &[b'x'; 1000]].concat();
    for port in 5000..5010 {
        run(
            &mut table,
            &[syn(port, 80, 0), segment(port, 80, 1, &begun)],
        );
        assert!(table.ahead_bytes <= 4096, "{}", table.ahead_bytes);
    }
}

#[test]
fn silence_ends_what_nobody_ends() {
    let mut table = table();
    run(
        &mut table,
        &[
            syn(5000, 80, 0),
            segment(5000, 80, 1, REQUEST),
            syn(6000, 80, 0),
        ],
    );
    let mut out = Vec::new();
    table.tick(IDLE_NS + 1, &mut out);
    assert_eq!((table.connections.len(), outline(&out)), (1, String::new()));
    table.tick(HTTP_IDLE_NS + 1, &mut out);
    assert_eq!(
        (table.connections.len(), outline(&out)),
        (0, "c".to_owned())
    );
}
