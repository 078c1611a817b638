//! Who may ask, and how errors look.

use crate::collector::Collector;

#[test]
fn only_the_token_on_a_loopback_host_may_ask() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let host = collector.api_address();
    let bearer = format!("Bearer {}", collector.token());
    let ask = |path: &str, headers: &[(&str, &str)]| collector.raw("GET", path, headers, "").status;
    assert_eq!(
        ask(
            "/api/v1/sessions",
            &[("Host", &host), ("Authorization", &bearer)]
        ),
        200
    );
    assert_eq!(ask("/api/v1/sessions", &[("Host", &host)]), 401);
    assert_eq!(
        ask(
            "/api/v1/sessions",
            &[("Host", &host), ("Authorization", "Bearer x")]
        ),
        401
    );
    assert_eq!(
        ask(
            "/api/v1/sessions",
            &[("Host", "evil.example"), ("Authorization", &bearer)]
        ),
        421
    );
    assert_eq!(ask("/", &[("Host", "evil.example")]), 421);
    assert_eq!(ask("/api/v1/health", &[("Host", &host)]), 200);
    for path in ["/api/v1/policy", "/api/v1/sql", "/api/v1/nope"] {
        assert_eq!(ask(path, &[("Host", &host)]), 401, "{path}");
    }
}

#[test]
fn the_page_runs_and_loads_nothing() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let page = collector.get("/");
    assert_eq!(page.status, 200);
    let head = page.head.to_ascii_lowercase();
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    assert!(!page.body.contains("<script") && !page.body.contains("src="));
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let Some(collector) = Collector::started() else {
        return;
    };
    for (reply, status) in [
        (collector.get("/api/v1/nope"), 404),
        (collector.get("/nope"), 404),
        (collector.get("/api/v1/sessions?nope=1"), 400),
        (collector.get("/api/v1/sessions?limit=x"), 400),
        (collector.sql("DROP TABLE sessions"), 400),
        (collector.sql("SELECT nope"), 400),
        (collector.post("/api/v1/sql", "{"), 400),
        (collector.post("/api/v1/policy", "nonsense = 1\n"), 422),
    ] {
        assert_eq!(reply.status, status, "{}", reply.body);
        let error = &reply.json()["error"];
        for field in ["what", "where", "advice"] {
            assert!(
                error[field].as_str().is_some_and(|t| !t.is_empty()),
                "{field}: {}",
                reply.body
            );
        }
    }
}
