//! Tokens written so that they are not known by their form at first sight.

use super::*;

/// A fake of each issuer's form, and random ones.
fn tokens() -> impl Iterator<Item = &'static &'static str> {
    // What has signs of its own in it may come apart at them.
    SECRETS
        .iter()
        .filter(|secret| !secret.contains(['%', '/', '=', ':']))
}

fn each(secret: &str, write: impl Fn(char) -> String) -> String {
    secret.chars().map(write).collect()
}

fn groups(secret: &str, length: usize, separator: &str) -> String {
    let parts: Vec<&str> = secret
        .as_bytes()
        .chunks(length)
        .map(|part| std::str::from_utf8(part).expect("ASCII"))
        .collect();
    parts.join(separator)
}

fn shifted(c: char, capital: u32, small: u32, digit: u32) -> String {
    let (first, base) = match c {
        'A'..='Z' => ('A', capital),
        'a'..='z' => ('a', small),
        '0'..='9' => ('0', digit),
        _ => return c.to_string(),
    };
    let code = base + u32::from(c) - u32::from(first);
    char::from_u32(code).expect("a letter").to_string()
}

/// The text is all that stands for the secret: four characters of it in a row are too many.
fn hidden(context: &str, disguise: &str) {
    for context in [
        context.to_owned(),
        format!("failed with {context} at line 3"),
    ] {
        let output = text(&context);
        let left: Vec<char> = disguise.chars().collect();
        let half: String = left[..left.len() / 2].iter().collect();
        let other: String = left[left.len() / 2..].iter().collect();
        assert!(
            !output.contains(&half) && !output.contains(&other) && output.contains(REDACTED),
            "{context}: {output}"
        );
        assert_eq!(text(&output), output);
    }
}

#[test]
fn letters_of_other_kinds() {
    for secret in tokens() {
        for disguise in [
            each(secret, |c| shifted(c, 0xff21, 0xff41, 0xff10)),
            each(secret, |c| {
                char::from_u32(u32::from(c) + 0xfee0)
                    .expect("full-width")
                    .to_string()
            }),
            each(secret, |c| shifted(c, 0x1d400, 0x1d41a, 0x1d7ce)),
            each(secret, |c| shifted(c, 0x1d670, 0x1d68a, 0x1d7f6)),
            each(secret, |c| shifted(c, 0x24b6, 0x24d0, 0x30)),
            each(secret, |c| format!("{c}\u{301}")),
            each(secret, |c| format!("{c}\u{3164}")),
            each(secret, |c| format!("{c}\u{a0}")),
            each(secret, |c| format!("{c}\u{2800}")),
            secret.replace('a', "а").replace('e', "е").replace('c', "с"),
        ] {
            hidden(&disguise, &disguise);
        }
    }
    let wide = each("token=hunter22xq", |c| {
        char::from_u32(u32::from(c) + 0xfee0)
            .expect("full-width")
            .to_string()
    });
    assert_eq!(text(&wide), "token=[redacted]");
    assert_eq!(
        url("https://x.example/ｇｈｐ＿１ａＢ２ｃＤ３ｅＦ"),
        "https://x.example/[redacted]"
    );
}

#[test]
fn escaped_letters() {
    for secret in tokens() {
        for disguise in [
            each(secret, |c| format!("\\u{:04x}", u32::from(c))),
            each(secret, |c| format!("\\\\u{:04X}", u32::from(c))),
            each(secret, |c| format!("\\u{{{:04x}}}", u32::from(c))),
            each(secret, |c| format!("\\x{:02x}", u32::from(c))),
            each(secret, |c| format!("\\{:03o}", u32::from(c))),
            each(secret, |c| format!("&#{};", u32::from(c))),
            each(secret, |c| format!("&#x{:x};", u32::from(c))),
            each(secret, |c| format!("&amp;#{};", u32::from(c))),
            each(secret, |c| format!("={:02X}", u32::from(c))),
        ] {
            hidden(&disguise, &disguise);
        }
    }
    let one = "gh\\u0070_1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX";
    hidden(one, one);
    for announced in [
        "\\u0070assword=hunter22xq",
        "pw\\u003dhunter22xq",
        "{\\u0022token\\u0022:\\u0022hunter22xq\\u0022}",
        "pass&#61;hunter22xq",
    ] {
        gone(&text(announced), "hunter22xq", announced);
    }
}

#[test]
fn in_pieces() {
    for secret in tokens() {
        let middle = secret.len() / 2;
        let (first, second) = secret.split_at(middle);
        for joint in ["\n", "\r\n ", " ", "\" + \"", "\"\n\""] {
            let disguise = format!("{first}{joint}{second}");
            let known = formats::pass(secret) != **secret || words::is_uuid(secret);
            if known {
                let output = text(&format!("key {disguise} x"));
                assert!(
                    !output.contains(first) && !output.contains(second),
                    "{disguise}: {output}"
                );
            }
        }
        for disguise in [
            each(secret, |c| format!("{c} ")),
            groups(secret, 1, "-"),
            groups(secret, 1, "."),
            groups(secret, 1, "_"),
            groups(secret, 1, ":"),
            groups(secret, 1, ","),
        ] {
            if secret.len() >= 20 {
                hidden(disguise.trim(), disguise.trim());
            }
        }
    }
    for secret in [
        "550e8400-e29b-41d4-a716-446655440000",
        "patAbCdEfGhIjKlMn.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        SECRETS[0],
        SECRETS[1],
        "Zx8kQ2pLw9VtRb4Ns7YhJm3Gf6Dc1Xe5",
        "AKIAIOSFODNN7EXAMPLE",
    ] {
        for length in [4, 5, 6, 7] {
            for separator in [" ", ":"] {
                let disguise = groups(secret, length, separator);
                hidden(&disguise, &disguise);
            }
        }
    }
    for secret in [SECRETS[0], "0123456789abcdef0123456789abcdef"] {
        let pairs = each(secret, |c| format!("{:02x} ", u32::from(c)));
        hidden(pairs.trim(), pairs.trim());
    }
    let joined = "helloworld550e8400-e29b-41d4-a716-446655440000helloworld";
    hidden(joined, "550e8400-e29b-41d4-a716-446655440000");
}

#[test]
fn ordinary_text_stays() {
    for ordinary in [
        "Ｆｅｈｌｅｒ：　全角".replace('\u{3000}', " ").as_str(),
        "密码错误 10 €",
        "сервер не отвечает: connection refused",
        "Zu\u{308}rich, cafe\u{301}",
        "{\"message\":\"f\\u00fcr \\u00e4hnliche F\\u00e4lle\"}",
        "C:\\users\\x86\\077",
        "&#39;get_weather&#39; is &amp; no tool",
        "--max-old-space-size=4096 a=41 b=4a",
        "a b c d e f g",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22",
        "2019 2020 2021 2022 2023 2024",
        "this that with from your data were sent",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "00:1a:2b:3c:4d:5e",
        "at 10:30:45 on 11:22:33",
        "ghp_ tokens are 36 characters long",
        "line one\u{a0}ends".replace('\u{a0}', " ").as_str(),
        "use1 aws2 tool3 utf8 data",
        "/a/b/c/d/e/f/g",
        "----------------------------------------------------",
        ". . . . . . . . . . . . . . . . . . . . . . . . . . .",
    ] {
        assert_eq!(text(ordinary), ordinary);
    }
}

#[test]
fn time_grows_with_length_only() {
    let start = std::time::Instant::now();
    for piece in [
        "\\u0067", "\\", "&#103;", "&amp;", "=67", "a ", "a.", "ab:", "aB1c ", "ghp_1a ", "\"+\"",
        "ｇ", "g\u{301}", "- ",
    ] {
        let _ = text(&piece.repeat(1_000_000 / piece.len()));
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
