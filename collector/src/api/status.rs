//! `GET /` and `GET /api/v1/health`: the two answers that need no token and tell nothing of the inventory.

use axum::{Json, extract::State, http::StatusCode, response::Html};
use serde::Serialize;

use super::State as ApiState;

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    clickhouse: &'static str,
}

pub(super) async fn health(State(state): State<ApiState>) -> (StatusCode, Json<Health>) {
    let answers = state.store.present() && state.store.execute("SELECT 1").await.is_ok();
    let (code, status, clickhouse) = if answers {
        (StatusCode::OK, "ok", "answers")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "degraded", "away")
    };
    (
        code,
        Json(Health {
            status,
            version: env!("CARGO_PKG_VERSION"),
            clickhouse,
        }),
    )
}

pub(super) async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}
