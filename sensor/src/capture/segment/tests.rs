use super::*;

/// RFC 791, 3.1 and RFC 9293, 3.1, by hand.
fn tcp(sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x90, 0, 80];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(7u32.to_be_bytes());
    // Six words: one of options.
    bytes.extend([0x60, flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 1, 0]);
    bytes.extend(payload);
    bytes
}

fn ipv4(tcp: &[u8], total: u16, fragment: u16) -> Vec<u8> {
    let mut bytes = vec![0x46, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 1, 1, 1, 0]);
    bytes.extend(tcp);
    bytes
}

fn ipv6(next: u8, payload: &[u8], length: u16) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([next, 64]);
    let mut address = |last: u8| {
        bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    };
    address(1);
    address(2);
    bytes.extend(payload);
    bytes
}

const ACK: u8 = 0x10;
const FIN: u8 = 0x01;

#[test]
fn ipv4_with_options_and_padding() {
    let tcp = tcp(9, ACK | FIN, b"hello");
    let mut packet = ipv4(&tcp, 24 + 29, 0x4000);
    packet.extend([0; 6]);
    let expected = Segment {
        from: "192.0.2.1:8080".parse().unwrap(),
        to: "192.0.2.2:80".parse().unwrap(),
        sequence: 9,
        acknowledged: Some(7),
        syn: false,
        fin: true,
        rst: false,
        payload: b"hello",
        length: 5,
    };
    assert_eq!(segment(&packet), Some(expected));
}

#[test]
fn what_was_cut_or_is_in_other_fragments_is_counted() {
    let packet = ipv4(&tcp(9, ACK | FIN, b"hello"), 24 + 124, 0);
    let cut = segment(&packet).unwrap();
    assert_eq!(
        (cut.payload, cut.length, cut.fin),
        (b"hello".as_slice(), 100, true)
    );
    let packet = ipv4(&tcp(9, ACK | FIN, b"hello"), 24 + 29, 0x2000);
    assert!(!segment(&packet).unwrap().fin, "the first of fragments");
    assert_eq!(segment(&ipv4(b"not a header of TCP at all", 50, 1)), None);
}

#[test]
fn lengths_of_zero_are_those_of_what_is_larger_than_the_field() {
    let payload = vec![b'x'; 100_000];
    let bytes = tcp(9, ACK, &payload);
    for packet in [ipv4(&bytes, 0, 0), ipv6(6, &bytes, 0)] {
        let large = segment(&packet).unwrap();
        assert_eq!((large.payload.len(), large.length), (100_000, 100_000));
    }
}

#[test]
fn ipv6_with_extension_headers() {
    let bytes = tcp(9, ACK, b"hello");
    let plain = ipv6(6, &bytes, 29);
    let expected = segment(&plain).unwrap();
    assert_eq!(expected.from, "[2001:db8::1]:8080".parse().unwrap());
    assert_eq!(expected.payload, b"hello");
    // Hop-by-hop of eight bytes, destination options of sixteen.
    let mut extended = vec![60, 0, 0, 0, 0, 0, 0, 0, 6, 1];
    extended.extend([0; 14]);
    extended.extend(&bytes);
    assert_eq!(segment(&ipv6(0, &extended, 24 + 29)), Some(expected));
    // A chain that never comes to an end.
    let endless = [0u8; 8].repeat(100);
    assert_eq!(segment(&ipv6(0, &endless, 800)), None);
}

#[test]
fn mapped_addresses_are_ipv4() {
    let mut packet = ipv6(6, &tcp(9, ACK, b""), 24);
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
    packet[8..24].copy_from_slice(&mapped);
    assert_eq!(segment(&packet).unwrap().from.ip().to_string(), "192.0.2.7");
}

#[test]
fn every_beginning_of_a_packet_is_taken() {
    for packet in [
        ipv4(&tcp(9, ACK, b"hello"), 24 + 29, 0),
        ipv6(6, &tcp(9, ACK, b"hello"), 29),
    ] {
        for length in 0..packet.len() {
            let cut = segment(&packet[..length]);
            assert!(
                cut.is_none_or(|cut| cut.length == 5 && cut.payload.len() < 5),
                "{length}"
            );
        }
    }
    let mut wrong = ipv4(&tcp(9, ACK, b"hello"), 24 + 29, 0);
    wrong[24 + 12] = 0x40;
    assert_eq!(segment(&wrong), None, "a header that is too short");
    for words in 0..5 {
        let mut wrong = ipv4(&tcp(9, ACK, b"hello"), 24 + 29, 0);
        wrong[0] = 0x40 | words;
        assert_eq!(segment(&wrong), None, "of IP, {words} words");
    }
}
