use proptest::prelude::*;

use super::*;

fn is_json(text: &[u8]) -> bool {
    let mut reader = Reader::new(text);
    reader.skip().is_ok() && reader.is_at_end()
}

#[test]
fn what_is_json_and_what_is_not() {
    for text in [
        "{}",
        "[]",
        " [1, -2.5e3 ,true,false,null] ",
        r#"{"a":{"b":[{"c":"\"]}"}]}}"#,
        r#""\\""#,
        "NaN",
        "[-Infinity]",
        r#"["\ud800"]"#,
        "{\"a\":\"\u{0}\"}",
    ] {
        assert!(is_json(text.as_bytes()), "{text}");
    }
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "{]",
        "[}",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{1:2}",
        "[1 2]",
        "\"",
        "\"\\",
        "tru",
        "-",
        "e",
        "[1]]",
        "{}{}",
        ",",
    ] {
        assert!(!is_json(text.as_bytes()), "{text}");
    }
}

#[test]
fn it_may_nest_as_deep_as_it_is_long() {
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    assert!(is_json(&deep));
    assert!(!is_json(&deep[..199_999]));
    let objects = [
        b"{\"a\":".repeat(100_000),
        b"1".to_vec(),
        b"}".repeat(100_000),
    ]
    .concat();
    assert!(is_json(&objects));
}

#[test]
fn strings_are_decoded() {
    for (text, decoded) in [
        (
            r#""a\n\"\\\/\u00e9\ud83d\ude00""#,
            "a\n\"\\/\u{e9}\u{1f600}".as_bytes(),
        ),
        (r#""\b\f\r\t""#, b"\x08\x0c\r\t"),
        (r#""\ud800x""#, b"\xed\xa0\x80x"),
        (r#""\ud800\u0041""#, b"\xed\xa0\x80A"),
        (r#""\u12""#, "\u{fffd}12".as_bytes()),
    ] {
        assert_eq!(
            Reader::new(text.as_bytes()).string(),
            Ok(Some(Cow::Borrowed(decoded))),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn what_serde_writes_is_json(numbers in proptest::collection::vec(any::<f64>(), 0..9), text in any::<String>()) {
        let value = serde_json::json!({ &text: [numbers, { "a": &text }] });
        prop_assert!(is_json(value.to_string().as_bytes()));
        prop_assert!(is_json(serde_json::to_string_pretty(&value).expect("a value").as_bytes()));
    }

    #[test]
    fn what_serde_takes_is_json(text in "[\\[\\]{},:\"\\\\ua0-9eE.+ -]{0,24}") {
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(is_json(text.as_bytes()), "{}", text);
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        is_json(&bytes);
    }
}
