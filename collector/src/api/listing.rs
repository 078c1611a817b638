//! `GET /api/v1/{view}`: a documented view, narrowed by the query's filters.

use axum::{
    Json,
    extract::{Path, Query, State},
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
    Query(filters): Query<Vec<(String, String)>>,
) -> Result<Json<Answer>, ApiError> {
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
