//! The connection to the collector: made, kept, made again.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use gnomon_proto::v1;
use gnomon_proto::v1::collector_message::Body;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::config::Collector;

const PATH: &str = "/gnomon.v1.Ingest/Stream";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A collector that does not answer a ping of HTTP/2 within this is gone; laptops change networks.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Messages from the collector are small; a policy is the largest.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// `gnomon.v1.SensorMessage` whose parts are encoded already: the same bytes on the wire. Batches must
/// not be decoded and encoded again, since the order of entries in a map is not fixed.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Sent {
    #[prost(bytes = "bytes", optional, tag = "1")]
    hello: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    batch: Option<Bytes>,
}

impl Sent {
    fn of_hello(hello: &v1::Hello) -> Self {
        Self {
            hello: Some(hello.encode_to_vec().into()),
            batch: None,
        }
    }

    /// A sealed batch.
    pub(super) fn of_batch(bytes: Vec<u8>) -> Self {
        Self {
            hello: None,
            batch: Some(bytes.into()),
        }
    }
}

/// What happens on the connection, in this order: `Up`, messages, `Down`.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// The stream is open; batches go here.
    Up(mpsc::Sender<Sent>),
    /// The collector says.
    Message(Body),
    /// It is closed, or could not be opened, for this reason.
    Down(String),
}

/// Keeps a connection until nobody listens to `events` any more. At most `window` batches wait in it.
pub(super) async fn keep(
    collector: Collector,
    hello: v1::Hello,
    window: usize,
    events: mpsc::Sender<LinkEvent>,
) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let over = match open(&collector, &hello, window, &events).await {
            Ok(stream) => {
                let (answered, over) = listen(stream, &events).await;
                if answered {
                    backoff = BACKOFF_MIN;
                }
                over
            }
            Err(error) => format!("{error:#}"),
        };
        if events.send(LinkEvent::Down(over)).await.is_err() {
            return;
        }
        tokio::time::sleep(jittered(backoff)).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Between half and the whole, so that a fleet does not come back all at once.
fn jittered(backoff: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    backoff.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

async fn open(
    collector: &Collector,
    hello: &v1::Hello,
    window: usize,
    events: &mpsc::Sender<LinkEvent>,
) -> anyhow::Result<Streaming<v1::CollectorMessage>> {
    let mut grpc = tonic::client::Grpc::new(connect(collector).await?)
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (batches, waiting) = mpsc::channel(window);
    let first = tokio_stream::once(Sent::of_hello(hello));
    let request = Request::new(first.chain(ReceiverStream::new(waiting)));
    grpc.ready().await.map_err(|error| with_causes(&error))?;
    let path = http::uri::PathAndQuery::from_static(PATH);
    let codec = ProstCodec::<Sent, v1::CollectorMessage>::default();
    let answer = grpc
        .streaming(request, path, codec)
        .await
        .map_err(|status| refusal(&status))?;
    // Nobody listening is found out by the caller.
    let _ = events.send(LinkEvent::Up(batches)).await;
    Ok(answer.into_inner())
}

/// Certificates are read at every attempt: they are renewed while the sensor runs.
async fn connect(collector: &Collector) -> anyhow::Result<Channel> {
    let (ca, certificate, key) = {
        let collector = collector.clone();
        tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            Ok((
                read(&collector.ca)?,
                read(&collector.certificate)?,
                read(&collector.key)?,
            ))
        })
        .await??
    };
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .identity(Identity::from_pem(certificate, key));
    if let Some(name) = &collector.server_name {
        tls = tls.domain_name(name);
    }
    let endpoint = Endpoint::from_shared(collector.server.clone())
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(|error| with_causes(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true);
    endpoint
        .connect()
        .await
        .map_err(|error| with_causes(&error))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))
}

/// Hands on what the collector says until it says nothing more; true where it said anything.
async fn listen(
    mut stream: Streaming<v1::CollectorMessage>,
    events: &mpsc::Sender<LinkEvent>,
) -> (bool, String) {
    let mut answered = false;
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                answered = true;
                // A newer collector may say what this sensor does not know.
                let Some(body) = message.body else { continue };
                if events.send(LinkEvent::Message(body)).await.is_err() {
                    return (answered, "stopped".to_owned());
                }
            }
            Ok(None) => return (answered, "the collector closed the stream".to_owned()),
            Err(status) => return (answered, refusal(&status).to_string()),
        }
    }
}

fn refusal(status: &tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", status.code().description(), status.message())
}

/// An error of the transport says little by itself.
fn with_causes(error: &dyn std::error::Error) -> anyhow::Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    anyhow::anyhow!(text)
}
