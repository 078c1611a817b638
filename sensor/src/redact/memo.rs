//! What short texts that come again and again became: the name of a tool is that of the next call, too.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Results kept; a full memo starts anew.
const RESULTS_MAX: usize = 32;
/// Longest text that is kept, in bytes.
const BYTES_MAX: usize = 256;

/// Remembers results of [`text`](super::text), by a keyed hash: the texts themselves, which may be secrets, are not kept.
#[derive(Debug, Default)]
pub struct Memo {
    hasher: RandomState,
    results: HashMap<u64, Box<str>>,
}

impl Memo {
    /// The same as [`text`](super::text).
    #[must_use]
    pub fn text(&mut self, text: &str) -> String {
        if text.len() > BYTES_MAX {
            return super::text(text);
        }
        let hash = self.hasher.hash_one(text);
        if let Some(result) = self.results.get(&hash) {
            return result.as_ref().to_owned();
        }
        let result = super::text(text);
        if self.results.len() >= RESULTS_MAX {
            self.results.clear();
        }
        self.results.insert(hash, result.as_str().into());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_like_the_first_and_no_secret_is_kept() {
        let secret = concat!("ghp_", "0123456789abcdefghijABCDEFGHIJ456789");
        let mut memo = Memo::default();
        let many = (0..3 * RESULTS_MAX).map(|number| format!("tool_{number}"));
        let texts: Vec<String> = many
            .chain([secret.to_owned(), "x".repeat(BYTES_MAX + 1)])
            .collect();
        for text in texts.iter().chain(&texts) {
            let expect = super::super::text(text);
            assert_eq!(memo.text(text), expect);
            let kept = memo.results.len();
            assert!(kept <= RESULTS_MAX);
            // What is kept is given, not made again.
            let hash = memo.hasher.hash_one(text);
            if let Some(result) = memo.results.get_mut(&hash) {
                *result = "from the memo".into();
                assert_eq!(memo.text(text), "from the memo");
                memo.results.insert(hash, expect.as_str().into());
            }
            assert_eq!(memo.text(text), expect);
            assert_eq!(memo.results.len(), kept);
            assert_eq!(memo.results.contains_key(&hash), text.len() <= BYTES_MAX);
        }
        assert!(!format!("{memo:?}").contains(secret));
    }
}
