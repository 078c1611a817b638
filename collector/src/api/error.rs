//! Errors of the API: `{"error": {"what", "where", "advice"}}`, with a status code that fits.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    ingest::keeper::ApplyError,
    inventory::{listing::ListError, show::ShowError, sql::SqlError},
    policy::Remark,
    store::StoreError,
};

/// ClickHouse's TOO_MANY_SIMULTANEOUS_QUERIES: the analyst's `max_concurrent_queries_for_user`.
const TOO_MANY_QUERIES: u32 = 202;

/// What went wrong, where, and what to do.
#[derive(Debug, Serialize)]
pub(super) struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    what: String,
    r#where: String,
    advice: String,
    /// Faults of a policy, with their lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Remark>,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        what: impl Into<String>,
        at: &str,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            status,
            what: what.into(),
            r#where: at.to_owned(),
            advice: advice.into(),
            faults: Vec::new(),
        }
    }

    /// Status, what, and advice, for an answer of another form.
    pub(super) fn parts(&self) -> (StatusCode, &str, &str) {
        (self.status, &self.what, &self.advice)
    }

    pub(super) fn of_store(error: &StoreError, at: &str) -> Self {
        let (status, text) = match error {
            StoreError::Away => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            StoreError::Large(_) => (StatusCode::BAD_REQUEST, error.to_string()),
            StoreError::Slow(_) => (StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            StoreError::ClickHouse(clickhouse::error::Error::BadResponse(text)) => {
                (StatusCode::BAD_GATEWAY, text.trim().to_owned())
            }
            StoreError::ClickHouse(_) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        };
        Self::new(status, text, at, error.advice())
    }

    pub(super) fn of_list(error: ListError, at: &str) -> Self {
        match error {
            ListError::Filter { what, advice } => {
                Self::new(StatusCode::BAD_REQUEST, what, at, advice)
            }
            ListError::Store(error) => Self::of_store(&error, at),
        }
    }

    pub(super) fn of_show(error: ShowError, at: &str) -> Self {
        let (status, advice) = match &error {
            ShowError::Store(error) => return Self::of_store(error, at),
            ShowError::Key => (StatusCode::BAD_REQUEST, "write it as the listings have it"),
            ShowError::Unknown { .. } => (
                StatusCode::NOT_FOUND,
                "`gnomon servers` and `gnomon findings --state all` list what there is",
            ),
            ShowError::Ambiguous { .. } => (StatusCode::CONFLICT, "write more of it"),
        };
        Self::new(status, error.to_string(), at, advice)
    }

    pub(super) fn of_sql(error: SqlError) -> Self {
        let at = "sql";
        match error {
            SqlError::Refused { what, advice } => {
                Self::new(StatusCode::BAD_REQUEST, what, at, advice)
            }
            SqlError::NoAnalyst => {
                let advice = "set clickhouse.analyst_user and clickhouse.analyst_password_file: \
                    a user with SELECT on the database and readonly = 2";
                Self::new(StatusCode::NOT_IMPLEMENTED, error.to_string(), at, advice)
            }
            SqlError::Store(error) => of_statement(&error, at),
        }
    }

    pub(super) fn of_apply(error: ApplyError) -> Self {
        let at = "policy";
        match error {
            ApplyError::Faults(faults) => {
                let first = faults.first();
                let what = first.map_or("the policy is not valid".to_owned(), |f| {
                    format!("{}:{}: {}", f.file, f.line, f.what)
                });
                let advice = first.map_or(String::new(), |f| f.fix.clone());
                Self {
                    faults,
                    ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, what, at, advice)
                }
            }
            ApplyError::Store(error) => Self::of_store(&error, at),
            ApplyError::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.to_string(),
                at,
                "try again when it has started",
            ),
        }
    }
}

/// ClickHouse's answer to an analyst's statement: mostly the statement's own fault.
fn of_statement(error: &StoreError, at: &str) -> ApiError {
    let StoreError::ClickHouse(clickhouse::error::Error::BadResponse(text)) = error else {
        return ApiError::of_store(error, at);
    };
    if error.code() == Some(TOO_MANY_QUERIES) {
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many SQL questions are being answered as may be at a time",
            at,
            "try again later",
        );
    }
    let advice = match error.code() {
        Some(158 | 159 | 160 | 241 | 307 | 396) => {
            "over a limit of time, memory or rows: narrow the question, or add LIMIT"
        }
        Some(497 | 164) => {
            "only reading the views is allowed: sessions, servers, calls, sensors, coverage, listeners, tools, verdicts, findings, finding_history, policies, probe_orders, remotes, assets, addresses, stats"
        }
        Some(60 | 47) => "SHOW TABLES and DESCRIBE sessions tell what there is",
        Some(62) => "check the statement's syntax",
        _ => "check the statement",
    };
    let text = text.trim().trim_end_matches(|c: char| c.is_whitespace());
    ApiError::new(StatusCode::BAD_REQUEST, text, at, advice)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: ApiError,
        }
        (self.status, Json(Body { error: self })).into_response()
    }
}
