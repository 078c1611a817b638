//! `GET` and `POST /api/v1/policy`: what is in force, and taking another into force.

use axum::{
    Json,
    extract::{
        Query, State,
        rejection::{QueryRejection, StringRejection},
    },
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{State as ApiState, error::ApiError};
use crate::policy::{InForce, POLICY_BYTES_MAX, Remark};

const AUTHOR_BYTES_MAX: usize = 200;

/// The policy in force; version 0 and nulls while there is none.
#[derive(Serialize)]
pub(super) struct Shown {
    version: u64,
    author: Option<String>,
    applied: Option<String>,
    digest: Option<String>,
    toml: Option<String>,
    warnings: Vec<Remark>,
}

impl Shown {
    fn of(in_force: &InForce, warnings: Vec<Remark>) -> Self {
        let there = in_force.version > 0;
        let applied =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(in_force.applied) * 1000);
        Self {
            version: in_force.version,
            author: there.then(|| in_force.author.clone()),
            applied: applied
                .ok()
                .and_then(|t| t.format(&Rfc3339).ok())
                .filter(|_| there),
            digest: there.then(|| in_force.digest.clone()),
            toml: there.then(|| in_force.toml.clone()),
            warnings,
        }
    }
}

/// Who applies it and what its file is called, for the record and for messages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct By {
    author: Option<String>,
    file: Option<String>,
}

pub(super) async fn show(State(state): State<ApiState>) -> Json<Shown> {
    let policy = state.keeper.policy();
    let in_force = policy.borrow().clone();
    Json(Shown::of(&in_force, Vec::new()))
}

pub(super) async fn apply(
    State(state): State<ApiState>,
    by: Result<Query<By>, QueryRejection>,
    headers: HeaderMap,
    toml: Result<String, StringRejection>,
) -> Result<Json<Shown>, ApiError> {
    let Query(by) = by.map_err(|error| {
        let advice = "author and file are what it takes";
        ApiError::new(error.status(), error.body_text(), "policy", advice)
    })?;
    let toml = toml.map_err(|error| {
        let advice = format!("send the policy's text, UTF-8, at most {POLICY_BYTES_MAX} bytes");
        ApiError::new(error.status(), error.body_text(), "policy", advice)
    })?;
    if toml.len() > POLICY_BYTES_MAX {
        let what = format!("the policy is longer than {POLICY_BYTES_MAX} bytes");
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            what,
            "policy",
            "shorten it",
        ));
    }
    let header = || {
        headers
            .get("x-gnomon-author")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let mut author = by
        .author
        .or_else(header)
        .unwrap_or_else(|| "local token".to_owned());
    author.truncate(author.floor_char_boundary(AUTHOR_BYTES_MAX));
    let mut file = by.file.unwrap_or_else(|| "policy.toml".to_owned());
    file.truncate(file.floor_char_boundary(AUTHOR_BYTES_MAX));
    let applied = state
        .keeper
        .apply(toml, author, file)
        .await
        .map_err(ApiError::of_apply)?;
    Ok(Json(Shown::of(&applied.in_force, applied.warnings)))
}
