//! Just enough of ClickHouse's lexer to tell words from what stands in quotes and comments.

/// A piece of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Keyword, plain name or number.
    Word(&'a str),
    /// Name in backquotes or double quotes, without them.
    Name(&'a str),
    /// Text in single quotes or between dollar tags.
    Text,
    /// Anything else, a character each.
    Sign(char),
}

/// All pieces with where they start, and where the last one ends; `None` when a quote or comment is not closed.
pub(super) fn tokens(sql: &str) -> Option<(Vec<(usize, Token<'_>)>, usize)> {
    let mut list = Vec::new();
    let (mut at, mut end) = (0, 0);
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let next = match first {
            '\'' => {
                let length = quoted(rest, first)?;
                list.push((at, Token::Text));
                at + length
            }
            '`' | '"' => {
                let length = quoted(rest, first)?;
                list.push((at, Token::Name(&rest[1..length - 1])));
                at + length
            }
            '$' if dollar_tag(rest).is_some() => {
                let tag = dollar_tag(rest)?;
                let length = tag.len() + rest[tag.len()..].find(tag)? + tag.len();
                list.push((at, Token::Text));
                at + length
            }
            _ if rest.starts_with("--") && alone(sql, at) => {
                at += rest.find('\n').map_or(rest.len(), |n| n + 1);
                continue;
            }
            _ if rest.starts_with("/*") => {
                at += comment(rest)?;
                continue;
            }
            // Comments and quotes in some versions and code in others: not read, so not run.
            '#' | '‘' | '’' | '“' | '”' => return None,
            _ if rest.starts_with("//") || rest.starts_with("--") => return None,
            _ if first.is_alphanumeric() || first == '_' => {
                let length = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                    .unwrap_or(rest.len());
                list.push((at, Token::Word(&rest[..length])));
                at + length
            }
            _ if first.is_whitespace()
                || first.is_control()
                || first == '\u{feff}'
                || first == '\u{200b}' =>
            {
                at += first.len_utf8();
                continue;
            }
            _ => {
                list.push((at, Token::Sign(first)));
                at + first.len_utf8()
            }
        };
        at = next;
        end = at;
    }
    Some((list, end))
}

/// Whether the two dashes at `at` stand between blanks, and so begin a comment by every rule.
fn alone(sql: &str, at: usize) -> bool {
    let before = sql[..at]
        .chars()
        .next_back()
        .is_none_or(char::is_whitespace);
    before && sql[at + 2..].chars().next().is_none_or(char::is_whitespace)
}

/// Length of a quoted piece, quotes included. A backslash escapes, a doubled quote stays inside.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next()?;
        } else if character == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return Some(at + quote.len_utf8());
            }
        }
    }
    None
}

/// `$tag$` at the start.
fn dollar_tag(rest: &str) -> Option<&str> {
    let length = rest[1..].find('$')? + 2;
    let tag = &rest[..length];
    tag[1..length - 1]
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        .then_some(tag)
}

/// Length of a block comment; ClickHouse does not nest them.
fn comment(rest: &str) -> Option<usize> {
    rest[2..].find("*/").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hide_and_comments_vanish() {
        let (list, _) =
            tokens("a 'b;''c\\'' `d` -- e\n/* f */ \"g\" $x$ h; $x$ i").expect("closed");
        let list: Vec<_> = list.into_iter().map(|(_, t)| t).collect();
        use Token::{Name, Text, Word};
        assert_eq!(
            list,
            [Word("a"), Text, Name("d"), Name("g"), Text, Word("i")]
        );
    }

    #[test]
    fn what_is_not_closed_is_not_read() {
        for sql in [
            "'a", "`a", "\"a", "/* a", "'a\\", "1--1", "# a", "1 // a", "‘a’",
        ] {
            assert!(tokens(sql).is_none(), "{sql}");
        }
    }
}
