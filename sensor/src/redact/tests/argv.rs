//! Command lines, piece by piece.

use super::*;

#[test]
fn no_piece_of_a_command_line_goes_around_the_redactor() {
    let secret = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ456789");
    for arguments in [
        vec!["curl".to_owned(), "-H".to_owned(), format!("{secret}:")],
        vec!["curl".to_owned(), format!("-H{secret}:")],
        vec!["curl".to_owned(), format!("--header={secret}:")],
        vec!["curl".to_owned(), format!("--{secret}-header=A: b")],
    ] {
        gone(&argv(&arguments).join(" "), secret, "argv");
    }
    let odd = ["x", "-H", "A: ${\u{1b}[31m}", "--\u{202e}header=A: b"].map(str::to_owned);
    let output = argv(&odd).join(" ");
    assert!(!output.contains(['\u{1b}', '\u{202e}']), "{output:?}");
}

/// Flags and values of each kind, with anything in them.
fn arguments() -> impl Strategy<Value = String> {
    let flag = prop::sample::select(vec![
        "",
        "-H",
        "--header=",
        "--x\u{1b}[1mheader=",
        "-e",
        "-e A=",
        "--user=",
        "--env=X=",
        "-D",
        "-p",
        "a:",
        "X=",
        "sh",
        "-c",
        "export A=",
        "${",
        "--token",
        "Bearer ",
    ]);
    let value = prop_oneof![
        near_rules(),
        any::<String>(),
        ".{0,8}\\PC{0,3}[\\x00-\\x1f:}=]{0,4}",
        (0usize..3).prop_map(|kilo| "v w".repeat(kilo * 2000)),
    ];
    (flag, value).prop_map(|(flag, value)| format!("{flag}{value}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn command_lines_are_bounded_and_printable(
        input in prop::collection::vec(arguments(), 0..6),
    ) {
        for argument in argv(&input) {
            prop_assert!(argument.len() <= TEXT_BYTES_MAX, "{} bytes", argument.len());
            prop_assert!(!argument.contains(char::is_control), "{argument:?}");
        }
    }
}
