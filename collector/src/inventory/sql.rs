//! Analysts' own SQL: checked here for a clear answer, held by ClickHouse's grants and limits.
//!
//! The statement runs as the read-only user `analyst` (grant: SELECT on this database; `readonly = 1`;
//! limits in [`crate::engine`]'s users.xml), so that what slips by here is refused there. Two things
//! are held here alone, because the engine has no grant for them: the scalar functions that read files
//! (`file`, `catboostEvaluate`), and statements that are not questions.

mod lexer;

use thiserror::Error;

use super::query::{Answer, run};
use crate::store::{Store, StoreError};
use lexer::{Token, tokens};

/// Longest statement, bytes.
pub const SQL_BYTES_MAX: usize = 128 << 10;
/// A little more than the analyst's own `max_execution_time`.
const SECONDS_MAX: u64 = 15;
const STARTS: [&str; 6] = ["SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"];

/// Table functions that stay inside; every other function in the place of a table is refused.
const TABLES_INSIDE: [&str; 9] = [
    "numbers",
    "numbers_mt",
    "zeros",
    "zeros_mt",
    "values",
    "view",
    "null",
    "generate_series",
    "generateSeries",
];

/// Functions that read files, reach out, or tell about the server, wherever they stand.
const REFUSED: [&str; 62] = [
    "file",
    "filecluster",
    "url",
    "urlcluster",
    "remote",
    "remotesecure",
    "cluster",
    "clusterallreplicas",
    "s3",
    "s3cluster",
    "gcs",
    "oss",
    "cosn",
    "hdfs",
    "hdfscluster",
    "azureblobstorage",
    "azureblobstoragecluster",
    "iceberg",
    "icebergs3",
    "icebergazure",
    "iceberghdfs",
    "iceberglocal",
    "icebergcluster",
    "icebergs3cluster",
    "deltalake",
    "deltalakes3",
    "deltalakeazure",
    "deltalakelocal",
    "deltalakecluster",
    "hudi",
    "hudicluster",
    "paimon",
    "mysql",
    "postgresql",
    "sqlite",
    "mongodb",
    "redis",
    "odbc",
    "jdbc",
    "executable",
    "input",
    "dictionary",
    "merge",
    "loop",
    "mergetreeindex",
    "mergetreeprojection",
    "mergetreeanalyzeindexes",
    "timeseriesdata",
    "timeseriestags",
    "timeseriesmetrics",
    "prometheusquery",
    "prometheusqueryrange",
    "ytsaurus",
    "arrowflight",
    "python",
    "fuzzquery",
    "catboostevaluate",
    "getserverport",
    "getserversetting",
    "addresstoline",
    "demangle",
    "hostname",
];

/// Why a statement is not run.
#[derive(Debug, Error)]
pub enum SqlError {
    /// Refused before it was sent.
    #[error("{what}")]
    Refused {
        /// What is refused.
        what: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The store has no user for analysts.
    #[error("this collector has no read-only ClickHouse user for SQL")]
    NoAnalyst,
    /// ClickHouse refused it, or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks and runs a statement.
///
/// # Errors
/// It is refused here or by ClickHouse, or goes over a limit.
pub async fn query(store: &Store, sql: &str) -> Result<Answer, SqlError> {
    let sql = check(sql)?;
    let client = store
        .connection()
        .await?
        .analyst
        .ok_or(SqlError::NoAnalyst)?;
    Ok(run(&client, sql, &[], &[], SECONDS_MAX).await?)
}

fn refused<T>(what: impl Into<String>, advice: &'static str) -> Result<T, SqlError> {
    Err(SqlError::Refused {
        what: what.into(),
        advice,
    })
}

/// The statement without a closing semicolon, if it is one that may run.
fn check(sql: &str) -> Result<&str, SqlError> {
    if sql.len() > SQL_BYTES_MAX {
        return refused(
            format!("the statement is longer than {SQL_BYTES_MAX} bytes"),
            "shorten it",
        );
    }
    let Some((mut all, mut end)) = tokens(sql) else {
        return refused(
            "a quote or comment is not closed, or is of a kind that is not read here",
            "use '…' and -- with blanks around it",
        );
    };
    while all
        .last()
        .is_some_and(|(_, token)| *token == Token::Sign(';'))
    {
        end = all.pop().map_or(end, |(at, _)| at);
    }
    let list: Vec<Token<'_>> = all.into_iter().map(|(_, token)| token).collect();
    match list.first() {
        Some(Token::Word(word)) if STARTS.iter().any(|s| word.eq_ignore_ascii_case(s)) => {}
        Some(Token::Sign('(')) => {}
        _ => {
            return refused(
                "only questions are allowed",
                "start with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN",
            );
        }
    }
    if list.contains(&Token::Sign(';')) {
        return refused("more than one statement", "send one statement at a time");
    }
    clauses(&list)?;
    functions(&list)?;
    Ok(&sql[..end])
}

/// Clauses that write, change limits, or change the answer's form.
fn clauses(list: &[Token<'_>]) -> Result<(), SqlError> {
    for (at, token) in list.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        let next = list.get(at + 1);
        let next_word = |expected: &str| matches!(next, Some(Token::Word(w)) if w.eq_ignore_ascii_case(expected));
        if word.eq_ignore_ascii_case("INTO") && next_word("OUTFILE") {
            return refused(
                "INTO OUTFILE writes a file on the server",
                "use --format csv and redirect the output",
            );
        }
        let names_a_format =
            matches!(next, Some(Token::Word(_) | Token::Name(_))) && at + 2 >= list.len();
        if word.eq_ignore_ascii_case("FORMAT") && (names_a_format || next_word("SETTINGS")) {
            return refused(
                "FORMAT is the command's to choose",
                "remove it and use --format table, json or csv",
            );
        }
        let sets = matches!(list.get(at + 2), Some(Token::Sign('=')));
        if word.eq_ignore_ascii_case("SETTINGS")
            && matches!(next, Some(Token::Word(_) | Token::Name(_)))
            && sets
        {
            return refused(
                "SETTINGS would change the limits",
                "remove the SETTINGS clause",
            );
        }
    }
    Ok(())
}

/// Functions that leave the server or look behind it.
fn functions(list: &[Token<'_>]) -> Result<(), SqlError> {
    const ADVICE: &str = "ask the views: sessions, servers, calls, sensors, coverage, listeners, tools, verdicts, policies";
    for (at, pair) in list.windows(2).enumerate() {
        let ([Token::Word(name) | Token::Name(name), Token::Sign('(')], previous) =
            (pair, at.checked_sub(1))
        else {
            continue;
        };
        if name.contains('\\') {
            return refused("a function's name with a backslash in it", ADVICE);
        }
        let lower = name.to_ascii_lowercase();
        if REFUSED.contains(&lower.as_str())
            || lower.starts_with("dictget")
            || lower.starts_with("dicthas")
        {
            return refused(
                format!("the function {name} is refused: it leaves the inventory"),
                ADVICE,
            );
        }
        let previous = previous.and_then(|at| list.get(at));
        let as_table = matches!(previous, Some(Token::Word(w))
            if ["FROM", "JOIN", "TABLE", "DESCRIBE", "DESC"].iter().any(|k| w.eq_ignore_ascii_case(k)));
        // EXTRACT(YEAR FROM f(x)) and trim(BOTH ' ' FROM f(x)) look alike: only the known are refused there.
        if as_table
            && !TABLES_INSIDE.iter().any(|t| t.eq_ignore_ascii_case(name))
            && !inside_call(list, at)
        {
            return refused(
                format!("the table function {name} is refused: it leaves the inventory"),
                ADVICE,
            );
        }
    }
    Ok(())
}

/// Whether position `at` is within the parentheses of `extract`, `trim`, `substring` or `position`.
fn inside_call(list: &[Token<'_>], at: usize) -> bool {
    let mut depth = 0_i32;
    for (back, token) in list[..at].iter().enumerate().rev() {
        match token {
            Token::Sign(')') => depth += 1,
            Token::Sign('(') if depth > 0 => depth -= 1,
            Token::Sign('(') => {
                let opener = back.checked_sub(1).and_then(|i| list.get(i));
                return matches!(opener, Some(Token::Word(w))
                    if ["extract", "trim", "substring", "overlay"].iter().any(|k| w.eq_ignore_ascii_case(k)));
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_pass() {
        for sql in [
            "SELECT 1",
            "select * from sessions where verdict = 'shadow; file(''x'')' limit 10;",
            "WITH x AS (SELECT server FROM servers) SELECT count() FROM x",
            "(SELECT 1) UNION ALL (SELECT 2) ; ",
            "SHOW TABLES",
            "DESCRIBE sessions",
            "DESCRIBE TABLE sessions",
            "EXPLAIN SELECT * FROM sessions",
            "SELECT extract(year FROM toDate(started)), file, url FROM (SELECT started, 1 AS file, 2 AS url FROM sessions)",
            "SELECT format('{}', host), formatDateTime(now(), '%F') FROM sensors -- file('x')",
            "SELECT number FROM numbers(10) /* ; */",
            "SELECT argMax(verdict, decided) FROM verdicts GROUP BY session",
        ] {
            assert!(check(sql).is_ok(), "{sql}: {:?}", check(sql));
        }
        assert_eq!(check("SELECT 1 ; ;").expect("fine").trim(), "SELECT 1");
    }

    #[test]
    fn what_leaves_the_server_is_refused() {
        for sql in [
            "",
            ";",
            "INSERT INTO x VALUES (1)",
            "SELECT 1; SELECT 2",
            "SELECT 1; DROP TABLE x",
            "SET max_execution_time = 0",
            "SELECT * FROM url('http://x','CSV')",
            "SELECT * FROM URL ( 'http://x' )",
            "SELECT * FROM `url`('http://x')",
            "SELECT * FROM \"url\"('http://x')",
            "SELECT * FROM/**/url('x')",
            "SELECT * FROM (SELECT * FROM s3('x'))",
            "WITH x AS (SELECT * FROM remote('h', a, b)) SELECT * FROM x",
            "EXPLAIN SELECT * FROM file('/etc/passwd')",
            "SELECT * FROM view(SELECT * FROM url('x'))",
            "SELECT file('/etc/passwd')",
            "SELECT `file`('/etc/passwd')",
            "SELECT fi\\u006ce('x') FROM file('x')",
            "SELECT * FROM merge('system', '.*')",
            "SELECT * FROM sessions JOIN somethingNew('x') USING host",
            "DESCRIBE url('http://x')",
            "DESCRIBE TABLE s3('x')",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "SELECT 1 FORMAT CSV",
            "SELECT 1 SETTINGS max_execution_time = 0",
            "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage=0)",
            "SELECT dictGet('d', 'a', 1)",
            "SELECT dictGetOrNull('d', 'a', 1)",
            "SELECT 'x",
            "SELECT `\\x66ile`('/etc/passwd')",
            "SELECT /* x",
            "SELECT catboostEvaluate('/x', 1)",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }
}
