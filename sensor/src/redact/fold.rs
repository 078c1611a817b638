//! Letters that look like those of ASCII and are none: a token in them is no less a token.

/// The text in ASCII where it has compatibility forms (NFKC), combining marks or Cyrillic twins of it. It is what the
/// rules look at; the text itself is told as long as they find nothing.
pub(super) fn pass(text: &str) -> String {
    text.chars().filter_map(ascii).collect()
}

/// None for a mark on the letter before it.
fn ascii(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    if is_mark(c) {
        return None;
    }
    let code = u32::from(c);
    let folded = match code {
        0xff01..=0xff5e => offset('!', code - 0xff01),
        // Bold, italic, script, fraktur, double-struck, sans-serif, monospace: 52 letters each.
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 52),
        0x1d7ce..=0x1d7ff => offset('0', (code - 0x1d7ce) % 10),
        0x1fbf0..=0x1fbf9 => offset('0', code - 0x1fbf0),
        0x2460..=0x2468 => offset('1', code - 0x2460),
        0x2474..=0x247c => offset('1', code - 0x2474),
        0x2488..=0x2490 => offset('1', code - 0x2488),
        0x2776..=0x277e => offset('1', code - 0x2776),
        0x249c..=0x24b5 => offset('a', code - 0x249c),
        0x24b6..=0x24e9 => letter(code - 0x24b6),
        0x24ea | 0x24ff => '0',
        0x1f110..=0x1f129 => offset('A', code - 0x1f110),
        0x1f130..=0x1f149 => offset('A', code - 0x1f130),
        0x1f150..=0x1f169 => offset('A', code - 0x1f150),
        0x1f170..=0x1f189 => offset('A', code - 0x1f170),
        0x1f1e6..=0x1f1ff => offset('A', code - 0x1f1e6),
        0x2070 | 0x2074..=0x2079 => offset('0', code - 0x2070),
        0x2080..=0x2089 => offset('0', code - 0x2080),
        _ => single(c),
    };
    Some(folded)
}

/// Marks that sit on a letter: of Latin script, and those for symbols.
const fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

fn offset(first: char, by: u32) -> char {
    char::from_u32(u32::from(first) + by).unwrap_or(first)
}

/// Twenty-six capitals, then twenty-six small letters.
fn letter(index: u32) -> char {
    if index < 26 {
        offset('A', index)
    } else {
        offset('a', index - 26)
    }
}

#[rustfmt::skip]
const fn single(c: char) -> char {
    match c {
        // Letters of mathematics that were there before the others.
        'ℂ' | 'ℭ' => 'C', 'ℊ' => 'g', 'ℋ' | 'ℌ' | 'ℍ' => 'H', 'ℎ' => 'h', 'ℐ' | 'ℑ' => 'I', 'ℒ' => 'L',
        'ℓ' => 'l', 'ℕ' => 'N', 'ℙ' => 'P', 'ℚ' => 'Q', 'ℛ' | 'ℜ' | 'ℝ' => 'R', 'ℤ' | 'ℨ' => 'Z', 'ℬ' => 'B',
        'ℯ' | 'ⅇ' => 'e', 'ℰ' => 'E', 'ℱ' => 'F', 'ℳ' => 'M', 'ℴ' => 'o', '\u{212a}' => 'K', 'ℹ' => 'i',
        'ⅆ' => 'd', 'ⅈ' => 'i', 'ⅉ' => 'j', 'ſ' => 's', 'ª' => 'a', 'º' => 'o', '¹' => '1', '²' => '2', '³' => '3',
        'ⁱ' => 'i', 'ⁿ' => 'n',
        // Cyrillic and Greek twins.
        'а' => 'a', 'е' => 'e', 'о' | 'ο' => 'o', 'р' => 'p', 'с' => 'c', 'у' => 'y', 'х' => 'x', 'і' => 'i',
        'ѕ' => 's', 'ј' => 'j', 'А' | 'Α' => 'A', 'В' | 'Β' => 'B', 'Е' | 'Ε' => 'E', 'К' | 'Κ' => 'K',
        'М' | 'Μ' => 'M', 'Н' | 'Η' => 'H', 'О' | 'Ο' => 'O', 'Р' | 'Ρ' => 'P', 'С' => 'C', 'Т' | 'Τ' => 'T',
        'Х' | 'Χ' => 'X', 'Ι' | 'І' => 'I', 'Ζ' => 'Z', 'Ν' => 'N', 'Υ' => 'Y', 'Ѕ' => 'S', 'Ј' => 'J',
        // Hyphens, low lines, dots.
        '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{fe63}' => '-',
        '\u{fe4d}' | '\u{fe4e}' | '\u{fe4f}' | '\u{fe33}' => '_',
        '\u{2024}' | '\u{fe52}' => '.', '\u{fe55}' => ':', '\u{fe66}' => '=', '\u{fe62}' => '+',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_ascii() {
        for (text, expect) in [
            ("ｇｈｐ＿１ａＢ２", "ghp_1aB2"),
            ("𝐠𝐡𝐩_1𝐚𝐁𝟐 𝓰𝔥𝕡 𝚐𝚑𝚙", "ghp_1aB2 ghp ghp"),
            ("g\u{301}h\u{301}p", "ghp"),
            ("ⓖⓗⓟ①⓪ 🅶🄷🅟", "ghp10 GHP"),
            ("ℋℯℓℓℴ", "Hello"),
            ("сора", "copa"),
            ("Übergröße 10 €", "Übergröße 10 €"),
            ("密码", "密码"),
        ] {
            assert_eq!(pass(text), expect, "{text}");
            assert_eq!(pass(expect), expect);
        }
    }
}
