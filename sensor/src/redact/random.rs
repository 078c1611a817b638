//! Tells random text from words.
//!
//! The estimator adds up, character by character, how many bits a model of ordinary identifiers needs: letters by
//! the letter before them (a table counted over the file names, programs' texts and manuals of a Debian system with Python,
//! Rust and node), 3.3 bits a digit, and a price for each change between lower case, upper case and digits.
//! Words need about 4 bits a character, random letters and digits 5 to 8. Measured on 21,000 different words of
//! 8 and more characters in file names: 0.5 % taken for random; of random strings of 20 characters (base62, base64,
//! base36, base32, lower case): at most 0.4 % not; of 12 characters: 1 to 8 % not.

/// Shortest text that is judged, in characters.
const CHARS_MIN: usize = 8;
/// Least sum, in tenths of a bit.
const TENTHS_MIN: u32 = 460;
/// Hexadecimal of this length with digits and letters is a digest or a key, whatever it looks like.
const HEX_CHARS_MIN: usize = 16;
/// Longer numbers are no times (19 digits in nanoseconds) and no sizes.
const DIGITS_MIN: usize = 20;

/// Cost of a letter (column, a to z) after another (row: word start, then a to z), in half bits from `A` = 0.
#[rustfmt::skip]
const COST: [&[u8; 26]; 27] = [
    b"IJHIJJKLJNNJJKLIOIHJKMLNQP",
    b"NJIJQOKRKUMGIHTJUGIFLNOOMQ",
    b"GKJLHMNPHKPFMNHLSIIMHQRPLQ",
    b"GOLNHNQHJTIIMPFNTJLHKPRSNU",
    b"HLLKELNPFQQKNNINRKJLJOPQNU",
    b"JNIHLKMQNTQJKGOLOFGHPMNJNT",
    b"INLLHGNRETRINNGNTIKKISQSMV",
    b"IOMNEOLIHUQJLJJMTGIMJPQSOP",
    b"FONMEPPRGVPLMNGORJLIKRPUMR",
    b"KKIKKLJUSTQIJEHKTKHHSLWNVL",
    b"GOLLFNNNIOKNMMGKPMHNGOLPPO",
    b"IMLLDLKMGQQJNLKMQLGLKOLSMR",
    b"GPNKEOPRFTPHOOGNUPJKKOSTIS",
    b"FKNMEPQRGTPLKPHGTPJMKRRSNV",
    b"HPIHHKFPIRMNOLJNTOHFLMRTPS",
    b"MLJIPMLRMQMIIFKJWGJJILKPQS",
    b"GQMNGNOLIWOHOOHJSGKIKRPSKX",
    b"MOLNMMNNMQPIMLNLOKJNBNMNQR",
    b"GOKKENLSGWMMKLHMUKIILNQVLV",
    b"JPJOFOOIHTMLNNJJPOHEIPOSLT",
    b"HPLNFNQIFUQLNOHMVHIKLQORKR",
    b"KIKKJLLTJUQHIFNIXGHGQRUPSR",
    b"FNMODOOQFUQNLNJMUOLNPOPQQR",
    b"FOLLGNPIFTOLOIGNSIIMPPNOSV",
    b"JMHKHJRMISPKJPMGUMKFNOPHLP",
    b"JLJLJMMOJQQJIIKFSKGINMMOIM",
    b"HOMLDNPNGRQMMOJNTNLNORPPMF",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Other,
    Lower,
    Upper,
    Digit,
}

/// Whether `text` (one word, no blanks) is random rather than a word.
pub(super) fn is_random(text: &str) -> bool {
    let length = text.chars().count();
    if length < CHARS_MIN {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits == length {
        return length >= DIGITS_MIN;
    }
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    if hex && length >= HEX_CHARS_MIN && digits > 0 {
        return true;
    }
    let tenths = cost_tenths(text);
    // Chance evens out with length: a short text must be stranger.
    let per_char = match length {
        ..12 => 52,
        12..20 => 50,
        20..28 => 47,
        _ => 45,
    };
    tenths >= TENTHS_MIN && tenths >= per_char * u32::try_from(length).unwrap_or(u32::MAX / 64)
}

/// Whether `text` is made of letters that read as a word: used to tell paths from base64 with slashes.
pub(super) fn is_word(text: &str) -> bool {
    let mut rest = text.chars();
    let letters = rest.next().is_some_and(|c| c.is_ascii_alphabetic())
        && rest.all(|c| c.is_ascii_lowercase());
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX / 64);
    letters && length >= 3 && cost_tenths(text) < 48 * length
}

fn cost_tenths(text: &str) -> u32 {
    let (mut cost, mut kind, mut previous, mut uppers, mut returns) =
        (0_u32, Kind::Other, 0_usize, 0_u32, 0_u32);
    for c in text.chars() {
        if c.is_ascii_alphabetic() {
            let now = if c.is_ascii_lowercase() {
                Kind::Lower
            } else {
                Kind::Upper
            };
            let starts = !matches!((kind, now), (Kind::Lower, Kind::Lower) | (Kind::Upper, _));
            cost += match (kind, now) {
                // Back from digits: once is a version or a number in a name.
                (Kind::Digit, _) if returns > 0 => 30,
                (Kind::Digit, _) | (Kind::Lower, Kind::Upper) => 20,
                (Kind::Upper, Kind::Lower) if uppers > 1 => 15,
                _ => 0,
            };
            returns += u32::from(kind == Kind::Digit);
            let row = if starts { 0 } else { previous };
            let column = usize::from(c.to_ascii_lowercase() as u8 - b'a');
            cost += u32::from(COST[row][column] - b'A') * 5;
            uppers = if now == Kind::Upper { uppers + 1 } else { 0 };
            (kind, previous) = (now, column + 1);
        } else if c.is_ascii_digit() {
            cost += 33
                + if matches!(kind, Kind::Lower | Kind::Upper) {
                    15
                } else {
                    0
                };
            kind = Kind::Digit;
        } else {
            cost += 10;
            kind = Kind::Other;
        }
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_words() {
        for word in [
            "modelcontextprotocol",
            "server-filesystem",
            "getElementById",
            "x86_64-linux-gnu",
            "node_modules",
            "claude-sonnet-4-5-20250929",
            "gpt-5.1-codex-max",
            "gemini-3-pro-preview",
            "streamable_http",
            "libssl.so.3",
            "server-everything",
            "mcp_server_time",
            "site-packages",
            "python3.13",
            "kubernetes",
            "notifications",
            "2026-11-22T09:00:00",
            "1795305600000000000",
            "README.md",
            "application.properties",
            "typescript-language-server",
            "io.modelcontextprotocol",
            "initialize",
            "HttpServletRequest",
            "rust-analyzer",
            "elasticsearch",
            "127.0.0.1",
        ] {
            assert!(!is_random(word), "{word} {}", cost_tenths(word));
        }
    }

    #[test]
    fn tokens_are_random() {
        for token in [
            "wJalrXUtnFEMI",
            "4f3a9c1b7d2e8f60",
            "550e8400e29b41d4a716446655440000",
            "Zx8kQ2pLw9Vt",
            "dGhpcyBpcyBhIHNlY3JldCB2YWx1ZQ",
            "q7w8x9z1k3m5n2b4",
            "KRSXG5CTMVRXEZLU",
            "xkqzvjwpfhgtbndr",
            "12345678901234567890",
        ] {
            assert!(is_random(token), "{token} {}", cost_tenths(token));
        }
    }
}
