//! What is worth a person's decision: one table of kinds, for the sensor (stand-alone) and the collector.
//!
//! A *kind* says in its own words what happened, why it matters and what to decide; *marks* are what is
//! true of one case. [`Kind::opinion`] joins them into severity, text and tags, and [`id`] names the case,
//! the same wherever it is made.

mod kind;

pub use kind::{COVERAGE_LOST, EXPOSED_LISTENER, KINDS, Kind, Mark, SENSOR_SILENT, SHADOW_SERVER};

use sha2::{Digest as _, Sha256};

/// Bytes of the digest that make an id; in hex twice as many digits.
const ID_BYTES: usize = 16;
/// Tags of one finding, at most.
const TAGS_MAX: usize = 32;
/// Characters of a subject repeated in a text; whole it is in its own field.
const SUBJECT_CHARS_MAX: usize = 160;

/// How soon somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// When there is time.
    Low,
    /// This week.
    Medium,
    /// Today.
    High,
    /// Now.
    Critical,
}

impl Severity {
    /// The word in output, columns and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// One step worse, where there is one.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

/// What is said of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// How soon somebody should look.
    pub severity: Severity,
    /// What it is, why it matters, what to decide.
    pub text: String,
    /// The marks, sorted, each once, at most 32.
    pub tags: Vec<String>,
}

/// Name of a finding: 32 hex digits, from what kind it is and whom it is about. The same case has the same
/// name on every host, in every collector, and when it comes back.
#[must_use]
pub fn id(class: &str, subject: &str) -> String {
    // No class has a line feed in it, so that no two cases give the same text.
    let digest = Sha256::digest(format!("gnomon finding\n{class}\n{subject}"));
    digest
        .iter()
        .take(ID_BYTES)
        .fold(String::with_capacity(2 * ID_BYTES), |mut text, byte| {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
            text
        })
}

impl Kind {
    /// What to say of a subject of which these marks are true. Marks that the kind does not know are tags
    /// all the same.
    #[must_use]
    pub fn opinion<'a>(&self, subject: &str, marks: impl IntoIterator<Item = &'a str>) -> Opinion {
        let mut tags: Vec<String> = marks.into_iter().map(str::to_owned).collect();
        tags.sort_unstable();
        tags.dedup();
        tags.truncate(TAGS_MAX);
        let has = |mark: &&Mark| tags.iter().any(|tag| tag == mark.tag);
        let severity = (self.marks.iter().filter(has))
            .filter(|mark| mark.raises)
            .fold(self.severity, |severity, _| severity.raised());
        let mut text = self.what.replace("{subject}", &shown(subject));
        for mark in self.marks.iter().filter(has).filter(|m| !m.text.is_empty()) {
            text.push(' ');
            text.push_str(mark.text);
        }
        text.push_str(" To decide: ");
        text.push_str(self.decide);
        Opinion {
            severity,
            text,
            tags,
        }
    }
}

fn shown(subject: &str) -> String {
    match subject.char_indices().nth(SUBJECT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &subject[..end]),
        None => subject.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_class_and_subject_alone() {
        let one = id("shadow_server", "npm:a");
        assert_eq!(one, id("shadow_server", "npm:a"));
        assert_eq!(one.len(), 32);
        // Kept: findings of stores that exist must find their names again.
        assert_eq!(one, "417a685c307dd82e0570202f3da31e4e");
        assert_ne!(one, id("shadow_server", "npm:b"));
        assert_ne!(one, id("shadow_serve", "rnpm:a"));
    }

    #[test]
    fn marks_raise_the_severity_step_by_step() {
        let of = |marks: &[&str]| {
            SHADOW_SERVER
                .opinion("npm:a", marks.iter().copied())
                .severity
        };
        assert_eq!(of(&[]), Severity::Medium);
        assert_eq!(of(&["no_gateway"]), Severity::Medium);
        assert_eq!(of(&["bypass"]), Severity::High);
        assert_eq!(of(&["bypass", "bypass"]), Severity::High);
        assert_eq!(of(&["bypass", "remote"]), Severity::Critical);
        assert_eq!(
            of(&["bypass", "remote", "exposed", "several_hosts"]),
            Severity::Critical
        );
    }

    #[test]
    fn a_text_says_what_why_and_what_to_decide() {
        let opinion = SHADOW_SERVER.opinion("npm:a", ["several_hosts", "bypass", "never_heard_of"]);
        assert!(opinion.text.starts_with("npm:a "), "{}", opinion.text);
        assert!(
            opinion.text.contains("round the gateway"),
            "{}",
            opinion.text
        );
        assert!(opinion.text.contains(" To decide: "), "{}", opinion.text);
        assert_eq!(opinion.tags, ["bypass", "never_heard_of", "several_hosts"]);
        // A hostile subject cannot fill the text, nor put words of ours into it.
        let long = SHADOW_SERVER.opinion(&"{subject}x".repeat(1000), []);
        assert!(long.text.len() < 1000, "{}", long.text.len());
    }

    #[test]
    fn every_kind_is_complete_and_every_tag_means_one_thing() {
        for kind in KINDS {
            assert!(kind.what.contains("{subject}"), "{}", kind.class);
            assert!(!kind.decide.is_empty() && !kind.subject_kind.is_empty());
            assert!(!kind.class.contains('\n'));
            assert_eq!(KINDS.iter().filter(|k| k.class == kind.class).count(), 1);
            for mark in kind.marks {
                assert_eq!(kind.marks.iter().filter(|m| m.tag == mark.tag).count(), 1);
            }
        }
    }

    #[test]
    fn the_documentation_has_every_class_and_tag() {
        let text = include_str!("../../../docs/findings.md");
        for kind in KINDS {
            let row = (text.lines())
                .find(|line| line.starts_with(&format!("| `{}` |", kind.class)))
                .unwrap_or_else(|| panic!("docs/findings.md lacks {}", kind.class));
            assert!(
                row.contains(&format!("| {}", kind.severity.as_str())),
                "{row}"
            );
            for mark in kind.marks {
                let shown = if kind.class == SHADOW_SERVER.class && mark.raises {
                    format!("**`{}`**", mark.tag)
                } else {
                    format!("`{}`", mark.tag)
                };
                assert!(text.contains(&shown), "docs/findings.md lacks {shown}");
            }
        }
    }
}
