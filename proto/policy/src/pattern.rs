//! Patterns with one wildcard: `*` stands for any text, everything else for itself.

/// Longest pattern taken, in bytes: a bound on the work of one match.
const PATTERN_BYTES_MAX: usize = 512;

/// A checked pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    fold_case: bool,
}

impl Pattern {
    /// A pattern that tells upper from lower case.
    pub(crate) fn exact(text: &str) -> Result<Self, String> {
        check(text)?;
        Ok(Self {
            text: text.to_owned(),
            fold_case: false,
        })
    }

    /// A pattern that does not (ASCII).
    pub(crate) fn folded(text: &str) -> Result<Self, String> {
        check(text)?;
        Ok(Self {
            text: text.to_ascii_lowercase(),
            fold_case: true,
        })
    }

    /// Whether it has no wildcard.
    pub(crate) fn is_literal(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether the whole of `subject` fits.
    pub(crate) fn fits(&self, subject: &str) -> bool {
        if self.fold_case {
            fits(
                self.text.as_bytes(),
                subject.to_ascii_lowercase().as_bytes(),
            )
        } else {
            fits(self.text.as_bytes(), subject.as_bytes())
        }
    }
}

fn check(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the pattern is empty".to_owned());
    }
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!(
            "the pattern is longer than {PATTERN_BYTES_MAX} bytes"
        ));
    }
    if text.contains("**") {
        return Err("the pattern has `**`; one `*` already stands for any text".to_owned());
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the pattern has a blank or a control character".to_owned());
    }
    Ok(())
}

/// Greedy match with one step back: O(pattern × subject) at worst, no recursion.
fn fits(pattern: &[u8], subject: &[u8]) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while s < subject.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p + 1, s));
            p += 1;
        } else if pattern.get(p) == Some(&subject[s]) {
            p += 1;
            s += 1;
        } else if let Some((after_star, from)) = back {
            back = Some((after_star, from + 1));
            p = after_star;
            s = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, subject, expect) in [
            ("*", "", true),
            ("*", "x", true),
            ("npm:*", "npm:@a/b", true),
            ("npm:@a/*", "npm:@b/a", false),
            ("*-laptop", "ann-laptop", true),
            ("*-laptop", "ann-laptop2", false),
            ("https://*.corp/*", "https://a.corp/x", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbX", false),
            ("abc", "ABC", false),
        ] {
            assert_eq!(
                Pattern::exact(pattern).unwrap().fits(subject),
                expect,
                "{pattern} on {subject}"
            );
        }
        assert!(Pattern::folded("ANN-*").unwrap().fits("ann-LAPTOP"));
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in ["", "a**b", "a b", "a\tb", &"x".repeat(513)] {
            assert!(Pattern::exact(bad).is_err(), "{bad:?}");
        }
    }
}
