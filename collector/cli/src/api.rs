//! Asks the collector. HTTP stays in here.

use std::io::Read;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::place::Place;

/// Answers are bounded in rows by the collector; this is for one that is not ours.
const ANSWER_BYTES_MAX: u64 = 512 << 20;

/// The collector's HTTP API.
pub(crate) struct Api {
    place: Place,
    timeout_s: u64,
}

/// An answer as it came.
pub(crate) struct Document {
    /// All of it.
    pub(crate) body: Vec<u8>,
    /// The collector could answer every part of it.
    pub(crate) complete: bool,
}

/// What was asked is wrong, by the collector's word: so was the command line.
#[derive(Debug)]
pub(crate) struct WrongQuestion(String);

impl std::fmt::Display for WrongQuestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongQuestion {}

/// What the API says when it cannot.
#[derive(Deserialize)]
struct Refusal {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    what: String,
    #[serde(default)]
    r#where: String,
    #[serde(default)]
    advice: String,
    /// Faults of a policy.
    #[serde(default)]
    faults: Vec<Remark>,
}

/// A fault or a warning in a policy's text.
#[derive(Debug, Deserialize)]
pub(crate) struct Remark {
    file: String,
    line: usize,
    column: usize,
    what: String,
    fix: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            file,
            line,
            column,
            what,
            fix,
        } = self;
        write!(f, "{file}:{line}:{column}: {what}; {fix}")
    }
}

impl Api {
    /// At that place. `timeout_s` bounds each question from first to last byte.
    pub(crate) const fn at(place: Place, timeout_s: u64) -> Self {
        Self { place, timeout_s }
    }

    /// Rows of a view, narrowed by filters.
    pub(crate) fn list(&self, view: &str, filters: &[(&str, String)]) -> Result<Answer> {
        self.get(&format!("/api/v1/{view}{}", query(filters)))
    }

    /// All that is known of one thing.
    pub(crate) fn show<T: DeserializeOwned>(&self, what: &str, key: String) -> Result<T> {
        self.get(&format!("/api/v1/show/{what}{}", query(&[("key", key)])))
    }

    /// Asks for something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(minreq::get(format!("{}{path}", self.place.api)))
    }

    /// Sends something.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        content_type: &str,
        body: String,
    ) -> Result<T> {
        let url = format!("{}{path}{}", self.place.api, query(parameters));
        self.ask(
            minreq::post(url)
                .with_header("Content-Type", content_type)
                .with_body(body),
        )
    }

    /// Asks for something that is not read here, and may take its time.
    pub(crate) fn document(&self, path: &str, parameters: &[(&str, String)]) -> Result<Document> {
        let url = format!("{}{path}{}", self.place.api, query(parameters));
        self.send(minreq::get(url))
    }

    fn ask<T: DeserializeOwned>(&self, request: minreq::Request) -> Result<T> {
        let api = &self.place.api;
        let body = self.send(request)?.body;
        serde_json::from_slice(&body).with_context(|| {
            format!("{api} answers, but not as a collector of this version does; check --api")
        })
    }

    fn send(&self, request: minreq::Request) -> Result<Document> {
        let api = &self.place.api;
        let answer = request
            .with_header("Authorization", format!("Bearer {}", self.place.token))
            .with_header("Accept", "application/json")
            .with_timeout(self.timeout_s)
            .with_follow_redirects(false)
            .send_lazy()
            .map_err(|error| {
                if is_timeout(&error) {
                    return self.silent();
                }
                anyhow!("cannot reach the collector at {api}: {error}; is it running? `make run` starts one, --api names another")
            })?;
        let status = answer.status_code;
        let complete = !(answer.headers.iter()).any(|(name, value)| {
            name.eq_ignore_ascii_case("x-gnomon-complete") && value == "false"
        });
        let mut body = Vec::new();
        match answer.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut body) {
            Err(error) if is_late(error.kind()) => return Err(self.silent()),
            read => read.with_context(|| {
                format!("the answer of the collector at {api} broke off; try again")
            })?,
        };
        if body.len() as u64 > ANSWER_BYTES_MAX {
            bail!(
                "the answer of {api} is longer than {ANSWER_BYTES_MAX} bytes; narrow the question"
            );
        }
        if status != 200 {
            return Err(self.refusal(status, &body));
        }
        Ok(Document { body, complete })
    }

    fn silent(&self) -> anyhow::Error {
        let Self { place, timeout_s } = self;
        anyhow!(
            "the collector at {} did not answer within {timeout_s} s; it may be busy or stuck: narrow the question, \
             look at the collector's log, or wait longer with --timeout",
            place.api
        )
    }

    fn refusal(&self, status: u16, body: &[u8]) -> anyhow::Error {
        let api = &self.place.api;
        if status == 401 {
            let token = self.place.token_file.display();
            return anyhow!(
                "{api} does not accept the token in {token}; name its api-token file with --token-file"
            );
        }
        let Ok(Refusal { error: fault }) = serde_json::from_slice(body) else {
            return anyhow!(
                "{api} answers with status {status}, not as a collector does; check --api"
            );
        };
        if !fault.faults.is_empty() {
            let faults: Vec<String> = fault.faults.iter().map(ToString::to_string).collect();
            return anyhow!(
                "the policy is not valid and was not applied\n{}",
                faults.join("\n")
            );
        }
        // A statement that ClickHouse refuses is a failure, not a slip in the command line.
        let is_question = status == 400 && fault.r#where != "sql";
        let mut text = fault.what;
        if !fault.r#where.is_empty() {
            text = format!("{}: {text}", fault.r#where);
        }
        if !fault.advice.is_empty() {
            text = format!("{text}; {}", fault.advice);
        }
        if is_question {
            return WrongQuestion(text).into();
        }
        anyhow!(text)
    }
}

fn is_timeout(error: &minreq::Error) -> bool {
    matches!(error, minreq::Error::IoError(error) if is_late(error.kind()))
}

const fn is_late(kind: std::io::ErrorKind) -> bool {
    matches!(
        kind,
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock
    )
}

/// `?name=value&…`, everything percent-encoded that is not a letter, digit or one of `-._~`.
fn query(parameters: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(byte.into());
                }
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn queries_are_encoded() {
        let pairs = [
            ("server", "npm:@a/b c".to_owned()),
            ("limit", "5".to_owned()),
        ];
        assert_eq!(super::query(&pairs), "?server=npm%3A%40a%2Fb%20c&limit=5");
        assert_eq!(super::query(&[]), "");
    }
}
