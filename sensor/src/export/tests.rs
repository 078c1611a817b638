use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use gnomon_proto::v1;
use gnomon_proto::v1::ingest_server::{Ingest, IngestServer};
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::observation::{Body, Stats};

const DEADLINE: Duration = Duration::from_secs(20);

/// A collector that stores in memory and does as it is told.
#[derive(Clone)]
struct Collecting {
    heard: mpsc::Sender<v1::sensor_message::Body>,
    /// Batches up to this one are acknowledged, later ones are not.
    ack_upto: watch::Receiver<u64>,
    reject: Option<u64>,
}

#[tonic::async_trait]
impl Ingest for Collecting {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<v1::CollectorMessage, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::SensorMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        assert!(
            request
                .peer_certs()
                .is_some_and(|certificates| !certificates.is_empty())
        );
        let mut up = request.into_inner();
        let (down, answers) = mpsc::channel(16);
        let this = self.clone();
        tokio::spawn(async move {
            use v1::collector_message::Body;
            let policy = v1::Policy {
                version: 7,
                toml: "# policy".into(),
            };
            let message = |body| Ok(v1::CollectorMessage { body: Some(body) });
            let _ = down.send(message(Body::Policy(policy))).await;
            while let Some(Ok(sent)) = up.next().await {
                let body = sent.body.unwrap();
                let _ = this.heard.send(body.clone()).await;
                let v1::sensor_message::Body::Batch(batch) = body else {
                    continue;
                };
                let v1::Batch {
                    spool_id, sequence, ..
                } = batch;
                if this.reject == Some(sequence) {
                    let reject = v1::Reject {
                        spool_id,
                        sequence,
                        reason: "test".into(),
                    };
                    let _ = down.send(message(Body::Reject(reject))).await;
                } else if sequence <= *this.ack_upto.borrow() {
                    let ack = v1::Ack { spool_id, sequence };
                    let _ = down.send(message(Body::Ack(ack))).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

/// Certificates in a folder, as `enroll` would leave them, and the server's own.
struct Authority {
    folder: tempfile::TempDir,
    server: (String, String),
    ca: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let sign = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let server = sign(&["127.0.0.1", "localhost"]);
    let (certificate, key) = sign(&["laptop"]);
    let folder = tempfile::tempdir().unwrap();
    let ca = issuer.pem();
    for (name, content) in [
        ("ca.pem", &ca),
        ("sensor.pem", &certificate),
        ("sensor.key", &key),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    Authority { folder, server, ca }
}

fn settings(folder: &Path, port: u16) -> Settings {
    Settings {
        collector: Collector {
            server: format!("https://127.0.0.1:{port}"),
            server_name: None,
            ca: folder.join("ca.pem"),
            certificate: folder.join("sensor.pem"),
            key: folder.join("sensor.key"),
        },
        spool: folder.join("spool"),
        order: crate::order::Order::kept_in(folder),
        spool_bytes_max: 8 << 20,
        queue_observations_max: 64,
        host_name: HostName::new("laptop"),
    }
}

struct Running {
    port: u16,
    heard: mpsc::Receiver<v1::sensor_message::Body>,
    ack_upto: watch::Sender<u64>,
    runtime: tokio::runtime::Runtime,
}

/// Serves on `port`, 0 for a free one.
fn serve(authority: &Authority, port: u16, reject: Option<u64>) -> Running {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (heard_sender, heard) = mpsc::channel(1000);
    let (ack_upto, acks) = watch::channel(u64::MAX);
    let service = Collecting {
        heard: heard_sender,
        ack_upto: acks,
        reject,
    };
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&authority.server.0, &authority.server.1))
        .client_ca_root(Certificate::from_pem(&authority.ca));
    let listener = runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + DEADLINE;
        loop {
            match tonic::transport::server::TcpIncoming::bind(address) {
                Ok(listener) => return listener,
                Err(error) if Instant::now() > deadline => panic!("{error}"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let port = listener.local_addr().unwrap().port();
    let server = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(IngestServer::new(service));
    runtime.spawn(server.serve_with_incoming(listener));
    Running {
        port,
        heard,
        ack_upto,
        runtime,
    }
}

impl Running {
    /// The next batch, as bytes.
    fn batch(&mut self) -> v1::Batch {
        loop {
            match self.next() {
                v1::sensor_message::Body::Batch(batch) => return batch,
                v1::sensor_message::Body::Hello(hello) => assert_eq!(hello.host_name, "laptop"),
            }
        }
    }

    fn next(&mut self) -> v1::sensor_message::Body {
        let next = async { tokio::time::timeout(DEADLINE, self.heard.recv()).await };
        self.runtime.block_on(next).expect("in time").expect("open")
    }
}

fn stats(messages: u64) -> Observation {
    // Two entries: the order of a map is what sending again must not change.
    let lost = BTreeMap::from([("a".into(), 1), ("b".into(), 2), ("c".into(), 3)]);
    Observation {
        time: 5,
        body: Body::Stats(Stats {
            messages,
            lost,
            ..Stats::default()
        }),
    }
}

fn numbers(batch: &v1::Batch) -> Vec<u64> {
    (batch.observations.iter())
        .map(|observation| match &observation.body {
            Some(v1::observation::Body::Stats(stats)) => stats.messages,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn an_observation_is_there_at_once_and_acknowledged() {
    let authority = authority();
    let mut collector = serve(&authority, 0, None);
    let exporter = Exporter::start(settings(authority.folder.path(), collector.port)).unwrap();
    let link = exporter.link();
    wait_for("link up", || *link.borrow() == Link::Up);
    let mut slowest = Duration::ZERO;
    for number in 1..=20 {
        let sent = Instant::now();
        exporter.send(stats(number));
        assert_eq!(numbers(&collector.batch()), [number]);
        slowest = slowest.max(sent.elapsed());
    }
    println!("slowest of 20: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let policy = exporter.policy().borrow().clone().unwrap();
    assert_eq!((policy.version, policy.toml.as_str()), (7, "# policy"));
    assert!(exporter.losses().is_empty());
    exporter.finish().unwrap();

    let exporter = Exporter::start(settings(authority.folder.path(), collector.port)).unwrap();
    exporter.send(stats(21));
    let batch = collector.batch();
    assert_eq!((numbers(&batch), batch.sequence), (vec![21], 21));
    exporter.finish().unwrap();
}

#[test]
fn what_was_not_acknowledged_is_sent_again_as_it_was() {
    let authority = authority();
    let mut first = serve(&authority, 0, None);
    first.ack_upto.send_replace(2);
    let exporter = Exporter::start(settings(authority.folder.path(), first.port)).unwrap();
    let mut before = Vec::new();
    for number in 1..=4 {
        exporter.send(stats(number));
        before.push(first.batch());
    }
    // The collector goes away; more is observed; it comes back at the same place.
    let port = first.port;
    first.runtime.shutdown_timeout(Duration::from_secs(1));
    let link = exporter.link();
    wait_for("link down", || matches!(*link.borrow(), Link::Down(_)));
    exporter.send(stats(5));
    let mut second = serve(&authority, port, None);
    for expected in &before[2..] {
        let again = second.batch();
        assert_eq!(again.encode_to_vec().len(), expected.encode_to_vec().len());
        assert_eq!(&again, expected);
    }
    assert_eq!(numbers(&second.batch()), [5]);
    exporter.finish().unwrap();
}

#[test]
fn a_rejected_batch_is_counted_and_passed() {
    let authority = authority();
    let mut collector = serve(&authority, 0, Some(2));
    let exporter = Exporter::start(settings(authority.folder.path(), collector.port)).unwrap();
    for number in 1..=3 {
        exporter.send(stats(number));
        collector.batch();
    }
    wait_for("loss", || {
        exporter.losses() == BTreeMap::from([("rejected", 1)])
    });
    exporter.finish().unwrap();
    let exporter = Exporter::start(settings(authority.folder.path(), collector.port)).unwrap();
    exporter.send(stats(4));
    assert_eq!(numbers(&collector.batch()), [4]);
    exporter.finish().unwrap();
}

#[test]
fn without_a_collector_memory_is_bounded_and_the_spool_keeps() {
    let authority = authority();
    let exporter = Exporter::start(settings(authority.folder.path(), 1)).unwrap();
    for number in 0..100_000 {
        exporter.send(stats(number));
    }
    let lost = exporter.losses().get("queue_full").copied().unwrap_or(0);
    let link = exporter.link();
    wait_for("link down", || matches!(*link.borrow(), Link::Down(_)));
    let Link::Down(why) = link.borrow().clone() else {
        panic!("up")
    };
    assert!(why.to_lowercase().contains("refused"), "{why}");
    let started = Instant::now();
    exporter.finish().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));

    let mut collector = serve(&authority, 0, None);
    let exporter = Exporter::start(settings(authority.folder.path(), collector.port)).unwrap();
    let (mut kept, mut sequence) = (0, 0);
    while kept + lost < 100_000 {
        let batch = collector.batch();
        assert_eq!(batch.sequence, sequence + 1);
        (kept, sequence) = (kept + batch.observations.len() as u64, batch.sequence);
    }
    assert_eq!(kept + lost, 100_000);
    exporter.finish().unwrap();
}

#[test]
fn a_stranger_is_refused_and_said_so() {
    let (ours, theirs) = (authority(), authority());
    let collector = serve(&theirs, 0, None);
    let exporter = Exporter::start(settings(ours.folder.path(), collector.port)).unwrap();
    let link = exporter.link();
    wait_for("link down", || matches!(*link.borrow(), Link::Down(_)));
    let Link::Down(why) = link.borrow().clone() else {
        panic!("up")
    };
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    exporter.finish().unwrap();
}

#[test]
fn a_session_keeps_all_that_is_known_of_it_on_the_wire() {
    use crate::observation::{
        Channel, Client, Evidence, Facts, Process, Quality, Server as Serving, ServerKey, Session,
        SessionId, SessionState, Source, Strength, Transport,
    };
    use gnomon_policy::{BaseRoute, Judgement, Route, Status, Verdict};
    let some = |text: &str| Some(text.to_owned());
    let process = |pid, user: &str| Process {
        pid,
        exe: some("/bin/x"),
        argv: vec!["x".into()],
        user: some(user),
        uid: Some(pid),
        container: some("c"),
        started: Some(9),
    };
    let verdict = Verdict {
        status: Status::Shadow,
        reasons: Vec::new(),
    };
    let judgement = Judgement {
        route: Route::Direct,
        leg: None,
        gateway: None,
        verdict,
    };
    let evidence = Evidence {
        source: Source::Wire,
        fact: "f".into(),
        quality: Quality::Likely,
    };
    let session = Session {
        id: SessionId::new("id"),
        rev: 3,
        state: SessionState::Ended,
        transport: Transport::Sse,
        channel: Channel::Unix,
        tls: some("openssl"),
        revision: some("2025-06-18"),
        base_route: BaseRoute::Bridge,
        via: some("proxy"),
        judgement,
        client: Client {
            name: some("n"),
            version: some("v"),
            application: some("a"),
            process: Some(process(1, "ann")),
        },
        server: Serving {
            key: Some(ServerKey::new("npm:x")),
            strength: Some(Strength::Verified),
            name: some("sn"),
            version: some("sv"),
            endpoint: some("http://e"),
            process: Some(process(2, "bob")),
        },
        facts: Facts {
            server_address: Some(([10, 0, 0, 1], 80).into()),
            client_address: Some(([0_u16; 8], 81).into()),
            authority: some("au"),
            path: some("/p"),
            sni: some("s"),
            scheme: some("https"),
            client_serves: vec![([0, 0, 0, 0], 1).into()],
            server_serves: vec![([0, 0, 0, 0], 2).into()],
            certificate_key: some("ck"),
            host_addresses: vec![[10, 0, 0, 2].into()],
            other_server_addresses: vec![Some(([10, 0, 0, 4], 4).into()), None],
            other_client_addresses: vec![Some([10, 0, 0, 5].into()), None],
            other_server_users: vec![Some("bob".to_owned()), None],
            others_serve: vec![Some(([127, 0, 0, 1], 2).into()), None],
        },
        evidence: vec![evidence],
        started: 7,
        last_seen: 8,
        calls: 6,
    };
    let observation = Observation {
        time: 5,
        body: Body::Session(Box::new(session)),
    };
    insta::assert_debug_snapshot!(wire::observation(&observation));
}
