use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn canonical(text: &str) -> String {
    let mut out = Vec::new();
    write(&mut Reader::new(text.as_bytes()), &mut out).expect("JSON");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn the_example_of_the_rfc() {
    assert_eq!(
        canonical(
            r#"{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                 "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                 "literals": [null, true, false] }"#
        ),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
}

#[test]
fn keys_are_sorted_by_their_utf16_units() {
    assert_eq!(
        canonical(
            "{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7}"
        ),
        "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
    );
}

#[test]
fn order_space_and_spelling_make_no_difference() {
    let one = canonical(r#"{"b":[1.0,{"y":2,"x":"\u0061"}],"a":-0}"#);
    assert_eq!(
        one,
        canonical("{ \"a\" : 0,\n\"b\":[1,{\"x\":\"a\",\"y\":2e0}]}")
    );
    assert_eq!(one, r#"{"a":0,"b":[1,{"x":"a","y":2}]}"#);
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    assert_eq!(canonical(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
}

#[test]
fn great_numbers_stay_different() {
    assert_eq!(
        canonical("[9007199254740993,9007199254740992,1e400]"),
        "[9007199254740993,9007199254740992,1e400]"
    );
}

#[test]
fn deep_values_are_taken_over() {
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(canonical(&deep), deep);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = proptest::collection::btree_map(".{0,3}", inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn the_same_value_is_written_the_same_way(value in any_value()) {
        let once = canonical(&value.to_string());
        prop_assert_eq!(&canonical(&serde_json::to_string_pretty(&value).expect("a value")), &once);
        prop_assert_eq!(&canonical(&once), &once);
    }
}
