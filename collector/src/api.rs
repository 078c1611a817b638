//! HTTP/JSON for the `gnomon` command, on loopback, with a local token until sign-in comes.

mod auth;
mod error;
mod listing;
mod policy;
mod router;
mod show;
mod sql;
mod status;

use std::{convert::Infallible, sync::Arc};

use axum::serve::ListenerExt;
use tokio::{net::TcpListener, sync::watch};
use tracing::error;

use crate::{ingest::keeper::Keeper, store::Store};

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct State {
    token: Arc<str>,
    store: Store,
    keeper: Keeper,
}

impl State {
    /// `token` is what every request has to bear.
    #[must_use]
    pub fn new(token: String, store: Store, keeper: Keeper) -> Self {
        Self {
            token: token.into(),
            store,
            keeper,
        }
    }
}

/// Answers until the collector stops.
pub async fn serve(listener: TcpListener, state: State, mut stopped: watch::Receiver<bool>) {
    let port = listener.local_addr().map(|a| a.port()).unwrap_or_default();
    let router = router::router(state, port);
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let stop = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let served: Result<(), Infallible> = axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
        .map_err(|error| {
            error!(%error, "the API ended: restart the collector");
        })
        .or(Ok(()));
    let _ = served;
}
