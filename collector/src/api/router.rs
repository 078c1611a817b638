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

use super::{
    State, auth, error::ApiError, listing, page, policy, probes, report, show, sql, status,
};
use crate::ui::PAGES;

const BODY_BYTES_MAX: usize = 2 << 20;
/// Longest handling of a request; a listing's own limit is 30 s.
const HANDLING_S_MAX: u64 = 60;
/// Our own style sheet, icon and filter forms; nothing else is loaded, run, framed or sent.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const REPORT: &str = "/api/v1/report";

/// All of the API, and the pages.
pub(super) fn router(state: State) -> Router {
    let api = Router::new()
        .route("/api/v1/policy", get(policy::show).post(policy::apply))
        .route("/api/v1/probes", post(probes::give))
        .route("/api/v1/sql", post(sql::query))
        .route("/api/v1/show/{what}", get(show::show))
        .route("/api/v1/page-link", post(page::link))
        .route(REPORT, get(report::make))
        .route("/api/v1/{view}", get(listing::list))
        // Before the layers: without the token even this is not told.
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), auth::token));
    pages()
        .route("/api/v1/health", get(status::health))
        .method_not_allowed_fallback(not_so)
        .merge(api)
        .fallback(nowhere)
        .with_state(state.clone())
        .layer(middleware::from_fn_with_state(state, auth::host))
        .layer(middleware::from_fn(bounded))
}

/// A path for each page; signing in; what all of them load.
fn pages() -> Router<State> {
    let fixed = Router::new()
        .route("/sign-in", get(page::sign_in))
        .route("/style.css", get(page::style))
        .route("/icon.svg", get(page::icon));
    PAGES.iter().fold(fixed, |router, entry| {
        let handler = move |state: axum::extract::State<State>, request: Request| async move {
            page::show(entry, state.0, request).await
        };
        router.route(entry.path, get(handler))
    })
}

async fn nowhere(request: Request) -> Response {
    // Programs have their own corner; all else is the page's.
    if !request.uri().path().starts_with("/api/") {
        return page::nowhere();
    }
    ApiError::new(
        StatusCode::NOT_FOUND,
        "there is nothing at this path",
        request.uri().path(),
        "the API is under /api/v1/",
    )
    .into_response()
}

async fn not_so(request: Request) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} is not for this path", request.method()),
        request.uri().path(),
        "views, policy, health and pages take GET; sql, policy, probes and page-link take POST",
    )
}

/// A time limit, and headers that keep browsers from guessing, framing and remembering.
async fn bounded(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let seconds = match path.as_str() {
        REPORT => report::HANDLING_S_MAX,
        _ => HANDLING_S_MAX,
    };
    let mut response =
        match tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await {
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
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    );
    response
}
