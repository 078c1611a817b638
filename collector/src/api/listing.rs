//! `GET /api/v1/{view}`: a documented view, narrowed by the query's filters.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};

use super::{State as ApiState, error::ApiError};
use crate::inventory::{
    listing::{VIEWS, View},
    query::Answer,
};

pub(super) async fn list(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    filters: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Answer>, ApiError> {
    let Query(filters) = filters.map_err(|error| {
        let advice = "write filters as name=value&name=value";
        ApiError::new(error.status(), error.body_text(), "query", advice)
    })?;
    let Some(view) = View::named(&name) else {
        let known: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
        let advice = format!("there are {}, policy, sql, health", known.join(", "));
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            format!("there is no view {name:?}"),
            "path",
            advice,
        ));
    };
    view.list(&state.store, &filters)
        .await
        .map(Json)
        .map_err(|error| ApiError::of_list(error, view.name))
}
