//! Analysts' own SQL: checked here for a clear answer, held by ClickHouse's grants and limits.
//!
//! The statement runs as the read-only user `analyst` (grant: SELECT on this database; `readonly = 1`;
//! limits in [`crate::engine`]'s users.xml), so that what slips by here is refused there. Two things
//! are held here alone, because the engine has no grant for them: the scalar functions that read files
//! (`file`, `catboostEvaluate`), and statements that are not questions. A function can also be handed to
//! another by its bare name (`arrayMap(file, …)`, `APPLY(file)`), so these names are refused wherever they
//! stand. What the engine's process may read at all is held by the kernel (`gnomon_engine`), and the files
//! with its secrets are gone once it runs.

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
const REFUSED: [&str; 65] = [
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
    "getclienthttpheader",
    "showcertificate",
    "columns",
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
    let answer = run(&client, sql, &[], &[], SECONDS_MAX).await?;
    // Over the limit of rows is an error; a LIMIT of the statement's own cuts nothing that was asked for.
    Ok(Answer {
        truncated: false,
        ..answer
    })
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
    names(&list)?;
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

const ADVICE: &str = "ask the views: sessions, servers, calls, sensors, coverage, coverage_history, listeners, tools, verdicts, findings, finding_history, policies, probe_orders, remotes, assets, addresses, stats";

/// Whether a function of this name reads files, reaches out, or tells about the server.
fn outside(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    REFUSED.contains(&lower.as_str())
        || lower.starts_with("dictget")
        || lower.starts_with("dicthas")
}

/// Names that could hand a function to another one, and ways to write a name that is not read here.
fn names(list: &[Token<'_>]) -> Result<(), SqlError> {
    let escaped = |token: &Token<'_>| match token {
        Token::Name(name) => name.contains('\\'),
        Token::Sign(sign) => *sign == '\\',
        _ => false,
    };
    if list.iter().any(escaped) {
        return refused("a backslash in or beside a name", "write the name as it is");
    }
    for (at, token) in list.iter().enumerate() {
        let (Token::Word(name) | Token::Name(name)) = token else {
            continue;
        };
        if list.get(at + 1) == Some(&Token::Sign('(')) || is_column(list, at) {
            // Calls: see `functions`.
            continue;
        }
        if matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("APPLY")) {
            return refused("APPLY is refused", "write the function around each column");
        }
        // `SHOW COLUMNS FROM sessions` names no function; nor is there one of that name to hand on.
        if outside(name) && !name.eq_ignore_ascii_case("columns") {
            return refused(
                format!("the name {name} is refused: it is a function that leaves the inventory"),
                "if it is a column, write the table before it: t.name",
            );
        }
    }
    Ok(())
}

/// Whether the name at `at` can only be a column's: `t.name`, or an alias behind AS.
fn is_column(list: &[Token<'_>], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|i| list.get(i));
    match before(1) {
        Some(Token::Word(word)) => word.eq_ignore_ascii_case("AS"),
        // What follows a number's point is no column.
        Some(Token::Sign('.')) => match before(2) {
            Some(Token::Word(table)) => !table.starts_with(|c: char| c.is_ascii_digit()),
            Some(Token::Name(_)) => true,
            _ => false,
        },
        _ => false,
    }
}

/// Functions that leave the server or look behind it.
fn functions(list: &[Token<'_>]) -> Result<(), SqlError> {
    for (at, pair) in list.windows(2).enumerate() {
        let ([Token::Word(name) | Token::Name(name), Token::Sign('(')], previous) =
            (pair, at.checked_sub(1))
        else {
            continue;
        };
        if name.eq_ignore_ascii_case("APPLY") {
            return refused("APPLY is refused", "write the function around each column");
        }
        if outside(name) {
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
            "SELECT extract(year FROM toDate(started)), x.file, x.`url` FROM (SELECT started, 1 AS file, 2 AS `url` FROM sessions) AS x",
            "SHOW COLUMNS FROM sessions",
            "SELECT 'arrayMap(file, [1])', 1 AS apply",
            "SELECT format('{}', host), formatDateTime(now(), '%F') FROM sensors -- file('x')",
            "SELECT number FROM numbers(10) /* ; */",
            "SELECT argMax(verdict, decided) FROM verdicts GROUP BY session",
        ] {
            assert!(check(sql).is_ok(), "{sql}: {:?}", check(sql));
        }
        assert_eq!(check("SELECT 1 ; ;").expect("fine").trim(), "SELECT 1");
    }

    #[test]
    fn a_function_cannot_be_handed_on() {
        for file in [
            "file",
            "FILE",
            "File",
            "`file`",
            "\"file\"",
            "/**/file/* x */",
            "-- x\n file",
            "`\\x66ile`",
            "\"fil\\u0065\"",
            "fil\\u0065",
            "`\\146ile`",
            "catboostEvaluate",
            "dictGet",
            "hostName",
            "getServerPort",
        ] {
            for sql in [
                format!("SELECT arrayMap({file}, ['/proc/self/maps'])"),
                format!("SELECT arrayMap((x, y) -> {file}(x), ['/proc/self/maps'])"),
                format!("SELECT arrayMap(x -> {file} (x), ['/proc/self/maps'])"),
                format!("SELECT arrayFilter({file} , ['/proc/self/maps'])"),
                format!("SELECT * APPLY({file}) FROM (SELECT '/proc/self/cmdline' AS a)"),
                format!("SELECT * apply {file} FROM (SELECT '/proc/self/cmdline' AS a)"),
                format!("SELECT columns('a') apply({file}) FROM (SELECT '/x' AS a)"),
                format!("SELECT t.* APPLY({file}) FROM (SELECT '/x' AS a) AS t"),
                format!("WITH {file} AS f SELECT f('/etc/passwd')"),
                format!("WITH (x -> {file}(x)) AS f SELECT f('/etc/passwd')"),
                format!("SELECT 1 AS file, arrayMap({file}, ['/x'])"),
                format!("SELECT arrayMap(1.{file}, ['/x'])"),
                format!("SELECT 'x' AS a, {file}"),
            ] {
                assert!(check(&sql).is_err(), "{sql}");
            }
        }
        for sql in [
            "SELECT * APPLY(toString) FROM sessions",
            "SELECT * aPPly/**/toString FROM sessions",
            "SELECT sessions.* APPLY x -> toString(x) FROM sessions",
            "SELECT COLUMNS('host') FROM sessions",
            "SELECT t.COLUMNS ('host') FROM sessions AS t",
            "SELECT `columns`('host') FROM sessions",
            "SELECT t.file('/etc/passwd')",
            "SELECT t.`file`('/etc/passwd')",
            "SELECT getClientHTTPHeader('X-Gnomon-Gate')",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
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
