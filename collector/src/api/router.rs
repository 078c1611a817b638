//! Paths to handlers, and what goes with every answer.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{State, auth, error::ApiError, listing, policy, show, sql, status};

const BODY_BYTES_MAX: usize = 2 << 20;
/// Longest handling of a request; a listing's own limit is 30 s.
const HANDLING_S_MAX: u64 = 60;
/// Nothing but this page's own style; nothing is loaded, run, framed or sent.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All of the API, for a listener on `port`.
pub(super) fn router(state: State, port: u16) -> Router {
    let api = Router::new()
        .route("/api/v1/policy", get(policy::show).post(policy::apply))
        .route("/api/v1/sql", post(sql::query))
        .route("/api/v1/show/{what}", get(show::show))
        .route("/api/v1/{view}", get(listing::list))
        // Before the layers: without the token even this is not told.
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), auth::token));
    Router::new()
        .route("/", get(status::page))
        .route("/api/v1/health", get(status::health))
        .method_not_allowed_fallback(not_so)
        .merge(api)
        .fallback(nowhere)
        .with_state(state)
        .layer(middleware::from_fn_with_state(port, auth::host))
        .layer(middleware::from_fn(bounded))
}

async fn nowhere(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "there is nothing at this path",
        request.uri().path(),
        "the API is under /api/v1/",
    )
}

async fn not_so(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} is not for this path", request.method()),
        request.uri().path(),
        "views, policy and health take GET; sql and policy take POST",
    )
}

/// A time limit, and headers that keep browsers from guessing, framing and remembering.
async fn bounded(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response =
        match tokio::time::timeout(Duration::from_secs(HANDLING_S_MAX), next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::new(
                StatusCode::GATEWAY_TIMEOUT,
                "no answer in time",
                &path,
                "try again, or narrow the question",
            )
            .into_response(),
        };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    );
    response
}
