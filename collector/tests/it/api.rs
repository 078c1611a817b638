//! Who may ask, and how errors look.

use std::time::{Duration, Instant};

use crate::collector::{Collector, poll};

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
        (collector.get("/api/nope"), 404),
        (collector.get("/api/v1/sessions?nope=1"), 400),
        (collector.get("/api/v1/sessions?limit=x"), 400),
        (collector.sql("DROP TABLE sessions"), 400),
        (collector.sql("SELECT nope"), 400),
        (collector.post("/api/v1/sql", "{"), 400),
        (collector.post("/api/v1/policy", "nonsense = 1\n"), 422),
        (
            collector.post("/api/v1/policy?nope=1", "version = 1\n"),
            400,
        ),
        (collector.post("/api/v1/policy", &"#".repeat(3 << 20)), 413),
        (collector.post("/api/v1/policy", &"#".repeat(3 << 19)), 413),
        (collector.sql(&"x".repeat(3 << 20)), 413),
        (collector.post("/api/v1/sessions", "{}"), 405),
        (collector.post("/api/v1/health", "{}"), 405),
        (collector.get("/api/v1/sql"), 405),
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

#[test]
fn a_frozen_clickhouse_is_a_degraded_health() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let engine = collector.engine_pid().expect("an engine");
    collector.signal("STOP", engine);
    let begun = Instant::now();
    let health = collector.get("/api/v1/health");
    let took = begun.elapsed();
    collector.signal("CONT", engine);
    assert_eq!(health.status, 503, "{}", health.body);
    assert_eq!(health.json()["status"], "degraded");
    assert!(took < Duration::from_secs(3), "{took:?}");
    poll("health", 20, || {
        (collector.get("/api/v1/health").status == 200).then_some(())
    });
}

#[test]
fn too_many_questions_at_a_time_are_told_to_wait() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let long = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1";
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| collector.sql(long)))
            .collect();
        let replies: Vec<_> = asked
            .into_iter()
            .map(|reply| reply.join().expect("answered"))
            .collect();
        let told: Vec<_> = replies.iter().filter(|r| r.status == 503).collect();
        assert_eq!(
            told.len(),
            4,
            "{:?}",
            replies.iter().map(|r| r.status).collect::<Vec<_>>()
        );
        assert_eq!(told[0].json()["error"]["advice"], "try again later");
    });
}

#[test]
fn a_limit_of_ones_own_is_no_cut() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let answer = collector
        .sql("SELECT number FROM numbers(10) LIMIT 1")
        .json();
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["truncated"], false);
}
