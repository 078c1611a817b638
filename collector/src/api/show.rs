//! `GET /api/v1/show/{what}?key=…`: all that is known of a server or a finding.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::Deserialize;

use super::{State as ApiState, error::ApiError};
use crate::inventory::show::{SHOWABLE, Showable, Shown};

/// Which one: its key, or the start of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    key: String,
}

pub(super) async fn show(
    State(state): State<ApiState>,
    Path(what): Path<String>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Shown>, ApiError> {
    let Some(showable) = Showable::named(&what) else {
        let known: Vec<&str> = SHOWABLE.iter().map(|showable| showable.name).collect();
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            format!("{what:?} cannot be shown"),
            "path",
            format!("there are {}", known.join(", ")),
        ));
    };
    let Query(which) = which.map_err(|error| {
        let advice = "name it: ?key=KEY, or the start of one";
        ApiError::new(error.status(), error.body_text(), "query", advice)
    })?;
    showable
        .show(&state.store, &which.key)
        .await
        .map(Json)
        .map_err(|error| ApiError::of_show(error, showable.name))
}
