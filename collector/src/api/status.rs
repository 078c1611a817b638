//! `GET /api/v1/health`: the answer that needs no token and tells nothing of the inventory.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::State as ApiState;

/// How long ClickHouse may take to say that it is there. A frozen one never does.
const ANSWER_MAX: Duration = Duration::from_secs(2);

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    clickhouse: &'static str,
    /// Why facts do not get in just now; the sensors keep them meanwhile.
    trouble: Option<String>,
}

pub(super) async fn health(State(state): State<ApiState>) -> (StatusCode, Json<Health>) {
    let asked = tokio::time::timeout(ANSWER_MAX, state.store.execute("SELECT 1"));
    let answers = state.store.present() && matches!(asked.await, Ok(Ok(())));
    let trouble = state.keeper.trouble();
    let fine = answers && trouble.is_none();
    let health = Health {
        status: if fine { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        clickhouse: if answers { "answers" } else { "away" },
        trouble,
    };
    let code = if fine {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(health))
}
