//! The page: who sees it, what strangers' texts do to it, and that every figure is its query's.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use gnomon_proto::v1::{Call, CallStatus, Listener, Observation, observation::Body};
use serde_json::Value;

use crate::{
    collector::{Collector, Reply, poll},
    observations::{call, http, others, session, stdio},
    sensor::Sensor,
};

const HTML: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;";
const ANSI: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}";
const BIDI: &str = "good\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}";
/// Pages that a crawl may see; a longer way round is a fault of the links.
const PAGES_MAX: usize = 200;
/// Longer than two passes of the findings are apart: ten seconds at most, and their own length.
const STILL: Duration = Duration::from_secs(12);

fn observed(time_unix_ns: u64, body: Body) -> Observation {
    Observation {
        time_unix_ns,
        body: Some(body),
    }
}

/// What a host with hostile programs tells.
fn hostile() -> Vec<Observation> {
    let mut all = Vec::new();
    for (number, name) in [HTML, ANSI, BIDI, &"x".repeat(1 << 20)].iter().enumerate() {
        let mut one = stdio(&format!("hostile-{number}"), 1, 1);
        let server = one.server.as_mut().expect("a server");
        server.key = (number < 3).then(|| format!("npm:{name}"));
        server.name = Some((*name).to_owned());
        let short = &name[..name.floor_char_boundary(2000)];
        server.version = Some(short.to_owned());
        server.endpoint = Some(format!("http://{short}/"));
        let client = one.client.as_mut().expect("a client");
        client.name = Some((*name).to_owned());
        client.application = None;
        let process = client.process.as_mut().expect("a process");
        process.user = Some(short.to_owned());
        process.exe = Some(short.to_owned());
        process.argv = vec![short.to_owned(); 300];
        let time = one.started_unix_ns;
        let id = one.id.clone();
        all.push(session(one));
        all.push(observed(
            time,
            Body::Call(Call {
                session: id,
                method: short.to_owned(),
                name: Some((*name).to_owned()),
                status: CallStatus::ToolError.into(),
                duration_us: Some(u64::MAX),
                request_bytes: u64::MAX,
                response_bytes: None,
                error_text: Some((*name).to_owned()),
                number: 1,
            }),
        ));
        all.push(observed(
            time,
            Body::Listener(Listener {
                address: "0.0.0.0".to_owned(),
                port: Some(9000 + u32::try_from(number).expect("small")),
                path: Some((*name).to_owned()),
                mcp: "seen".to_owned(),
                exposure: Some((*name).to_owned()),
                ..Listener::default()
            }),
        ));
    }
    all
}

/// A collector with two hosts in it, one of them hostile.
fn filled() -> Option<Collector> {
    let collector = Collector::started()?;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = collector.certify("laptop-17");
        let mut sensor = Sensor::connect(&collector.ingest(), &folder)
            .await
            .expect("connected");
        let mut usual = vec![session(stdio("one", 1, 2)), call("one", 1), call("one", 2)];
        usual.push(session(http("two", "10.0.0.9:443", "mcp.example")));
        usual.extend(others());
        sensor.store(1, usual).await.expect("stored");
        let many = (0..103).map(|n| session(stdio(&format!("many-{n}"), 1, 0)));
        sensor.store(2, many.collect()).await.expect("stored");
        let folder = collector.certify("laptop-18");
        let mut sensor = Sensor::connect(&collector.ingest(), &folder)
            .await
            .expect("connected");
        for (sequence, observation) in (1..).zip(hostile()) {
            sensor
                .store(sequence, vec![observation])
                .await
                .expect("stored");
        }
    });
    Some(collector)
}

/// A browser that signed in.
struct Browser<'a> {
    collector: &'a Collector,
    cookie: String,
}

/// The value of a header.
fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.head.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The path of a fresh link.
fn link(collector: &Collector) -> String {
    let reply = collector.post("/api/v1/page-link", "");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let url = reply.json()["url"].as_str().expect("a url").to_owned();
    let here = format!("http://{}", collector.api_address());
    url.strip_prefix(&here).expect("our own address").to_owned()
}

fn get(collector: &Collector, path: &str, headers: &[(&str, &str)]) -> Reply {
    let host = collector.api_address();
    let mut all = vec![("Host", host.as_str())];
    all.extend(headers);
    collector.raw("GET", path, &all, "")
}

impl<'a> Browser<'a> {
    fn signed_in(collector: &'a Collector) -> Self {
        let reply = get(collector, &link(collector), &[]);
        assert_eq!(reply.status, 303, "{}", reply.body);
        assert_eq!(header(&reply, "location"), Some("/"));
        let cookie = header(&reply, "set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        Self { collector, cookie }
    }

    fn get(&self, path: &str) -> Reply {
        get(self.collector, path, &[("Cookie", &self.cookie)])
    }

    /// A page that must be there.
    fn page(&self, path: &str) -> String {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let kind = header(&reply, "content-type");
        assert_eq!(kind, Some("text/html; charset=utf-8"), "{path}");
        reply.body
    }

    /// All pages that links lead to from the overview.
    fn crawl(&self) -> Vec<(String, String)> {
        let mut known = BTreeSet::from(["/".to_owned()]);
        let mut todo = vec!["/".to_owned()];
        let mut pages = Vec::new();
        while let Some(path) = todo.pop() {
            assert!(pages.len() < PAGES_MAX, "no end of pages: {path}");
            let body = self.page(&path);
            for href in attributes(&body, "href") {
                if href.starts_with('#') || href == "/style.css" || href == "/icon.svg" {
                    continue;
                }
                assert!(
                    href.starts_with('/') && !href.starts_with("//"),
                    "{path} leads to {href}"
                );
                // Of the many sessions alike, some will do.
                let alike = href.starts_with("/session?host=laptop-17&id=many");
                if alike
                    && known
                        .iter()
                        .filter(|path| path.contains("&id=many"))
                        .count()
                        >= 3
                {
                    continue;
                }
                if known.insert(href.clone()) {
                    todo.push(href);
                }
            }
            pages.push((path, body));
        }
        pages
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

fn attributes(body: &str, name: &str) -> Vec<String> {
    body.split(&format!(" {name}=\""))
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(unescaped)
        .collect()
}

/// The statements that a page shows.
fn queries(body: &str) -> Vec<String> {
    body.split("<pre><code>")
        .skip(1)
        .filter_map(|rest| rest.split("</code></pre>").next())
        .map(|text| {
            assert!(!text.contains("class=\"esc\""), "cannot be pasted: {text}");
            assert!(!text.contains("class=\"cut\""), "cut: {text}");
            let text = text.strip_prefix("<bdi class=\"t\">").expect("a text");
            unescaped(text.strip_suffix("</bdi>").expect("a text"))
        })
        .collect()
}

#[test]
fn a_link_signs_one_browser_in_once() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let path = link(&collector);
    let before = get(&collector, "/", &[]);
    assert_eq!(before.status, 401);
    assert!(before.body.contains("gnomon page"), "{}", before.body);
    // Those who only look ahead use nothing up.
    let host = collector.api_address();
    let head = collector.raw("HEAD", &path, &[("Host", &host)], "");
    assert_eq!(head.status, 401);
    assert_eq!(
        get(&collector, &path, &[("Sec-Purpose", "prefetch;prerender")]).status,
        401
    );

    let reply = get(&collector, &path, &[]);
    assert_eq!(reply.status, 303);
    let cookie = header(&reply, "set-cookie").expect("a cookie");
    for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let secret = path.rsplit('=').next().expect("a secret");
    assert!(
        !reply.head.contains(secret),
        "the link's secret goes on: {}",
        reply.head
    );
    let again = get(&collector, &path, &[]);
    assert_eq!(again.status, 401);
    assert!(header(&again, "set-cookie").is_none());
    assert!(again.body.contains("used already"), "{}", again.body);
    assert!(!collector.log().contains(secret));

    let cookie = cookie.split(';').next().expect("a pair");
    assert_eq!(get(&collector, "/", &[("Cookie", cookie)]).status, 200);
    let many = format!("{}{cookie}", "other=1; ".repeat(10));
    assert_eq!(get(&collector, "/", &[("Cookie", &many)]).status, 200);
    let mut wrong = cookie.to_owned();
    wrong.pop();
    assert_eq!(get(&collector, "/", &[("Cookie", &wrong)]).status, 401);
    for secret in ["", "x", secret, &"0".repeat(64), &"x".repeat(10_000)] {
        let path = format!("/sign-in?link={secret}");
        assert_eq!(get(&collector, &path, &[]).status, 401);
    }
    assert_eq!(get(&collector, "/sign-in", &[]).status, 401);
}

#[test]
fn a_sign_in_is_for_the_page_alone_and_only_for_reading() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let browser = Browser::signed_in(&collector);
    for path in ["/api/v1/sessions", "/api/v1/policy", "/api/v1/nope"] {
        assert_eq!(browser.get(path).status, 401, "{path}");
    }
    let host = collector.api_address();
    let headers = [("Host", host.as_str()), ("Cookie", browser.cookie.as_str())];
    assert_eq!(
        collector
            .raw("POST", "/api/v1/page-link", &headers, "")
            .status,
        401
    );
    for path in ["/", "/servers", "/sign-in"] {
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(
                collector.raw(method, path, &headers, "").status,
                405,
                "{path}"
            );
        }
    }
    // Another name for this address is another site, whoever asks.
    for name in ["evil.example", "127.0.0.1", "127.0.0.1.evil.example"] {
        let headers = [("Host", name), ("Cookie", browser.cookie.as_str())];
        for path in ["/", "/sign-in?link=x", "/style.css"] {
            assert_eq!(
                collector.raw("GET", path, &headers, "").status,
                421,
                "{name}{path}"
            );
        }
    }
    // Not signed in, nothing is told of what there is.
    for path in [
        "/servers",
        "/server?key=x",
        "/session?nope=1",
        "/hosts?page=0",
    ] {
        assert_eq!(get(&collector, path, &[]).status, 401, "{path}");
    }
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let browser = Browser::signed_in(&collector);
    for path in [
        "/",
        "/servers",
        "/server?key=nope",
        "/style.css",
        "/icon.svg",
        "/sign-in",
        "/nope",
    ] {
        let reply = browser.get(path);
        let policy = header(&reply, "content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("script-src"),
            "{policy}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(&reply, name), Some(value), "{path}");
        }
        assert!(header(&reply, "access-control-allow-origin").is_none());
    }
}

#[test]
fn an_empty_inventory_says_what_to_do() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let browser = Browser::signed_in(&collector);
    for (path, body) in browser.crawl() {
        assert!(body.contains("class=\"empty\""), "{path}: {body}");
    }
    assert!(browser.page("/hosts").contains("gnomon-collector certify"));
    assert!(browser.page("/").contains("gnomon policy apply"));
}

#[test]
fn what_is_wrong_in_an_address_is_said() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let browser = Browser::signed_in(&collector);
    let long = format!("/sessions?host={}", "x".repeat(20_000));
    let many = format!("/sessions?{}", "host=a&".repeat(100));
    for path in [
        "/?nope=1",
        "/sessions?nope=1",
        "/sessions?page=0",
        "/sessions?page=1001",
        "/sessions?page=x",
        "/sessions?limit=5",
        "/sessions?since=yesterday",
        "/sessions?host=a&host=b",
        "/server",
        "/server?key=a&key=b",
        "/server?key=a&x=b",
        "/session?host=a",
        "/findings?state=every",
        &long,
        &many,
    ] {
        let reply = browser.get(path);
        assert_eq!(reply.status, 400, "{path}: {}", reply.body);
        assert!(
            reply.body.contains("class=\"advice\""),
            "{path}: {}",
            reply.body
        );
    }
    for path in [
        "/server?key=nope",
        "/session?host=a&id=b",
        "/host?name=nope",
        "/finding?id=nope",
    ] {
        let reply = browser.get(path);
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
        assert!(
            reply.body.contains("<h1>Not found</h1>"),
            "{path}: {}",
            reply.body
        );
    }
    let every = browser.get("/findings?state=every").body;
    assert!(
        every.contains("state is one of open, closed, or all"),
        "{every}"
    );
    for accept in ["text/html,*/*", "*/*"] {
        let reply = get(&collector, "/nope", &[("Accept", accept)]);
        assert_eq!(reply.status, 404);
        assert!(reply.body.contains("<h1>Not found</h1>"), "{}", reply.body);
    }
    // A form sends its empty fields too.
    browser.page("/sessions?host=&verdict=&page=");
    assert!(
        browser
            .page("/sessions?page=9")
            .contains("There is no page 9")
    );
}

#[test]
fn texts_of_strangers_stay_texts_and_every_query_can_be_asked() {
    let Some(collector) = filled() else {
        return;
    };
    let browser = Browser::signed_in(&collector);
    let pages = browser.crawl();
    let seen = |path: &str| pages.iter().any(|(known, _)| known.starts_with(path));
    for path in [
        "/server?key=npm%3A%3Cscript",
        "/session?host=laptop-18",
        "/host?name=laptop-17",
        "/sessions?page=2",
        "/calls?",
        "/listeners",
        "/coverage",
        "/findings",
    ] {
        assert!(seen(path), "no link leads to {path}");
    }
    let mut asked = BTreeSet::new();
    for (path, body) in &pages {
        assert!(body.len() < 3 << 20, "{path} has {} bytes", body.len());
        for markup in [
            "<script",
            "<img",
            "<iframe",
            " onerror=\"",
            " style=\"",
            "javascript:",
        ] {
            assert!(!body.contains(markup), "{path} has {markup}");
        }
        let hidden = body.chars().find(|c| {
            let steers = matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
            steers || (c.is_control() && *c != '\n')
        });
        assert_eq!(hidden, None, "{path}");
        for query in queries(body) {
            if asked.insert(query.clone()) {
                let reply = collector.sql(&query);
                assert_eq!(reply.status, 200, "{path}: {query}: {}", reply.body);
            }
        }
    }
    assert!(asked.len() > 30, "{} queries", asked.len());
    let all = pages
        .iter()
        .map(|(_, body)| body.as_str())
        .collect::<String>();
    assert!(all.contains("&lt;script&gt;alert(1)"));
    assert!(all.contains("<span class=\"esc\">\\u{202e}</span>"));
    assert!(all.contains("<span class=\"esc\">\\u{1b}</span>"));
    assert!(all.contains("bytes more</span>"), "nothing was cut");
}

/// What stands in the first `data` element behind this text.
fn figure(body: &str, behind: &str) -> u64 {
    assert!(body.contains(behind), "no {behind}: {body}");
    let (_, rest) = body.split_once(behind).expect("found");
    let (_, rest) = rest.split_once("<data value=\"").expect("a figure");
    rest.split('"')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

#[test]
fn every_figure_is_its_querys() {
    let Some(collector) = filled() else {
        return;
    };
    let browser = Browser::signed_in(&collector);
    // Findings come in passes: nothing is compared before they stand still.
    let open = "SELECT count() FROM findings WHERE state = 'open'";
    let mut last = (0, Instant::now());
    poll("findings that stand still", 60, || {
        let count = collector.number(open);
        if count != last.0 {
            last = (count, Instant::now());
        }
        (count > 0 && last.1.elapsed() > STILL).then_some(())
    });
    for (path, view) in [
        ("/servers", "servers"),
        ("/sessions", "sessions"),
        ("/calls", "calls"),
        ("/hosts", "sensors"),
        ("/listeners", "listeners"),
        ("/coverage", "coverage"),
        (
            "/sessions?host=laptop-18",
            "sessions WHERE host = 'laptop-18'",
        ),
        ("/findings?state=any", "findings"),
        ("/findings?state=ALL", "findings"),
    ] {
        let body = browser.page(path);
        let expected = collector.number(&format!("SELECT count() FROM {view}"));
        assert_eq!(figure(&body, "<h1>"), expected, "{path}");
        let shown = body.matches("<tr role=\"row\">").count().saturating_sub(1);
        assert_eq!(shown as u64, expected.min(100), "{path}");
        let queries = queries(&body);
        let listed = collector.sql(&queries[0]).rows();
        assert_eq!(listed.len(), shown, "{path}: {}", queries[0]);
        assert_eq!(collector.number(&queries[1]), expected, "{path}");
    }
    let second = browser.page("/sessions?page=2&host=laptop-17");
    let first = browser.page("/sessions?host=laptop-17");
    let ids = |body: &str| -> BTreeSet<String> {
        let links = attributes(body, "href");
        links
            .into_iter()
            .filter(|link| link.starts_with("/session?"))
            .collect()
    };
    assert_eq!(ids(&first).len(), 100);
    assert_eq!(ids(&second).len(), 5);
    assert!(ids(&first).is_disjoint(&ids(&second)));

    let overview = browser.page("/");
    for (name, sql) in [
        ("<h2>Servers</h2>", "SELECT count() FROM servers"),
        ("<h2>Sessions</h2>", "SELECT count() FROM sessions"),
        ("<h2>Findings</h2>", open),
        ("<h2>Hosts</h2>", "SELECT count() FROM sensors"),
    ] {
        assert_eq!(figure(&overview, name), collector.number(sql), "{name}");
    }
    // One name of the inventory, one page: another server that calls itself so is not on it.
    let server = browser.page("/server?key=npm%3A%40scope%2Fserver");
    let rows: Vec<Value> = collector
        .sql("SELECT sessions FROM servers WHERE server = 'npm:@scope/server'")
        .rows();
    let (_, facts) = server.split_once("<dt>Sessions</dt>").expect("the figure");
    assert_eq!(Some(figure(facts, "<dd>")), rows[0]["sessions"].as_u64());
}
