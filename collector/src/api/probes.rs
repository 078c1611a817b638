//! `POST /api/v1/probes`: an order to one sensor or all to have their probes off or on.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{State as ApiState, error::ApiError};
use crate::{probes::OrderError, store::row::ProbeOrderRow};

const AUTHOR_BYTES_MAX: usize = 200;
const REASON_BYTES_MAX: usize = 1000;
/// In place of a host.
const ALL: &str = "all";

/// What is ordered, and of whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    probes: Word,
    /// Name of the host.
    host: Option<String>,
    /// `all`, in place of a host.
    scope: Option<String>,
    author: Option<String>,
    reason: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Word {
    Off,
    On,
}

/// The order, as the view `probe_orders` has it.
#[derive(Serialize)]
pub(super) struct Given {
    host: Option<String>,
    ordered: Option<String>,
    author: String,
    probes: &'static str,
    reason: String,
}

impl From<ProbeOrderRow> for Given {
    fn from(row: ProbeOrderRow) -> Self {
        let ordered = OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.ordered) * 1000);
        Self {
            host: Some(row.host).filter(|host| !host.is_empty()),
            ordered: ordered.ok().and_then(|time| time.format(&Rfc3339).ok()),
            author: row.author,
            probes: if row.off == 0 { "on" } else { "off" },
            reason: row.reason,
        }
    }
}

pub(super) async fn give(
    State(state): State<ApiState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Given>, ApiError> {
    let wrong =
        |what: &str, advice: &str| ApiError::new(StatusCode::BAD_REQUEST, what, "probes", advice);
    let Query(wanted) = wanted.map_err(|error| {
        let advice =
            "probes=off or probes=on, host=NAME or scope=all, and a reason are what it takes";
        ApiError::new(error.status(), error.body_text(), "probes", advice)
    })?;
    let host = match (wanted.host, wanted.scope.as_deref()) {
        (Some(host), None) if !host.is_empty() => Some(host),
        (None, Some(ALL)) => None,
        _ => {
            return Err(wrong(
                "nobody is named",
                "name a host, or scope=all, and not both",
            ));
        }
    };
    let reason = wanted.reason.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        let what = format!("a reason has 1 to {REASON_BYTES_MAX} bytes");
        return Err(wrong(&what, "say why, for the record"));
    }
    let mut author = wanted.author.unwrap_or_else(|| "local token".to_owned());
    author.truncate(author.floor_char_boundary(AUTHOR_BYTES_MAX));
    let given = state
        .orders
        .give(host, wanted.probes == Word::Off, author, reason.to_owned())
        .await;
    match given {
        Ok(order) => Ok(Json(order.into())),
        Err(error @ OrderError::Unknown(_)) => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            error.to_string(),
            "probes",
            "`gnomon sensors` lists them by name",
        )),
        Err(OrderError::Store(error)) => Err(ApiError::of_store(&error, "probes")),
    }
}
