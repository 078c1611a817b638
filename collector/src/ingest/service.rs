//! The gRPC service: one long stream per sensor, batches up, acknowledgements and policy down.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use gnomon_proto::v1::{
    self, Ack, Batch, CollectorMessage, Hello, Reject, SensorMessage, collector_message,
    ingest_server, sensor_message,
};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{info, warn};

use super::{batch, host::HostId, keeper::Keeper};
use crate::{
    clock,
    policy::Shared,
    probes::Book,
    store::row::{HelloRow, ProbeOrderRow},
};

/// Batches of one stream on their way to ClickHouse, at most.
const IN_FLIGHT_MAX: usize = 32;
/// Streams of one host, at most: an old one may linger while a new one opens.
const HOST_STREAMS_MAX: usize = 4;
const HELLO_S_MAX: u64 = 10;
const HELLO_TEXT_BYTES_MAX: usize = 256;

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    keeper: Keeper,
    orders: watch::Receiver<Arc<Book>>,
    streams: Arc<Semaphore>,
    hosts: Hosts,
    stop: watch::Receiver<bool>,
}

/// How many streams each host has open.
type Hosts = Arc<Mutex<HashMap<HostId, usize>>>;

/// A stream's place among all and among its host's; given back when dropped.
struct Place {
    host: HostId,
    hosts: Hosts,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut hosts) = self.hosts.lock() else {
            return;
        };
        if let Some(count) = hosts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

impl Service {
    fn place(&self, host: &HostId) -> Result<Place, Status> {
        let permit = Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| Status::resource_exhausted("too many streams: ingest.streams_max"))?;
        let mut hosts = self
            .hosts
            .lock()
            .map_err(|_| Status::internal("a stream's task panicked"))?;
        let count = hosts.entry(host.clone()).or_default();
        if *count >= HOST_STREAMS_MAX {
            return Err(Status::resource_exhausted("too many streams of this host"));
        }
        *count += 1;
        drop(hosts);
        Ok(Place {
            host: host.clone(),
            hosts: Arc::clone(&self.hosts),
            _permit: permit,
        })
    }

    /// Over the task that writes.
    #[must_use]
    pub fn new(
        keeper: Keeper,
        orders: watch::Receiver<Arc<Book>>,
        streams_max: usize,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            keeper,
            orders,
            streams: Arc::new(Semaphore::new(streams_max)),
            hosts: Hosts::default(),
            stop,
        }
    }
}

type Down = mpsc::Sender<Result<CollectorMessage, Status>>;

#[tonic::async_trait]
impl ingest_server::Ingest for Service {
    type StreamStream = ReceiverStream<Result<CollectorMessage, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<SensorMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let certificates = request.peer_certs();
        let host = HostId::of_certificates(certificates.as_ref().map(|chain| chain.as_slice()))
            .map_err(|error| Status::unauthenticated(error.to_string()))?;
        let place = self.place(&host)?;
        let (down, out) = mpsc::channel(2 * IN_FLIGHT_MAX);
        let stream = Stream {
            host,
            keeper: self.keeper.clone(),
            policy: self.keeper.policy(),
            orders: self.orders.clone(),
            ordered: None,
            stop: self.stop.clone(),
            up: request.into_inner(),
            down,
            pending: VecDeque::new(),
            _place: place,
        };
        tokio::spawn(stream.run());
        Ok(Response::new(ReceiverStream::new(out)))
    }
}

/// What is owed to the sensor, in the order its batches came.
enum Owed {
    Ack {
        spool_id: Vec<u8>,
        sequence: u64,
        stored: oneshot::Receiver<()>,
    },
    Reject(Reject),
}

struct Stream {
    host: HostId,
    keeper: Keeper,
    policy: watch::Receiver<Shared>,
    orders: watch::Receiver<Arc<Book>>,
    /// What the sensor was last told of its probes.
    ordered: Option<Option<ProbeOrderRow>>,
    stop: watch::Receiver<bool>,
    up: Streaming<SensorMessage>,
    down: Down,
    pending: VecDeque<Owed>,
    _place: Place,
}

/// Why a stream is over.
enum Over {
    /// The sensor closed it, or is gone.
    Closed,
    /// Told to the sensor.
    Status(Status),
}

impl Stream {
    async fn run(mut self) {
        info!(host = %self.host, "sensor stream opened");
        let over = match self.hello().await {
            Ok(()) => self.talk().await,
            Err(over) => over,
        };
        match over {
            Over::Closed => info!(host = %self.host, "sensor stream closed"),
            Over::Status(status) => {
                info!(host = %self.host, why = status.message(), "sensor stream ended");
                let _ = self.down.try_send(Err(status));
            }
        }
    }

    async fn hello(&mut self) -> Result<(), Over> {
        let first = tokio::time::timeout(Duration::from_secs(HELLO_S_MAX), self.up.message());
        let message = match first.await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => return Err(Over::Closed),
            Ok(Err(status)) => return Err(Over::Status(status)),
            Err(_) => {
                return Err(Over::Status(Status::deadline_exceeded(
                    "no hello within ten seconds",
                )));
            }
        };
        let Some(sensor_message::Body::Hello(hello)) = message.body else {
            return Err(Over::Status(Status::invalid_argument(
                "the first message of a stream is a hello",
            )));
        };
        self.keeper.hello(hello_row(&self.host, hello)).await;
        self.policy.mark_changed();
        self.orders.mark_changed();
        Ok(())
    }

    async fn talk(&mut self) -> Over {
        let mut open = true;
        loop {
            if !open && self.pending.is_empty() {
                return Over::Closed;
            }
            let room = open && self.pending.len() < IN_FLIGHT_MAX;
            tokio::select! {
                biased;
                told = front(&mut self.pending), if !self.pending.is_empty() => {
                    if let Err(over) = self.answer(told).await {
                        return over;
                    }
                }
                changed = self.policy.changed(), if open => {
                    if changed.is_ok() && let Err(over) = self.send_policy().await {
                        return over;
                    }
                }
                changed = self.orders.changed(), if open => {
                    if changed.is_ok() && let Err(over) = self.send_order().await {
                        return over;
                    }
                }
                () = ended(&mut self.stop), if open => open = false,
                message = self.up.message(), if room => match message {
                    Ok(Some(message)) => if let Err(over) = self.take(message).await {
                        return over;
                    },
                    Ok(None) => open = false,
                    Err(status) => return Over::Status(status),
                },
            }
        }
    }

    /// Takes one message; waits while too many bytes are pending.
    async fn take(&mut self, message: SensorMessage) -> Result<(), Over> {
        let bytes = message.encoded_len();
        match message.body {
            Some(sensor_message::Body::Batch(batch)) => self.batch(batch, bytes).await,
            // One each: else a stream of them alone would keep ClickHouse writing.
            Some(sensor_message::Body::Hello(_)) => {
                return Err(Over::Status(Status::invalid_argument(
                    "a second hello: a stream has one",
                )));
            }
            // A newer sensor's message that this collector does not know.
            None => {}
        }
        Ok(())
    }

    async fn batch(&mut self, batch: Batch, bytes: usize) {
        let (spool_id, sequence) = (batch.spool_id.clone(), batch.sequence);
        match batch::check(&self.host, batch, clock::now()) {
            Ok(checked) => {
                let stored = self.keeper.store(checked, bytes).await;
                self.pending.push_back(Owed::Ack {
                    spool_id,
                    sequence,
                    stored,
                });
            }
            Err(refused) => {
                warn!(host = %self.host, sequence, reason = %refused, "batch rejected: it can never be stored");
                let reason = refused.to_string();
                self.pending.push_back(Owed::Reject(Reject {
                    spool_id,
                    sequence,
                    reason,
                }));
            }
        }
    }

    /// Pays what is owed first.
    async fn answer(&mut self, stored: bool) -> Result<(), Over> {
        let body = match self.pending.pop_front() {
            Some(Owed::Ack {
                spool_id, sequence, ..
            }) if stored => collector_message::Body::Ack(Ack { spool_id, sequence }),
            Some(Owed::Reject(reject)) => collector_message::Body::Reject(reject),
            _ => {
                return Err(Over::Status(Status::unavailable(
                    "the collector is stopping",
                )));
            }
        };
        self.send(body).await
    }

    async fn send_policy(&mut self) -> Result<(), Over> {
        let in_force = Arc::clone(&self.policy.borrow_and_update());
        if in_force.version == 0 {
            return Ok(());
        }
        let policy = v1::Policy {
            version: in_force.version,
            toml: in_force.toml.clone(),
        };
        self.send(collector_message::Body::Policy(policy)).await
    }

    /// Tells the sensor what holds for it, where that is news to it. Also that it may have its probes on: it may remember
    /// an order of before.
    async fn send_order(&mut self) -> Result<(), Over> {
        let holds = self
            .orders
            .borrow_and_update()
            .of(self.host.as_str())
            .cloned();
        if self.ordered.as_ref() == Some(&holds) {
            return Ok(());
        }
        let probes = holds
            .as_ref()
            .map_or_else(v1::Probes::default, |order| v1::Probes {
                off: order.off != 0,
                author: order.author.clone(),
                reason: order.reason.clone(),
            });
        self.ordered = Some(holds);
        self.send(collector_message::Body::Probes(probes)).await
    }

    async fn send(&mut self, body: collector_message::Body) -> Result<(), Over> {
        self.down
            .send(Ok(CollectorMessage { body: Some(body) }))
            .await
            .map_err(|_| Over::Closed)
    }
}

/// Waits for the collector's stop.
async fn ended(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until the first debt can be paid; false when its batch was not stored.
async fn front(pending: &mut VecDeque<Owed>) -> bool {
    match pending.front_mut() {
        Some(Owed::Ack { stored, .. }) => stored.await.is_ok(),
        Some(Owed::Reject(_)) | None => true,
    }
}

fn hello_row(host: &HostId, hello: Hello) -> HelloRow {
    let cut = |mut text: String| {
        text.truncate(text.floor_char_boundary(HELLO_TEXT_BYTES_MAX));
        text
    };
    HelloRow {
        host: host.to_string(),
        host_name: cut(hello.host_name),
        sensor_version: cut(hello.sensor_version),
        kernel_release: cut(hello.kernel_release),
        operating_system: cut(hello.operating_system),
        machine: cut(hello.machine),
        spool: hello
            .spool_id
            .iter()
            .take(16)
            .map(|b| format!("{b:02x}"))
            .collect(),
        run: batch::run(&hello.run),
        received: clock::now(),
    }
}
