use proptest::prelude::*;

use super::*;

/// What came out: the bytes, and how many were missing before each piece.
#[derive(Default)]
struct Taken {
    pieces: Vec<Piece>,
}

impl Taken {
    fn bytes(&self) -> Vec<u8> {
        self.pieces
            .iter()
            .flat_map(|piece| piece.bytes.clone())
            .collect()
    }

    fn lost(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.lost).sum()
    }
}

fn push(stream: &mut Stream, sequence: u32, bytes: &[u8], taken: &mut Taken) {
    let length = u32::try_from(bytes.len()).unwrap();
    stream.push(0, sequence, bytes, length, false, &mut taken.pieces);
}

#[test]
fn a_gap_is_given_up_when_the_receiver_has_what_follows() {
    let (mut stream, mut taken) = (Stream::default(), Taken::default());
    push(&mut stream, 0, b"abc", &mut taken);
    push(&mut stream, 6, b"ghi", &mut taken);
    stream.acknowledged(3, &mut taken.pieces);
    assert_eq!(taken.bytes(), b"abc");
    stream.acknowledged(9, &mut taken.pieces);
    assert_eq!((taken.bytes(), taken.lost()), (b"abcghi".to_vec(), 3));
    // Nothing waits: what was missed shows with the next bytes.
    stream.acknowledged(19, &mut taken.pieces);
    push(&mut stream, 19, b"t", &mut taken);
    assert_eq!((taken.lost(), stream.take_gaps()), (13, 2));
}

#[test]
fn a_gap_without_acknowledgements_is_given_up_after_a_while() {
    let (mut stream, mut taken) = (Stream::default(), Taken::default());
    push(&mut stream, 0, b"a", &mut taken);
    push(&mut stream, 5, b"f", &mut taken);
    stream.tick(GAP_NS - 1, &mut taken.pieces);
    assert_eq!(taken.bytes(), b"a");
    stream.tick(GAP_NS, &mut taken.pieces);
    assert_eq!((taken.bytes(), taken.lost()), (b"af".to_vec(), 4));
}

#[test]
fn what_waits_is_bounded() {
    let (mut stream, mut taken) = (Stream::default(), Taken::default());
    push(&mut stream, 0, b"a", &mut taken);
    let chunk = vec![b'x'; 4096];
    for number in 0..1024u32 {
        push(&mut stream, 2 + 5000 * number, &chunk, &mut taken);
        assert!(stream.ahead_bytes() <= AHEAD_BYTES_MAX);
    }
    assert!(taken.lost() > 0);
    for number in 0..5000u32 {
        push(&mut stream, 20_000_000 + 2 * number, b"y", &mut taken);
        assert!(stream.ahead.len() <= AHEAD_PIECES_MAX);
    }
}

#[test]
fn what_comes_twice_counts_as_it_came_first() {
    let (mut stream, mut taken) = (Stream::default(), Taken::default());
    stream.open(u32::MAX);
    push(&mut stream, 2, b"cd", &mut taken);
    push(&mut stream, 1, b"BCDE", &mut taken);
    push(&mut stream, 0, b"aXXXXf", &mut taken);
    assert_eq!(taken.bytes(), b"aBcdEf");
}

#[test]
fn an_end_counts_once_everything_before_it_is_there() {
    let (mut stream, mut taken) = (Stream::default(), Taken::default());
    stream.open(9);
    stream.push(0, 13, b"d", 1, true, &mut taken.pieces);
    assert!(!stream.is_ended());
    push(&mut stream, 10, b"abc", &mut taken);
    assert!(stream.is_ended());
    // The FIN's own number is no byte, and a probe before the end is none.
    stream.acknowledged(15, &mut taken.pieces);
    push(&mut stream, 13, b"d", &mut taken);
    assert_eq!(
        (taken.bytes(), taken.lost(), stream.take_gaps()),
        (b"abcd".to_vec(), 0, 0)
    );
}

#[test]
fn a_number_from_afar_moves_nothing() {
    let (mut stream, mut taken) = (Stream::default(), Taken::default());
    push(&mut stream, 0, b"a", &mut taken);
    push(&mut stream, 1 << 30, b"forged", &mut taken);
    push(&mut stream, 1, b"b", &mut taken);
    stream.acknowledged(1 << 30, &mut taken.pieces);
    push(&mut stream, 2, b"c", &mut taken);
    assert_eq!((taken.bytes(), taken.lost()), (b"abc".to_vec(), 0));
}

/// A stream's bytes: their place shows in them.
fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn any_cuts_order_and_copies_give_the_same_bytes(
        length in 1usize..3000,
        first in any::<u32>(),
        cuts in proptest::collection::vec((0usize..3000, 1usize..900), 0..60),
        order in any::<u64>(),
    ) {
        let whole = text(length);
        // Every byte is in one of these; the others overlap them.
        let mut segments: Vec<(usize, &[u8])> = whole
            .chunks(257)
            .enumerate()
            .map(|(number, chunk)| (257 * number, chunk))
            .collect();
        for (at, size) in cuts {
            let at = at.min(length - 1);
            segments.push((at, &whole[at..(at + size).min(length)]));
        }
        let mut random = order | 1;
        for at in (1..segments.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            segments.swap(at, usize::try_from(random >> 33).unwrap() % (at + 1));
        }
        let (mut stream, mut taken) = (Stream::default(), Taken::default());
        stream.open(first.wrapping_sub(1));
        for (at, bytes) in segments {
            push(&mut stream, first.wrapping_add(u32::try_from(at).unwrap()), bytes, &mut taken);
        }
        prop_assert_eq!(taken.bytes(), whole);
        prop_assert_eq!((taken.lost(), stream.ahead_bytes()), (0, 0));
    }

    #[test]
    fn what_is_missing_is_counted_in_its_place(
        first in any::<u32>(),
        missing in proptest::collection::vec(any::<bool>(), 1..40),
        late in any::<bool>(),
    ) {
        const SIZE: usize = 100;
        let whole = text(SIZE * missing.len());
        let (mut stream, mut taken) = (Stream::default(), Taken::default());
        stream.open(first.wrapping_sub(1));
        let number = |at: usize| first.wrapping_add(u32::try_from(at).unwrap());
        for (segment, missing) in missing.iter().enumerate() {
            if !missing {
                let at = SIZE * segment;
                push(&mut stream, number(at), &whole[at..at + SIZE], &mut taken);
            }
            if !late {
                stream.acknowledged(number(SIZE * (segment + 1)), &mut taken.pieces);
            }
        }
        stream.acknowledged(number(whole.len()), &mut taken.pieces);
        let mut at = 0;
        for piece in &taken.pieces {
            at += usize::try_from(piece.lost).unwrap();
            prop_assert_eq!(&piece.bytes[..], &whole[at..at + piece.bytes.len()]);
            at += piece.bytes.len();
        }
        let kept = SIZE * missing.iter().filter(|missing| !**missing).count();
        prop_assert_eq!(taken.bytes().len(), kept);
        let end = usize::try_from(stream.position).unwrap();
        prop_assert_eq!(end, whole.len());
    }
}
