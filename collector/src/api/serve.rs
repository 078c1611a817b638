//! Connections of the API: so many at a time, and each has to ask within a time.
//!
//! Whoever is on this machine may connect, with the token or without. A connection that asks nothing, or
//! byte by byte, would otherwise be held for ever, and enough of them would leave the collector without
//! descriptors for sensors and for ClickHouse.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tracing::{debug, warn};

/// Connections at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// How long a request's head may take, also the first one's and that of the next on a connection that is kept.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Longest head of a request; the longest that is of use has a server's identity in its address.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Pause where the system gives no connection: mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Answers with `router` until the collector stops; then lets requests that are being answered end.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, router.clone(), graceful.watcher(), place));
            }
            Err(error) => {
                warn!(%error, "the API cannot accept a connection: more descriptors (ulimit -n) may help");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// One connection, to its end.
async fn converse(
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    _place: Option<OwnedSemaphorePermit>,
) {
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "a connection of the API ended early");
    }
}
