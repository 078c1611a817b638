//! Everything together: state folder, ClickHouse, the writing task, listeners; and the orderly end.

use std::{future::Future, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use gnomon_proto::v1::ingest_server::IngestServer;
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming};
use tracing::{info, warn};

use crate::{
    api, assets,
    config::{ClickHouse, Config},
    descriptors,
    engine::{self, Engine},
    enroll::authority::Authority,
    finding,
    ingest::{MESSAGE_BYTES_MAX, keeper::Keeper, service::Service},
    probes::Orders,
    state::{State, write_private},
    store::{Connection, Store, migrate::migrate},
};

/// How long the stop waits for ClickHouse to take what is queued.
const DRAIN_MAX: Duration = Duration::from_secs(8);
/// How long it then waits for the peers to close their connections.
const LINGER_MAX: Duration = Duration::from_millis(500);

/// Where to find a running collector: `endpoint.json` in the state folder.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// The HTTP API.
    pub api: String,
    /// gRPC for sensors.
    pub ingest: String,
    /// Process id.
    pub pid: u32,
}

/// ClickHouse, embedded or by URL, with its schema up to date.
#[derive(Debug)]
pub struct Backend {
    /// The way to it.
    pub store: Store,
    engine: Option<Engine>,
    // Keeps the fixed connection's channel open.
    fixed: Option<watch::Sender<Option<Connection>>>,
}

impl Backend {
    /// Starts or reaches ClickHouse and migrates.
    ///
    /// # Errors
    /// It cannot be started or reached, or refuses a migration.
    pub async fn open(config: &Config, state: &State, program: PathBuf) -> Result<Self> {
        let backend = match &config.clickhouse {
            ClickHouse::Embedded {
                library,
                memory_bytes_max,
            } => {
                let library = engine::library(library.as_deref(), &program)?;
                let folder = state.folder().join("clickhouse");
                let settings = engine::Settings {
                    program,
                    library,
                    folder,
                    memory_bytes_max: *memory_bytes_max,
                };
                let engine = Engine::start(settings).await?;
                let store = Store::new(engine.connection(), &config.clickhouse);
                Self {
                    store,
                    engine: Some(engine),
                    fixed: None,
                }
            }
            ClickHouse::Url {
                url,
                database,
                writer,
                analyst,
                ..
            } => {
                let connection = Connection::by_url(url, database, writer, analyst.as_ref())?;
                let (fixed, receiver) = watch::channel(Some(connection));
                Self {
                    store: Store::new(receiver, &config.clickhouse),
                    engine: None,
                    fixed: Some(fixed),
                }
            }
        };
        match migrate(&backend.store, config.retention_days).await {
            Ok(()) => Ok(backend),
            Err(error) => {
                backend.close().await;
                Err(error)
            }
        }
    }

    /// Sees to it that analysts' SQL has limits on a server by URL. The embedded engine's user has its own.
    async fn limit_analyst(&self) -> Result<()> {
        if let Some(fixed) = &self.fixed {
            let connection = self.store.connection().await?.limited().await?;
            fixed.send_replace(Some(connection));
        }
        Ok(())
    }

    /// Stops the embedded engine, if there is one.
    pub async fn close(self) {
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}

/// Runs the collector until `stop` completes. `ready` is called once, when everything answers.
///
/// # Errors
/// Anything that keeps it from starting: what, where, and which setting.
pub async fn serve(
    config: Config,
    program: PathBuf,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(&Endpoint),
) -> Result<()> {
    descriptors::raise(config.ingest.streams_max);
    let state = State::open(&config.state_dir)?;
    let token = state.api_token()?;
    let authority = Authority::open(state.folder())?;
    let tls = authority.server(&config.ingest.names)?;
    // Ports first: a taken one shows before ClickHouse is started.
    let (ingest, api, endpoint) = bind(&config).await?;

    tokio::pin!(stop);
    let backend = tokio::select! {
        backend = Backend::open(&config, &state, program) => backend?,
        // The engine's handle is dropped with the future and stops it.
        () = &mut stop => return Ok(()),
    };
    let (stopping, stopped) = watch::channel(false);
    if let Err(error) = backend.limit_analyst().await {
        backend.close().await;
        return Err(error);
    }
    let (keeper, keeper_task) = match Keeper::start(
        backend.store.clone(),
        config.ingest.pending_bytes_max,
        config.retention_days,
        stopped.clone(),
    )
    .await
    {
        Ok(started) => started,
        Err(error) => {
            backend.close().await;
            return Err(error);
        }
    };
    let orders = match Orders::start(backend.store.clone(), stopped.clone()).await {
        Ok(orders) => orders,
        Err(error) => {
            backend.close().await;
            return Err(error).context("reading the orders to sensors");
        }
    };
    first_policy(&config, &keeper).await;
    let findings = finding::start(
        backend.store.clone(),
        config.findings,
        keeper.changes(),
        stopped.clone(),
    );

    if let Some(file) = config.assets_file.clone() {
        tokio::spawn(assets::keep(file, backend.store.clone(), stopped.clone()));
    }
    let service = Service::new(
        keeper.clone(),
        orders.book(),
        config.ingest.streams_max,
        stopped.clone(),
    );
    let grpc = tokio::spawn(serve_ingest(
        ingest,
        service,
        tls,
        authority.certificate_pem().to_owned(),
        stopped.clone(),
    )?);
    let api_port = api.local_addr().map(|a| a.port()).unwrap_or_default();
    let api_names = config.api_names.clone();
    let api_state = api::State::new(
        token,
        api_names,
        api_port,
        backend.store.clone(),
        keeper,
        orders,
        config.retention_days,
    );
    let http = tokio::spawn(api::serve(api, api_state, stopped));
    let mut running = Running {
        backend,
        stopping,
        keeper: keeper_task,
        findings,
        grpc,
        http,
    };

    let endpoint_file = state.folder().join("endpoint.json");
    write_private(
        &endpoint_file,
        &serde_json::to_vec(&endpoint).context("endpoint.json")?,
    )?;
    ready(&endpoint);
    let ended = tokio::select! {
        () = stop => Ok(()),
        part = running.part_ended() => Err(anyhow::anyhow!("the collector's {part} ended by itself: see the log")),
    };
    let _ = std::fs::remove_file(endpoint_file);
    running.stop(ended.is_ok()).await;
    ended
}

/// What runs, until it is stopped.
struct Running {
    backend: Backend,
    stopping: watch::Sender<bool>,
    keeper: JoinHandle<()>,
    findings: JoinHandle<()>,
    grpc: JoinHandle<()>,
    http: JoinHandle<()>,
}

impl Running {
    /// Waits for a part that ends without being told to; names it. A collector without one of them would
    /// only look alive.
    async fn part_ended(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.keeper => "writing task",
            _ = &mut self.findings => "task of the findings",
            _ = &mut self.grpc => "ingest",
            _ = &mut self.http => "API",
        }
    }

    /// `whole`: no part has ended yet.
    async fn stop(self, whole: bool) {
        info!("stopping");
        self.stopping.send_replace(true);
        // First what is queued gets into ClickHouse and is acknowledged; then connections have a moment to end.
        if whole && tokio::time::timeout(DRAIN_MAX, self.keeper).await.is_err() {
            warn!(
                "not everything got into ClickHouse in time: what was not acknowledged is sent again"
            );
        }
        if whole {
            let ends = async { tokio::join!(self.grpc, self.http, self.findings) };
            let _ = tokio::time::timeout(LINGER_MAX, ends).await;
        }
        self.backend.close().await;
        info!("stopped");
    }
}

/// Opens both listeners, and says where they are.
async fn bind(config: &Config) -> Result<(TcpListener, TcpListener, Endpoint)> {
    let ingest = listen(config.ingest.listen, "ingest.listen").await?;
    let api = listen(config.api_listen, "api.listen").await?;
    let endpoint = Endpoint {
        api: format!("http://{}", api.local_addr().context("api.listen")?),
        ingest: format!(
            "https://{}",
            reachable(ingest.local_addr().context("ingest.listen")?)
        ),
        pid: std::process::id(),
    };
    Ok((ingest, api, endpoint))
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("listening on {address}: set another {setting}, or stop what uses the port")
    })
}

/// An address to connect to, for one that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback: std::net::IpAddr = if address.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    };
    SocketAddr::new(loopback, address.port())
}

fn serve_ingest(
    listener: TcpListener,
    service: Service,
    tls: crate::enroll::authority::Identity,
    authority_pem: String,
    mut stopped: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()>> {
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(tls.certificate_pem, tls.key_pem))
        .client_ca_root(Certificate::from_pem(authority_pem))
        .timeout(Duration::from_secs(10));
    let service = IngestServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let router = Server::builder()
        .tls_config(tls)
        .context("TLS of the ingest")?
        .max_concurrent_streams(16)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .add_service(service);
    Ok(async move {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let stop = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop).await {
            tracing::error!(%error, "the ingest ended: sensors keep their spool; restart the collector");
        }
    })
}

/// The policy file of the settings, while the store has no policy.
async fn first_policy(config: &Config, keeper: &Keeper) {
    let Some(file) = &config.policy_file else {
        return;
    };
    if keeper.policy().borrow().version > 0 {
        return;
    }
    let name = file.display().to_string();
    let toml = match std::fs::read_to_string(file) {
        Ok(toml) => toml,
        Err(error) => {
            tracing::error!(file = name, %error, "policy.file cannot be read: no policy is in force");
            return;
        }
    };
    match keeper
        .apply(toml, format!("settings {name}"), name.clone())
        .await
    {
        Ok(applied) => info!(
            version = applied.in_force.version,
            "policy of the settings in force"
        ),
        Err(error) => tracing::error!(
            file = name,
            ?error,
            "policy.file is not valid: no policy is in force"
        ),
    }
}
