//! A sensor's side of the stream.

use std::{fs, path::Path, time::Duration};

use gnomon_proto::v1::{
    Batch, CollectorMessage, Hello, Observation, SensorMessage, collector_message,
    ingest_client::IngestClient, sensor_message,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

pub(crate) const SPOOL: [u8; 16] = [7; 16];

/// The sensor's run, where a test does not say another.
pub(crate) const RUN: [u8; 16] = [1; 16];

pub(crate) struct Sensor {
    run: [u8; 16],
    up: mpsc::Sender<SensorMessage>,
    down: Streaming<CollectorMessage>,
}

/// What the collector said of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Ack(u64),
    Reject(u64, String),
    Policy(u64),
    /// Whether probes may be on, and what was said of it.
    Probes(bool, String),
}

pub(crate) fn tls(ca: &Path, identity: Option<&Path>) -> ClientTlsConfig {
    let read = |path: &Path| fs::read_to_string(path).expect("pem");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(ca)))
        .domain_name("localhost");
    match identity {
        Some(folder) => tls.identity(Identity::from_pem(
            read(&folder.join("sensor.pem")),
            read(&folder.join("sensor.key")),
        )),
        None => tls,
    }
}

pub(crate) async fn channel(
    url: &str,
    tls: ClientTlsConfig,
) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Channel::from_shared(url.to_owned())
        .expect("a url")
        .tls_config(tls)?;
    endpoint
        .connect_timeout(Duration::from_secs(10))
        .connect()
        .await
}

fn hello(run: [u8; 16]) -> SensorMessage {
    let hello = Hello {
        host_name: "node".to_owned(),
        sensor_version: "0.1.0".to_owned(),
        kernel_release: "6.1".to_owned(),
        operating_system: "Debian".to_owned(),
        machine: "x86_64".to_owned(),
        spool_id: SPOOL.to_vec(),
        run: run.to_vec(),
    };
    SensorMessage {
        body: Some(sensor_message::Body::Hello(hello)),
    }
}

impl Sensor {
    /// Connects with the identity in `folder` and says hello.
    pub(crate) async fn connect(url: &str, folder: &Path) -> Result<Self, Status> {
        Self::connect_as(url, folder, RUN).await
    }

    /// The same, as this run of the sensor.
    pub(crate) async fn connect_as(
        url: &str,
        folder: &Path,
        run: [u8; 16],
    ) -> Result<Self, Status> {
        let channel = channel(url, tls(&folder.join("ca.pem"), Some(folder)))
            .await
            .map_err(|error| Status::unavailable(format!("{error:?}")))?;
        let (up, receiver) = mpsc::channel(64);
        let _ = up.send(hello(run)).await;
        let down = IngestClient::new(channel)
            .stream(ReceiverStream::new(receiver))
            .await?
            .into_inner();
        Ok(Self { run, up, down })
    }

    pub(crate) async fn hello_again(&self) {
        let _ = self.up.send(hello(self.run)).await;
    }

    pub(crate) async fn send(&self, sequence: u64, observations: Vec<Observation>) {
        self.send_batch(Batch {
            spool_id: SPOOL.to_vec(),
            sequence,
            observations,
            run: self.run.to_vec(),
        })
        .await;
    }

    pub(crate) async fn send_batch(&self, batch: Batch) {
        let _ = self
            .up
            .send(SensorMessage {
                body: Some(sensor_message::Body::Batch(batch)),
            })
            .await;
    }

    /// The next thing the collector says, but not that probes may be on when nobody ever ordered anything; an error when
    /// the stream is over or silent for a minute.
    pub(crate) async fn told(&mut self) -> Result<Told, Status> {
        loop {
            let told = self.told_any().await?;
            if told != Told::Probes(true, ": ".to_owned()) {
                return Ok(told);
            }
        }
    }

    async fn told_any(&mut self) -> Result<Told, Status> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.down.message());
        let message = next
            .await
            .map_err(|_| Status::deadline_exceeded("silence"))??;
        let message = message.ok_or_else(|| Status::unavailable("closed"))?;
        Ok(match message.body.expect("a body") {
            collector_message::Body::Ack(ack) => Told::Ack(ack.sequence),
            collector_message::Body::Reject(reject) => Told::Reject(reject.sequence, reject.reason),
            collector_message::Body::Policy(policy) => Told::Policy(policy.version),
            collector_message::Body::Probes(probes) => {
                Told::Probes(!probes.off, format!("{}: {}", probes.author, probes.reason))
            }
        })
    }

    /// Sends and waits for the acknowledgement, over policies that come between.
    pub(crate) async fn store(
        &mut self,
        sequence: u64,
        observations: Vec<Observation>,
    ) -> Result<(), Status> {
        self.send(sequence, observations).await;
        loop {
            match self.told().await? {
                Told::Ack(acked) if acked == sequence => return Ok(()),
                Told::Policy(_) | Told::Ack(_) | Told::Probes(..) => {}
                Told::Reject(_, reason) => return Err(Status::invalid_argument(reason)),
            }
        }
    }
}
