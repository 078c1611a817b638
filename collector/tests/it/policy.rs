//! Applying a policy; verdicts made again; a bypass found whichever session came first.

use gnomon_proto::v1::{BaseRoute, Session};
use serde_json::Value;

use crate::{
    collector::{Collector, poll},
    observations::{http, session},
    sensor::{Sensor, Told},
};

const POLICY: &str = "\
[[gateway]]
name = \"main\"
names = [\"gw.corp.example\", \"127.0.0.1:9000\"]
addresses = [\"10.0.0.5:443\", \"127.0.0.1:9000\"]
";

fn verdict_is(collector: &Collector, id: &str, verdict: &str) -> Value {
    poll(&format!("{id} to be {verdict}"), 30, || {
        let rows = collector
            .get(&format!("/api/v1/sessions?session={id}"))
            .rows();
        rows.into_iter().find(|row| row["verdict"] == verdict)
    })
}

/// A session to the backend at 127.0.0.1:9102; the gateway's own process serves 127.0.0.1:9000.
fn to_backend(id: &str, by_gateway: bool) -> Session {
    let mut session = http(id, "127.0.0.1:9102", "127.0.0.1:9102");
    session.base_route = BaseRoute::Local.into();
    let facts = session.facts.as_mut().expect("facts");
    if by_gateway {
        facts.client_serves = vec!["127.0.0.1:9000".to_owned()];
    }
    facts.server_serves = vec!["127.0.0.1:9102".to_owned()];
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_reaches_sensors_and_judges_again() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor
        .store(
            1,
            vec![session(http("through", "127.0.0.1:9000", "127.0.0.1:9000"))],
        )
        .await
        .expect("stored");
    assert_eq!(
        verdict_is(&collector, "through", "shadow")["policy_version"],
        0
    );

    let applied = collector.post("/api/v1/policy?author=ann", POLICY).json();
    assert_eq!(
        (&applied["version"], &applied["author"]),
        (&1.into(), &"ann".into()),
        "{applied}"
    );
    assert_eq!(sensor.told().await.expect("told"), Told::Policy(1));
    let row = verdict_is(&collector, "through", "approved");
    assert_eq!(
        (&row["route"], &row["gateway"], &row["policy_version"]),
        (&"gateway".into(), &"main".into(), &1.into())
    );
    // The same text is no new version; a faulty one changes nothing and names its line.
    assert_eq!(
        collector.post("/api/v1/policy?author=bob", POLICY).json()["version"],
        1
    );
    let faulty = collector.post(
        "/api/v1/policy?file=p.toml",
        &format!("{POLICY}nonsense = 1\n"),
    );
    assert_eq!(faulty.status, 422);
    assert!(faulty.body.contains("p.toml:5"), "{}", faulty.body);
    // History says what it was, and a restart keeps policy and verdict.
    assert_eq!(
        collector
            .get("/api/v1/verdicts?session=through")
            .rows()
            .len(),
        2
    );
    assert!(collector.stop("TERM").success());
    collector.start();
    assert_eq!(collector.get("/api/v1/policy").json()["toml"], POLICY);
    verdict_is(&collector, "through", "approved");
    assert_eq!(collector.number("SELECT count() FROM policies"), 1);
}

/// What else was seen of a session counts as much, and what cannot be read of it counts as not known; so it does when it comes out
/// of the store again.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_judged_by_everybody_at_its_ends() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    let through = |id: &str, others: &[&str]| {
        let mut session = http(id, "127.0.0.1:9000", "127.0.0.1:9000");
        let facts = session.facts.as_mut().expect("facts");
        facts.other_server_addresses = others.iter().map(|text| (*text).to_owned()).collect();
        session
    };
    let upstream = |id: &str, others: &[&str]| {
        let mut session = to_backend(id, true);
        let facts = session.facts.as_mut().expect("facts");
        facts.others_serve = others.iter().map(|text| (*text).to_owned()).collect();
        session
    };
    let sessions = [
        through("alone", &[]),
        through("moved", &["127.0.0.1:9999"]),
        through("unread", &[""]),
        through("garbled", &["127.0.0.1:9000", "nonsense"]),
        upstream("contested", &[""]),
        upstream("quiet", &["127.0.0.2:9000"]),
    ];
    sensor
        .store(1, sessions.map(session).to_vec())
        .await
        .expect("stored");
    verdict_is(&collector, "quiet", "shadow");
    // Judged from the store.
    assert_eq!(collector.post("/api/v1/policy", POLICY).status, 200);
    for (id, verdict, code) in [
        ("alone", "approved", "gateway"),
        ("moved", "unknown", "several_addresses"),
        ("unread", "unknown", "several_addresses"),
        ("garbled", "unknown", "several_addresses"),
        ("contested", "unknown", "several_listeners"),
        ("quiet", "approved", "gateway_process"),
    ] {
        let row = verdict_is(&collector, id, verdict);
        assert_eq!(row["reasons"][0]["code"], code, "{id}");
    }
    assert!(collector.stop("TERM").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bypass_is_found_whichever_came_first() {
    let Some(mut collector) = Collector::started() else {
        return;
    };
    assert_eq!(collector.post("/api/v1/policy", POLICY).status, 200);
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor
        .store(1, vec![session(to_backend("before", false))])
        .await
        .expect("stored");
    verdict_is(&collector, "before", "shadow");
    sensor
        .store(2, vec![session(to_backend("upstream", true))])
        .await
        .expect("stored");
    assert_eq!(
        verdict_is(&collector, "upstream", "approved")["leg"],
        "upstream"
    );
    sensor
        .store(3, vec![session(to_backend("after", false))])
        .await
        .expect("stored");
    let bypass = |collector: &Collector, id: &str| {
        poll(&format!("{id} to be a bypass"), 30, || {
            let row = verdict_is(collector, id, "shadow");
            (row["reasons"][0]["code"] == "bypass").then_some(())
        });
    };
    bypass(&collector, "before");
    bypass(&collector, "after");
    // Learned again from the store at start.
    assert!(collector.stop("TERM").success());
    collector.start();
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor
        .store(4, vec![session(to_backend("later", false))])
        .await
        .expect("stored");
    bypass(&collector, "later");
    assert_eq!(
        collector
            .get("/api/v1/sessions?verdict=approved")
            .rows()
            .len(),
        1
    );
}
