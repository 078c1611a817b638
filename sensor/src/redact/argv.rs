//! Command lines: flags and their values, headers, variables, `user:password`.

use super::value::{is_long_flag, is_secret_value, looks_made_up};
use super::{
    ARGS_MAX, REDACTED, clean, header, names, place, shell, text as redact_text, url as redact_url,
};

/// What the arguments before say of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Nothing,
    Secret,
    /// `Name: value`.
    Header,
    /// `NAME=value`.
    Variable,
    /// `user:password`.
    User,
    /// A secret, or the scheme before one.
    Credentials,
    /// What follows `-p`: a password, a port, a package.
    Password,
    /// Mostly no secret: one only if it is written like a password.
    StrongForm,
    /// What follows a bare `password`.
    Word,
    /// `user:password`, `user/password`.
    Login,
    /// Secrets, or how many pieces of text.
    Tokens,
    /// The text of a shell script.
    Script,
    /// Cookies, or the file they are in.
    Cookies,
}

/// Programs for which `-p` is no password.
const PLAIN_P_PROGRAMS: &[&str] = &[
    "npx", "npm", "mkdir", "ssh", "scp", "cp", "ps", "tar", "cargo", "git",
];

/// Programs whose password follows `-P`; for others that is a port, a folder, a pattern, a number.
const CAPITAL_P_PROGRAMS: &[&str] = &[
    "zip",
    "unzip",
    "zipcloak",
    "sqlcmd",
    "bcp",
    "tsql",
    "ipmitool",
    "mosquitto_pub",
    "mosquitto_sub",
];

/// Programs whose credentials follow `-a`.
const SECRET_A_PROGRAMS: &[&str] = &["redis-cli", "http", "https", "xh", "xhs"];

/// Shells: `--login` takes nothing.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "csh", "dash", "fish", "ksh", "rbash", "tcsh", "zsh",
];

/// One look at a command line.
pub(super) fn pass(argv: &[String]) -> Vec<String> {
    let program = program(argv);
    // Clients of directories under other names have the same flags.
    let directory = program.starts_with("ldap") || argv.iter().take(ARGS_MAX).any(|a| is_ldap(a));
    let mut shell = false;
    let mut expect = Expect::Nothing;
    let mut out = Vec::with_capacity(argv.len().min(ARGS_MAX));
    for (i, argument) in argv.iter().enumerate() {
        if out.len() == ARGS_MAX - 1 && argv.len() > ARGS_MAX {
            out.push(format!("[{} more]", argv.len() - i));
            break;
        }
        // Not only the program itself: `env -i sh -c …`.
        shell |= SHELLS.contains(&file_name(argument));
        let next = if i == 0 {
            Expect::Nothing
        } else if directory && argument == "-w" {
            Expect::Secret
        } else if shell && is_script_flag(argument) {
            Expect::Script
        } else {
            expected_after(program, argument, expect)
        };
        let glued = if i > 0 {
            glued(program, argument)
        } else {
            None
        };
        // Of two pieces that were each cut to what is kept.
        out.push(clean::cut(&glued.unwrap_or_else(|| one(argument, expect))));
        expect = next;
    }
    out
}

/// A flag and its secret in one: `mysql -p…`, `curl -bsid=…`, `xfreerdp /p:…`.
fn glued(program: &str, argument: &str) -> Option<String> {
    let flag = if program.contains("freerdp") {
        ["/p:", "/gp:", "/pth:"]
            .into_iter()
            .find(|flag| argument.starts_with(flag))?
    } else if program == "curl" && argument.contains('=') {
        "-b"
    } else if argument.starts_with("-p") && shell::attaches_password(program) {
        "-p"
    } else {
        return None;
    };
    let value = argument.strip_prefix(flag)?;
    (!value.is_empty()).then(|| format!("{flag}{REDACTED}"))
}

/// The program without its folders: what an interpreter runs rather than the interpreter.
fn program(argv: &[String]) -> &str {
    let first = argv.first().map_or("", |path| file_name(path));
    let interpreter = ["python", "node", "ruby", "perl"]
        .iter()
        .any(|interpreter| first.starts_with(interpreter));
    match argv.get(1) {
        Some(script) if interpreter && script.contains('/') => file_name(script),
        _ => first,
    }
}

fn is_ldap(argument: &str) -> bool {
    ["ldap://", "ldaps://", "ldapi://"]
        .iter()
        .any(|scheme| argument.starts_with(scheme))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn one(argument: &str, expect: Expect) -> String {
    // A flag where a value was expected: the flag before it had none.
    let flag = is_flag(argument);
    match expect {
        Expect::Secret | Expect::Credentials if is_long_flag(argument) => plain(argument),
        Expect::Credentials if is_scheme(argument) => redact_text(argument),
        Expect::Secret | Expect::Credentials if !is_secret_value(argument) => redact_text(argument),
        Expect::Secret | Expect::Credentials => REDACTED.to_owned(),
        Expect::Password if place::is_secret_flag("-p", argument) => REDACTED.to_owned(),
        Expect::Header => header_argument(argument),
        Expect::Variable => variable(argument).unwrap_or_else(|| plain(argument)),
        Expect::User => user(argument, false),
        Expect::Login => user(argument, true),
        Expect::StrongForm if is_strong_form(argument) => REDACTED.to_owned(),
        Expect::Word if !flag && is_secret_value(argument) => REDACTED.to_owned(),
        Expect::Tokens if !flag && is_no_number(argument) => REDACTED.to_owned(),
        Expect::Cookies if argument.contains('=') => REDACTED.to_owned(),
        Expect::Script => plain(&shell::assignments(argument, is_kept_variable)),
        Expect::StrongForm | Expect::Word | Expect::Tokens => plain(argument),
        Expect::Nothing | Expect::Password | Expect::Cookies => plain(argument),
    }
}

fn expected_after(program: &str, argument: &str, expect: Expect) -> Expect {
    if is_header_flag(argument) {
        return Expect::Header;
    }
    match argument {
        "-e" | "--env" | "--set-env" | "--build-arg" => return Expect::Variable,
        "-u" | "--user" | "-U" | "--proxy-user" | "--userpass" | "--userpwd" | "--http-basic" => {
            return Expect::User;
        }
        "-p" if PLAIN_P_PROGRAMS.contains(&program) => return Expect::Nothing,
        "-p" => return Expect::Password,
        "-a" if SECRET_A_PROGRAMS.contains(&program) => return Expect::Secret,
        "-b" if program == "curl" => return Expect::Cookies,
        "-P" if CAPITAL_P_PROGRAMS.contains(&program) => return Expect::Password,
        "-P" | "-w" => return Expect::StrongForm,
        "--login" if SHELLS.contains(&program) => return Expect::Nothing,
        "--login" => return Expect::Login,
        _ => {}
    }
    if names::is_bare_word(argument) {
        return Expect::Word;
    }
    if names::is_tokens(argument) && is_flag(argument) {
        return Expect::Tokens;
    }
    if is_scheme(argument) && argument != "token" {
        return Expect::Credentials;
    }
    // `--header Authorization: Bearer x`, not quoted: the value came apart.
    if let Some(name) = argument.strip_suffix([':', '=']) {
        let name = name.rsplit([' ', ':', '=']).next().unwrap_or(name);
        if names::is_secret_parameter(name) {
            return Expect::Credentials;
        }
    }
    // A plus, and dashes that a word processor made, count where a secret's name follows.
    let value_follows =
        argument.starts_with(['-', '+', '\u{2013}', '\u{2014}']) && !argument.contains('=');
    if value_follows && names::is_secret_parameter(argument) {
        return Expect::Credentials;
    }
    let scheme_before = expect == Expect::Credentials && is_scheme(argument);
    if scheme_before || ends_in_scheme(argument) {
        return Expect::Secret;
    }
    Expect::Nothing
}

/// `--auth=Basic`, `Authorization: Bearer`: the value came apart after the scheme.
fn ends_in_scheme(argument: &str) -> bool {
    let Some((before, scheme)) = argument.rsplit_once([' ', ':', '=']) else {
        return false;
    };
    let name = before.trim_end_matches([' ', ':', '=']);
    let name = name.rsplit([' ', ':', '=']).next().unwrap_or(name);
    is_scheme(scheme) && names::is_secret_parameter(name)
}

/// `-H`, `--header`, `-rpc-header`: what has `Name: value` after it.
fn is_header_flag(argument: &str) -> bool {
    argument == "-H"
        || (argument.starts_with('-')
            && !argument.starts_with("--no-")
            && argument.len() <= 64
            && argument.trim_end_matches('s').ends_with("header"))
}

/// `-c`, `-lc`, `-euxc`; fish(1) has it in full, too.
fn is_script_flag(argument: &str) -> bool {
    argument == "--command"
        || argument.strip_prefix('-').is_some_and(|letters| {
            (1..=6).contains(&letters.len())
                && letters.ends_with('c')
                && letters.bytes().all(|b| b.is_ascii_lowercase())
        })
}

fn is_no_number(argument: &str) -> bool {
    is_secret_value(argument) && !argument.bytes().all(|b| b.is_ascii_digit() || b == b',')
}

fn is_flag(argument: &str) -> bool {
    argument.len() > 1 && argument.starts_with('-')
}

fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Written as rules for passwords ask it: capitals, small letters and digits; no path, no file.
fn is_strong_form(argument: &str) -> bool {
    let has = |f: fn(&u8) -> bool| argument.as_bytes().iter().any(f);
    let file = argument.rsplit_once('.').is_some_and(|(_, ending)| {
        (1..=5).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    argument.len() >= 8
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && !argument.contains('/')
        && !file
}

fn is_scheme(argument: &str) -> bool {
    let scheme = argument.trim_end_matches(':').to_ascii_lowercase();
    matches!(
        scheme.as_str(),
        "bearer" | "basic" | "token" | "apikey" | "dpop" | "digest"
    )
}

/// An argument that stands for itself.
fn plain(argument: &str) -> String {
    for (flag, make) in [
        ("-H", header_argument as fn(&str) -> String),
        ("--user=", |pair| user(pair, false)),
        ("--proxy-user=", |pair| user(pair, false)),
        ("--userpass=", |pair| user(pair, false)),
        ("--userpwd=", |pair| user(pair, false)),
        ("--http-basic=", |pair| user(pair, false)),
        ("--login=", |pair| user(pair, true)),
    ] {
        if let Some(value) = argument.strip_prefix(flag)
            && !value.is_empty()
        {
            return format!("{flag}{}", make(value));
        }
    }
    if let Some((flag, value)) = argument.split_once('=')
        && is_header_flag(flag)
    {
        return format!("{}={}", redact_text(flag), header_argument(value));
    }
    // `pass …` as one argument; a sentence goes on with a word.
    if let Some((word, value)) = argument.split_once(' ')
        && (names::is_bare_word(word) || word.eq_ignore_ascii_case("pass"))
        && !value.contains(' ')
        && looks_made_up(value)
    {
        return format!("{word} {REDACTED}");
    }
    for flag in ["--env=", "--build-arg=", "-e", "-D"] {
        if let Some(done) = argument.strip_prefix(flag).and_then(variable) {
            return format!("{flag}{done}");
        }
    }
    if let Some(done) = variable(argument) {
        return done;
    }
    match argument.split_once('=') {
        Some((name, value)) if is_name(name) => {
            let secret = (names::is_secret_parameter(name) && is_secret_value(value))
                || (names::is_tokens(name) && is_no_number(value));
            let value = if secret {
                REDACTED.to_owned()
            } else {
                value_text(value)
            };
            redact_text(&format!("{name}={value}"))
        }
        _ => value_text(argument),
    }
}

fn value_text(value: &str) -> String {
    // A URL as a whole argument may have blanks and quotation marks, which end one in running text.
    if value.contains("://") && !value.contains(char::is_whitespace) && !value.contains(['"', '\''])
    {
        redact_text(&redact_url(value))
    } else {
        redact_text(value)
    }
}

/// `NAME=value` of an environment; none for anything else. Values go, save those that are plainly none: numbers,
/// truth values, paths, URLs (redacted).
fn variable(argument: &str) -> Option<String> {
    let (name, value) = argument.split_once('=')?;
    let env_name = !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !env_name {
        return None;
    }
    let value = if is_kept_variable(name, value) {
        value_text(value)
    } else {
        REDACTED.to_owned()
    };
    Some(format!("{name}={value}"))
}

fn is_kept_variable(name: &str, value: &str) -> bool {
    let short_number = value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit());
    let address = value.starts_with('/') || value.contains("://");
    let plain_name = matches!(
        name,
        "NODE_ENV"
            | "LOG_LEVEL"
            | "LANG"
            | "TZ"
            | "TERM"
            | "HOME"
            | "USER"
            | "PATH"
            | "PORT"
            | "HOST"
    );
    !is_secret_value(value) || (!names::is_secret(name) && (short_number || address || plain_name))
}

fn header_argument(argument: &str) -> String {
    match argument.split_once(':') {
        Some((name, value)) => {
            let blank = if value.starts_with(' ') { " " } else { "" };
            let value = value.trim();
            let value = if is_secret_value(value) {
                header(name, value)
            } else {
                redact_text(value)
            };
            format!("{}:{blank}{value}", redact_text(name))
        }
        None => plain_or_variable(argument),
    }
}

fn plain_or_variable(argument: &str) -> String {
    variable(argument).unwrap_or_else(|| redact_text(argument))
}

/// `user:password`; user and group numbers stay.
fn user(argument: &str, slash: bool) -> String {
    shell::user(argument, slash).map_or_else(
        || redact_text(argument),
        |kept| format!("{}{REDACTED}", redact_text(kept)),
    )
}
