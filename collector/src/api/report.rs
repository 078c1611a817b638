//! `GET /api/v1/report?period=30d&format=html|json`, or `from=…&to=…` instead of `period`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::{State as ApiState, error::ApiError};
use crate::report::{self, ReportError, SECONDS_MAX, period::Period};

/// Longest making of a report, with what is around it.
pub(super) const HANDLING_S_MAX: u64 = SECONDS_MAX + 20;
/// Reports made at a time: they ask some sixty questions each.
const AT_A_TIME: usize = 2;
/// How long a further one waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(20);
/// `false`: some figure was not answered.
const COMPLETE: HeaderName = HeaderName::from_static("x-gnomon-complete");

/// Makes reports, not too many at a time.
#[derive(Clone)]
pub(super) struct Maker {
    turns: Arc<Semaphore>,
    retention_days: u32,
}

impl Maker {
    pub(super) fn new(retention_days: u32) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            retention_days,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    period: Option<String>,
    from: Option<String>,
    to: Option<String>,
    format: Option<Format>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Html,
    Pdf,
}

pub(super) async fn make(
    State(state): State<ApiState>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let at = "report";
    let Query(asked) = asked.map_err(|error| {
        let advice = "period, from, to and format are what it takes; format is html or json";
        ApiError::new(error.status(), error.body_text(), at, advice)
    })?;
    let format = asked.format.unwrap_or_default();
    if matches!(format, Format::Pdf) {
        let advice = "ask for html and print it: it is laid out for A4";
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "pdf is not made in this version",
            at,
            advice,
        ));
    }
    let (length, from, to) = (
        asked.period.as_deref(),
        asked.from.as_deref(),
        asked.to.as_deref(),
    );
    let period = Period::parse(length, from, to, OffsetDateTime::now_utc())
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, &error.what, at, error.advice))?;
    let turn = tokio::time::timeout(TURN_MAX, state.reports.turns.clone().acquire_owned()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many reports are being made as may be at a time",
            at,
            "try again later",
        ));
    };
    let report = report::make(&state.store, &period, state.reports.retention_days)
        .await
        .map_err(|ReportError::Sql(error)| ApiError::of_sql(error))?;
    let complete = HeaderValue::from_static(if report.complete { "true" } else { "false" });
    let mut response = match format {
        Format::Html => Html(report::html::page(&report).into_string()).into_response(),
        Format::Json | Format::Pdf => Json(&report).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(COMPLETE, complete);
    if matches!(format, Format::Html) {
        // The page has its own policy within, for when it is a file.
        headers.insert(
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"gnomon-report.html\""),
        );
    }
    Ok(response)
}
