use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/gnomon/sensor.toml"))
}

#[test]
fn shipped_default_is_valid_and_says_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/sensor.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let shipped = parse(&text).unwrap();
    assert_eq!(shipped.limits, Limits::default());
    // Every setting that is commented out must be a real one with its default.
    let all: String = text
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .fold(String::new(), |all, line| all + line + "\n");
    let all = parse(&all).unwrap();
    assert_eq!(all.limits, Limits::default());
    assert_eq!(all.state_dir, shipped.state_dir);
    assert_eq!(all.collector.ca, shipped.collector.ca);
    assert_eq!(all.collector.key, shipped.collector.key);
    assert_eq!(all.collector.certificate, shipped.collector.certificate);
}

#[test]
fn relative_paths_count_from_the_file() {
    let config =
        parse("state_dir = \"state\"\n[collector]\nserver = \"https://c:1\"\nca = \"ca.pem\"\n")
            .unwrap();
    assert_eq!(config.state_dir, Path::new("/etc/gnomon/state"));
    assert_eq!(config.collector.ca, Path::new("/etc/gnomon/ca.pem"));
    assert!(!config.host_name.as_str().is_empty());
}

#[test]
fn a_tier_can_be_asked_for() {
    let collector = "[collector]\nserver = \"https://c:1\"\n";
    assert_eq!(parse(collector).unwrap().tier, Tier::Best);
    let asked = parse(&format!("{collector}[kernel]\ntier = 3\n")).unwrap();
    assert_eq!(asked.tier, Tier::Capture);
    let refused = parse(&format!("{collector}[kernel]\ntier = 1\n")).unwrap_err();
    assert!(
        refused.to_string().contains(":4:8: kernel.tier is 1"),
        "{refused}"
    );
}

#[test]
fn faults_say_where_and_what() {
    let cases = [
        (
            "colector = 1\n[collector]\nserver = \"https://c\"\n",
            ":1:1: unknown field `colector`",
        ),
        (
            "[collector]\nserver = \"http://c:1\"\n",
            ":2:10: collector.server is plain http",
        ),
        (
            "[collector]\nserver = \"c:1\"\n",
            ":2:10: collector.server has no https://",
        ),
        (
            "[collector]\nserver = \"https://a@c:1\"\n",
            ":2:10: collector.server has a user name",
        ),
        (
            "[collector]\nserver = \"https://c/x\"\n",
            ":2:10: collector.server has a path",
        ),
        (
            "[collector]\nserver = \"https://c\"\n[limits]\nspool_bytes_max = 5\n",
            ":4:19: spool_bytes_max",
        ),
        (
            "[collector]\nserver = \"https://c\"\n[limits]\nspool_bytes_max = -5\n",
            ":4:19: spool_bytes_max",
        ),
        ("[collector]\n", "missing field `server`"),
        (
            "host_name = \"\"\n[collector]\nserver = \"https://c\"\n",
            ":1:13: host_name",
        ),
        ("[collector\n", ":1:11: "),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("/etc/gnomon/sensor.toml"), "{error}");
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, key) = (file("ca.pem", ""), file("sensor.key", ""));
    let text = "[collector]\nserver = \"https://c\"\nca = \"ca.pem\"\ncertificate = \"ca.pem\"\nkey = \"sensor.key\"\n";
    let config = file("sensor.toml", text);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let error = Config::load(&config).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    Config::load(&config).unwrap();
    std::fs::remove_file(ca).unwrap();
    let error = Config::load(&config).unwrap_err().to_string();
    assert!(
        error.contains("collector.ca names") && error.contains("cannot be opened"),
        "{error}"
    );
}
