//! HTTP on loopback: JSON for the `gnomon` command, by a local token; the page for browsers, by a one-time link.

mod auth;
mod error;
mod listing;
mod page;
mod policy;
mod probes;
mod report;
mod router;
mod serve;
mod show;
mod signin;
mod sql;
mod status;

use std::sync::Arc;

use tokio::{net::TcpListener, sync::watch};

use crate::{ingest::keeper::Keeper, probes::Orders, store::Store};

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct State {
    token: Arc<str>,
    store: Store,
    keeper: Keeper,
    orders: Orders,
    sign_in: Arc<signin::SignIn>,
    names: Arc<[String]>,
    port: u16,
    reports: report::Maker,
}

impl State {
    /// `token` is what every request has to bear, or a link has to be made with; `names` are names of this
    /// collector beside loopback, `port` is where it listens; facts are kept `retention_days`.
    #[must_use]
    pub fn new(
        token: String,
        names: Vec<String>,
        port: u16,
        store: Store,
        keeper: Keeper,
        orders: Orders,
        retention_days: u32,
    ) -> Self {
        Self {
            token: token.into(),
            store,
            keeper,
            orders,
            sign_in: Arc::new(signin::SignIn::new(port)),
            names: names.into(),
            port,
            reports: report::Maker::new(retention_days),
        }
    }
}

/// Answers until the collector stops.
pub async fn serve(listener: TcpListener, state: State, stopped: watch::Receiver<bool>) {
    serve::serve(listener, router::router(state), stopped).await;
}
