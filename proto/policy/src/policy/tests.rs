use proptest::prelude::*;

use super::*;

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_305_600).unwrap()
}

const GATEWAY: &str =
    "[[gateway]]\nname = \"g\"\nnames = [\"g.example\"]\naddresses = [\"10.0.0.5:443\"]\n";
const SANCTION: &str =
    "[[sanction]]\nservers = [\"npm:*\"]\nreason = \"r\"\nauthor = \"a\"\nuntil = 2027-01-01\n";

/// The first fault, as `line:column what`.
fn fault(text: &str) -> String {
    let errors = Policy::parse(text, "p.toml", now()).unwrap_err();
    assert!(
        errors
            .iter()
            .all(|e| !e.fix.is_empty() && !e.what.is_empty())
    );
    format!("{}:{} {}", errors[0].line, errors[0].column, errors[0].what)
}

#[test]
fn faults_have_a_place() {
    for (text, expect) in [
        (
            "gateway = 1\n".to_owned(),
            "1:11 `gateway` is not a list of tables",
        ),
        ("x = 1\n".to_owned(), "1:1 unknown key `x` in the policy"),
        (
            "version = 2\n".to_owned(),
            "1:11 this version of the file's shape is not known",
        ),
        (
            "\n[[gateway]]\nname = \"g\n".to_owned(),
            "3:10 not TOML: invalid basic string, expected `\"`",
        ),
        (
            format!("{GATEWAY}port = 1\n"),
            "5:1 unknown key `port` in gateway",
        ),
        (
            format!("{GATEWAY}paths = [\"mcp\"]\n"),
            "5:10 `mcp` is not a path",
        ),
        (
            format!("{GATEWAY}paths = [\"/a**\"]\n"),
            "5:10 the pattern has `**`; one `*` already stands for any text",
        ),
        (format!("{GATEWAY}paths = []\n"), "5:9 `paths` is empty"),
        (
            format!("{GATEWAY}sources = [\"10.0.0.5:1\"]\n"),
            "5:12 the address has a port; connections come from any port",
        ),
        (
            format!("{GATEWAY}certificate_keys = [\"ab\"]\n"),
            "5:21 the certificate key is not a SHA-256",
        ),
        (
            format!("{GATEWAY}upstreams = [\"ftp://x\"]\n"),
            "5:14 the upstream is not an http(s) URL",
        ),
        (
            format!("{GATEWAY}\n{GATEWAY}"),
            "6:1 a second gateway is named `g`",
        ),
        (
            GATEWAY.replace("10.0.0.5:443", "10.0.0.0/33"),
            "4:14 `/33` is not a prefix length of 0 to 32",
        ),
        (
            GATEWAY.replace("10.0.0.5:443", "10.0.0.5/8"),
            "4:14 `10.0.0.5/8` has bits set beyond its prefix; the network is `10.0.0.0/8`",
        ),
        (
            GATEWAY.replace("10.0.0.5:443", "0.0.0.0/0"),
            "4:14 the network covers every address",
        ),
        (
            GATEWAY.replace("g.example", "http://g"),
            "3:10 `http://g` is not a host name",
        ),
        (
            GATEWAY.replace("addresses", "#"),
            "1:1 gateway lacks `addresses`",
        ),
        (GATEWAY.replace("names", "#"), "1:1 gateway lacks `names`"),
        (
            format!("{GATEWAY}{}", SANCTION.replace("reason", "#")),
            "5:1 sanction lacks `reason`",
        ),
        (
            SANCTION.replace("author", "#"),
            "1:1 sanction lacks `author`",
        ),
        (SANCTION.replace("\"a\"", "\" \""), "4:10 `author` is empty"),
        (SANCTION.replace("until", "#"), "1:1 sanction lacks `until`"),
        (
            SANCTION.replace("2027-01-01", "\"soon\""),
            "5:9 `until` is not a date: `soon`",
        ),
        (
            SANCTION.replace("2027-01-01", "2027-01-01T10:00:00"),
            "5:9 `until` is not a date: `2027-01-01T10:00:00`",
        ),
        (
            SANCTION.replace("2027-01-01", "\"2027-02-30\""),
            "5:9 `until` is not a date: `2027-02-30`",
        ),
        (
            SANCTION.replace("2027-01-01", "7"),
            "5:9 `until` is not a date: ``",
        ),
        (
            SANCTION.replace("npm:*", "github"),
            "2:12 `github` fits no server: a key has a kind, as in npm:name",
        ),
        (
            SANCTION.replace("[\"npm:*\"]", "\"npm:*\""),
            "2:11 `servers` is not a list",
        ),
        (
            format!("{SANCTION}users = [1]\n"),
            "6:10 `users` is not text",
        ),
        (
            format!("{SANCTION}bypass = 1\n"),
            "6:10 `bypass` is neither true nor false",
        ),
    ] {
        assert_eq!(fault(&text), expect, "{text}");
    }
}

#[test]
fn every_fault_is_told() {
    let text = format!("x = 1\n{GATEWAY}y = 2\n{}", SANCTION.replace("reason", "#"));
    let errors = Policy::parse(&text, "p.toml", now()).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|e| e.line).collect();
    assert_eq!(lines, [1, 6, 7]);
    assert_eq!(
        errors[0].to_string(),
        "p.toml:1:1: unknown key `x` in the policy; remove it; known are version, gateway, sanction"
    );
}

#[test]
fn ended_exceptions_warn() {
    let text = SANCTION.replace("2027-01-01", "2026-01-01");
    let (policy, warnings) = Policy::parse(&text, "p.toml", now()).unwrap();
    assert_eq!(
        policy.sanctions.len(),
        1,
        "kept: verdicts of past days need it"
    );
    assert_eq!(
        warnings[0].to_string(),
        "p.toml:1:1: warning: the exception ended: until 2026-01-01; remove it, or renew it with a later date"
    );
    let today = SANCTION.replace("2027-01-01", "2026-11-22");
    assert!(
        Policy::parse(&today, "p.toml", now()).unwrap().1.is_empty(),
        "a day is covered to its end"
    );
}

#[test]
fn loopback_without_hosts_and_users_warns() {
    let text = GATEWAY.replace("10.0.0.5", "127.0.0.1");
    for (keys, expect) in [
        (
            "",
            Some(
                "p:4:14: warning: `127.0.0.1:443` is another machine on every host: whoever listens there is \
                 taken for the gateway, also a user without rights while it is down; say with hosts = [\"…\"] \
                 where it is meant, and with users = [\"…\"] as whom it runs",
            ),
        ),
        (
            "hosts = [\"lab-*\"]\n",
            Some(
                "p:4:14: warning: `127.0.0.1:443` is open to every user of its host: who listens there while the \
                 gateway is down is taken for it; say with users = [\"…\"] as whom the gateway runs",
            ),
        ),
        (
            "users = [\"gateway-svc\"]\n",
            Some(
                "p:4:14: warning: `127.0.0.1:443` is another machine on every host: whoever listens there is \
                 taken for the gateway; say with hosts = [\"…\"] where it is meant",
            ),
        ),
        ("hosts = [\"lab-*\"]\nusers = [\"gateway-svc\"]\n", None),
    ] {
        let warnings = Policy::parse(&format!("{text}{keys}"), "p", now())
            .unwrap()
            .1;
        let got: Vec<String> = warnings.iter().map(Warning::to_string).collect();
        assert_eq!(got, Vec::from_iter(expect), "{keys}");
    }
    assert!(Policy::parse(GATEWAY, "p", now()).unwrap().1.is_empty());
}

#[test]
fn a_policy_that_says_nothing_warns() {
    for text in [
        "version = 1\n",
        "gateway = []\n",
        "# [[gateway]]\n",
        "sanction = []",
    ] {
        let (policy, warnings) = Policy::parse(text, "p", now()).unwrap();
        assert!(policy.gateways.is_empty() && policy.sanctions.is_empty());
        let got: Vec<String> = warnings.iter().map(Warning::to_string).collect();
        assert_eq!(
            got,
            [
                "p:1:1: warning: no gateway and no exception: everything will be shadow; add a [[gateway]] or a [[sanction]]"
            ],
            "{text}"
        );
    }
    for text in ["", " \n", GATEWAY, SANCTION] {
        assert!(
            Policy::parse(text, "p", now()).unwrap().1.is_empty(),
            "{text}"
        );
    }
}

#[test]
fn the_shipped_example_is_clean() {
    let text = include_str!("../../../../deploy/policy.example.toml");
    let (policy, warnings) = Policy::parse(text, "policy.example.toml", now()).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(!policy.gateways.is_empty() && !policy.sanctions.is_empty());
}

#[test]
fn digests_tell_policies_apart() {
    let digest = |t: &str| Policy::parse(t, "p", now()).unwrap().0.version_digest();
    assert_eq!(digest(""), Policy::empty().version_digest());
    assert_ne!(digest(GATEWAY), digest(SANCTION));
    assert_eq!(digest(GATEWAY).len(), 64);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]a-z\"=.#\n:/*0-9 -]{0,200}") {
        let _ = Policy::parse(&text, "p", now());
    }

    #[test]
    fn no_value_makes_it_panic(value in any::<String>()) {
        let value = format!("{value:?}");
        for text in [GATEWAY.replace("\"10.0.0.5:443\"", &value), GATEWAY.replace("\"g.example\"", &value),
                     SANCTION.replace("\"npm:*\"", &value), SANCTION.replace("2027-01-01", &value)] {
            let _ = Policy::parse(&text, "p", now());
        }
    }
}
