//! Documents that tests and benchmarks write a part of, between two marks, so that one does not touch the others.
//!
//! A new part needs its two marks in the file: `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

use std::fs;

use anyhow::{Context, Result};

use crate::place::checkout;

/// What is between the marks of `name` in a file of the checkout.
///
/// # Errors
/// The file or a mark is missing.
pub fn part(file: &str, name: &str) -> Result<String> {
    let page = read(file)?;
    let (_, part, _) = cut(&page, name).with_context(|| lacks(file, name))?;
    Ok(part.trim().to_owned())
}

/// Replaces what is between the marks of `name` in a file of the checkout.
///
/// # Errors
/// The file or a mark is missing.
pub fn write_part(file: &str, name: &str, text: &str) -> Result<()> {
    let page = read(file)?;
    let page = replaced(&page, name, text).with_context(|| lacks(file, name))?;
    fs::write(checkout().join(file), page).with_context(|| file.to_owned())
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(checkout().join(file)).with_context(|| file.to_owned())
}

fn lacks(file: &str, name: &str) -> String {
    format!("{file} lacks the marks of {name}")
}

/// What is before, between and after the marks; the marks themselves are outside.
fn cut<'a>(page: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (begin, end) = (
        format!("<!-- {name}: begin -->"),
        format!("<!-- {name}: end -->"),
    );
    let from = page.find(&begin)? + begin.len();
    let to = from + page[from..].find(&end)?;
    Some((&page[..from], &page[from..to], &page[to..]))
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (before, _, after) = cut(page, name)?;
    Some(format!("{before}\n{}\n{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page =
            "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n";
        assert_eq!(
            replaced(page, "x", "new\n").as_deref(),
            Some(
                "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n"
            )
        );
        assert_eq!(replaced(page, "z", "new"), None);
        assert_eq!(cut(page, "x").map(|(_, part, _)| part), Some("\nold\n"));
    }
}
