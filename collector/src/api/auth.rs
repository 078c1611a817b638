//! Who may ask: a bearer token, compared in constant time, under a Host that is this machine.
//!
//! The Host check stops a web page that has rebound its name to loopback: its requests still name the
//! page's host. The API takes no cookie and sends no CORS header, so other pages cannot ask at all; the page's
//! own cookie is another matter: see `signin`.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{State as ApiState, error::ApiError};

/// Refuses requests whose Host is neither loopback on this port nor a name of the settings.
pub(super) async fn host(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if ours(request.headers(), state.port, &state.names) {
        return next.run(request).await;
    }
    let advice =
        "use the address in endpoint.json, such as http://127.0.0.1:PORT, or a name of api.names";
    ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "the Host header is not this collector's",
        "host",
        advice,
    )
    .into_response()
}

/// Refuses requests without the token.
pub(super) async fn token(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if bears(request.headers(), &state.token) {
        return next.run(request).await;
    }
    let advice =
        "send Authorization: Bearer with the content of api-token in the collector's state folder";
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "no valid token",
        "authorization",
        advice,
    )
    .into_response()
}

fn ours(headers: &HeaderMap, port: u16, names: &[String]) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let loopback = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
        host.strip_prefix(name)
            .is_some_and(|rest| rest == format!(":{port}") || (rest.is_empty() && port == 80))
    });
    loopback || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// Whether the request bears the API's token.
pub(super) fn bears(headers: &HeaderMap, token: &str) -> bool {
    let Some(value) = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
    else {
        return false;
    };
    let Some((scheme, given)) = value.split_once(' ') else {
        return false;
    };
    // Digests have one length: the comparison tells nothing of the token's.
    let equal = Sha256::digest(given.trim()).ct_eq(&Sha256::digest(token));
    scheme.eq_ignore_ascii_case("bearer") && bool::from(equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_on_this_port_are_local() {
        let with =
            |host: &str| HeaderMap::from_iter([(header::HOST, host.parse().expect("value"))]);
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert!(ours(&with(host), 8080, &[]), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "127.0.0.1:8080.evil",
            "",
        ] {
            assert!(!ours(&with(host), 8080, &[]), "{host}");
        }
        assert!(!ours(&HeaderMap::new(), 8080, &[]));
    }

    #[test]
    fn names_of_the_settings_are_ours() {
        let with =
            |host: &str| HeaderMap::from_iter([(header::HOST, host.parse().expect("value"))]);
        let names = ["gnomon.example:8443".to_owned()];
        assert!(ours(&with("Gnomon.example:8443"), 8080, &names));
        for host in [
            "gnomon.example",
            "gnomon.example:8080",
            "x.gnomon.example:8443",
        ] {
            assert!(!ours(&with(host), 8080, &names), "{host}");
        }
    }

    #[test]
    fn the_token_has_to_be_whole() {
        let with = |value: &str| {
            HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("value"))])
        };
        assert!(bears(&with("Bearer secret"), "secret"));
        assert!(bears(&with("bearer secret"), "secret"));
        for value in [
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "secret",
            "Bearer ",
            "",
        ] {
            assert!(!bears(&with(value), "secret"), "{value}");
        }
    }
}
