//! `POST /api/v1/sql`: `{"query": "SELECT …"}`.

use axum::{Json, extract::State, extract::rejection::JsonRejection, http::StatusCode};
use serde::Deserialize;

use super::{State as ApiState, error::ApiError};
use crate::inventory::{query::Answer, sql};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    query: String,
}

pub(super) async fn query(
    State(state): State<ApiState>,
    question: Result<Json<Question>, JsonRejection>,
) -> Result<Json<Answer>, ApiError> {
    let Json(question) = question.map_err(|error| {
        let advice =
            "send a JSON object {\"query\": \"SELECT …\"} with content-type application/json";
        let status = match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, error.body_text(), "sql", advice)
    })?;
    sql::query(&state.store, &question.query)
        .await
        .map(Json)
        .map_err(ApiError::of_sql)
}
