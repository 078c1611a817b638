//! Decoding of whole, cut and hostile records.

use super::*;

fn clock() -> Clock {
    Clock::from_offset(1_000)
}

fn bytes_of<T: Plain>(value: &T) -> Vec<u8> {
    let start = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: a live value without padding, see the asserts in sensor-abi.
    unsafe { std::slice::from_raw_parts(start, size_of::<T>()) }.to_vec()
}

fn transfer_record(payload: &[u8]) -> Vec<u8> {
    let mut raw = record::Transfer {
        header: record::Header {
            abi: ABI_VERSION,
            kind: kind::TRANSFER,
            length: (size_of::<record::Transfer>() + payload.len()) as u32,
            time_ns: 7,
        },
        length: payload.len() as u64,
        payload_bytes: payload.len() as u32,
        flags: transfer_flag::COPIED,
        ..record::Transfer::default()
    };
    raw.end.channel = channel::TCP;
    raw.end.local = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
    raw.end.local_port = 80;
    let mut bytes = bytes_of(&raw);
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn a_transfer_is_decoded() {
    let event = decode(&transfer_record(b"hello"), &clock()).expect("a whole record");
    assert_eq!(event.time, 1_007);
    let Body::Transfer(transfer) = event.body else {
        panic!("not a transfer")
    };
    assert_eq!(transfer.payload, b"hello");
    assert!(transfer.copied);
    let tuple = transfer.end.tuple.expect("TCP has addresses");
    assert_eq!(tuple.local.to_string(), "127.0.0.1:80");
}

#[test]
fn a_cut_record_is_none() {
    let bytes = transfer_record(b"hello");
    for end in 0..bytes.len() {
        assert_eq!(decode(&bytes[..end], &clock()), None, "{end} bytes");
    }
}

#[test]
fn lengths_that_lie_are_none() {
    let mut bytes = transfer_record(b"hello");
    bytes[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert_eq!(decode(&bytes, &clock()), None);
    let mut bytes = transfer_record(b"hello");
    let at = std::mem::offset_of!(record::Transfer, payload_bytes);
    bytes[at..at + 4].copy_from_slice(&6_u32.to_ne_bytes());
    assert_eq!(decode(&bytes, &clock()), None);
}

#[test]
fn another_version_is_none() {
    let mut bytes = transfer_record(b"hello");
    bytes[0] ^= 0xff;
    assert_eq!(decode(&bytes, &clock()), None);
}

#[test]
fn paths_are_turned_round() {
    assert_eq!(
        path(b"python3\0bin\0usr\0").as_deref(),
        Some("/usr/bin/python3")
    );
    assert_eq!(path(b""), None);
}

#[test]
fn empty_arguments_are_kept() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(
        arguments(b"a\0\0b\0"),
        (words(&["a", "", "b"]), false),
        "in their place"
    );
    assert_eq!(arguments(b""), (words(&[]), false));
}

#[test]
fn of_many_arguments_the_first_are_kept() {
    let all = vec![0; ARGUMENTS_MAX];
    assert_eq!(arguments(&all), (vec![String::new(); ARGUMENTS_MAX], false));
    let many = vec![0; 16 * 1024];
    assert_eq!(arguments(&many), (vec![String::new(); ARGUMENTS_MAX], true));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(kind in 0_u16..10, mut bytes in proptest::collection::vec(0_u8.., 0..400)) {
        if bytes.len() >= 8 {
            bytes[0..2].copy_from_slice(&ABI_VERSION.to_ne_bytes());
            bytes[2..4].copy_from_slice(&kind.to_ne_bytes());
            let length = bytes.len() as u32;
            bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        }
        let _ = decode(&bytes, &clock());
    }
}
