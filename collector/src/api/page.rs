//! The page over HTTP: who may see it, sign-in, and which status goes with what [`crate::ui`] says.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    State as ApiState, auth,
    error::ApiError,
    signin::{LINK_LIFE_S, SESSION_LIFE_S},
};
use crate::{
    clock,
    ui::{self, Asked, Document, Fault, Page},
};

/// Names and values of a query string that are looked at.
const QUERY_PAIRS_MAX: usize = 32;

/// A page for those who are signed in. The API's token will do too.
pub(super) async fn show(page: &'static Page, state: ApiState, request: Request) -> Response {
    let now = OffsetDateTime::now_utc();
    if !may_see(&state, request.headers()) {
        return not_signed_in(StatusCode::UNAUTHORIZED, None, now);
    }
    let query = match query(request.uri()) {
        Ok(query) => query,
        Err(fault) => return faulty(page, &fault, now),
    };
    let asked = Asked {
        store: state.store,
        query,
        now,
    };
    match (page.answer)(asked).await {
        Ok(document) => page_of(StatusCode::OK, Some(page), &document, now),
        Err(fault) => faulty(page, &fault, now),
    }
}

/// Whether the request is of somebody who signed in, or bears the API's token.
pub(super) fn may_see(state: &ApiState, headers: &HeaderMap) -> bool {
    state.sign_in.knows(headers, clock::now()) || auth::bears(headers, &state.token)
}

/// `GET /sign-in?link=…`: uses up the link, and leads on to an address without it.
pub(super) async fn sign_in(State(state): State<ApiState>, request: Request) -> Response {
    let now = OffsetDateTime::now_utc();
    // A browser that only looks ahead, or a HEAD, must not use the link up.
    let ahead = ["sec-purpose", "purpose"].iter().any(|name| {
        let value = request.headers().get(*name).and_then(|v| v.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch") || value.contains("prerender"))
    });
    if request.method() != Method::GET || ahead {
        return not_signed_in(StatusCode::UNAUTHORIZED, None, now);
    }
    let query = query(request.uri()).unwrap_or_default();
    let secret = query
        .iter()
        .find(|(name, _)| name == "link")
        .map(|(_, value)| value.as_str())
        .unwrap_or_default();
    match state.sign_in.redeem(secret, clock::now()) {
        Ok(Some(cookie)) => (
            StatusCode::SEE_OTHER,
            [
                (header::LOCATION, HeaderValue::from_static("/")),
                (header::SET_COOKIE, cookie),
            ],
        )
            .into_response(),
        Ok(None) => {
            let what = "This link was used already, is too old, or never was one.";
            not_signed_in(StatusCode::UNAUTHORIZED, Some(what), now)
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "nobody can sign in");
            let what = "This machine gives no random numbers just now; try again.";
            not_signed_in(StatusCode::INTERNAL_SERVER_ERROR, Some(what), now)
        }
    }
}

/// A fresh link.
#[derive(Serialize)]
pub(super) struct Link {
    /// Where to go; works once.
    url: String,
    /// Until when, RFC 3339, UTC.
    expires: String,
}

/// `POST /api/v1/page-link`: makes a link for whoever has the API's token.
pub(super) async fn link(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<Json<Link>, ApiError> {
    let secret = state.sign_in.link(clock::now()).map_err(|error| {
        let advice = "try again";
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{error:#}"),
            "page-link",
            advice,
        )
    })?;
    // Checked before: it is a name of this collector.
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let expires = OffsetDateTime::now_utc() + time::Duration::seconds(LINK_LIFE_S);
    let expires = expires.replace_nanosecond(0).unwrap_or(expires);
    Ok(Json(Link {
        url: format!("http://{host}/sign-in?link={secret}"),
        expires: expires.format(&Rfc3339).unwrap_or_default(),
    }))
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", ui::STYLE)
}

pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ui::ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Nothing at this path, for a browser.
pub(super) fn nowhere() -> Response {
    let now = OffsetDateTime::now_utc();
    let document = Document {
        title: "Not found".to_owned(),
        body: html! {
            div.message { h1 { "Not found" } p { "There is no such page. " a href="/" { "The overview" } } }
        },
    };
    page_of(StatusCode::NOT_FOUND, None, &document, now)
}

/// Without what is empty: a form sends all its fields.
fn query(uri: &Uri) -> Result<Vec<(String, String)>, Fault> {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .take(QUERY_PAIRS_MAX + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
    if pairs.len() > QUERY_PAIRS_MAX {
        return Err(Fault::Wrong {
            what: format!("the address has more than {QUERY_PAIRS_MAX} values"),
            advice: "give each filter once".to_owned(),
        });
    }
    Ok(pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect())
}

fn faulty(page: &'static Page, fault: &Fault, now: OffsetDateTime) -> Response {
    let (status, document) = match fault {
        Fault::Wrong { what, advice } => (
            StatusCode::BAD_REQUEST,
            ui::message("This address is not right", what, advice),
        ),
        Fault::Missing { what, advice } => (
            StatusCode::NOT_FOUND,
            ui::message("Not found", what, advice),
        ),
        Fault::Store(error) => {
            let error = ApiError::of_store(error, "page");
            let (status, what, advice) = error.parts();
            (status, ui::message("No answer just now", what, advice))
        }
    };
    page_of(status, Some(page), &document, now)
}

/// What those see who are not signed in: how to.
fn not_signed_in(status: StatusCode, what: Option<&str>, now: OffsetDateTime) -> Response {
    let document = Document {
        title: "Sign in".to_owned(),
        body: html! {
            div.message {
                h1 { "Sign in" }
                @if let Some(what) = what { p { strong { (what) } } }
                p { "The inventory is shown to those who have a link. On the collector’s machine, as the user who runs it:" }
                pre { code { "gnomon page" } }
                p { "prints one (after " code { "make run" } ": " code { "target/release/gnomon page" } "). It works once, within "
                    (LINK_LIFE_S / 60) " minutes, and this browser stays signed in for " (SESSION_LIFE_S / 3600) " hours." }
                p { "You followed a link from another page just now? " a href="/" { "Go on to the overview" }
                    ": browsers hold the sign-in back until you do." }
            }
        },
    };
    page_of(status, None, &document, now)
}

fn page_of(
    status: StatusCode,
    page: Option<&Page>,
    document: &Document,
    now: OffsetDateTime,
) -> Response {
    let whole: Markup = ui::whole(page, document, now);
    (
        status,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        whole.into_string(),
    )
        .into_response()
}
