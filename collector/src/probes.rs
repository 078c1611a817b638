//! The fleet's kill switch: orders to have probes off or on, each on record, and which of them holds for a host.
//!
//! The last order that names a host or all of them holds. Collectors on one store read each other's orders every few seconds.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use crate::{
    clock,
    ingest::host::HostId,
    store::{Store, StoreError, row::ProbeOrderRow},
};

/// Orders of another collector are looked for this often.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The last order for each host, and for all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// By host; empty: for all.
    last: HashMap<String, ProbeOrderRow>,
}

impl Book {
    /// What holds for a host; none: it was never ordered anything.
    #[must_use]
    pub fn of(&self, host: &str) -> Option<&ProbeOrderRow> {
        [self.last.get(host), self.last.get("")]
            .into_iter()
            .flatten()
            .max_by_key(|order| order.ordered)
    }

    fn add(&mut self, order: ProbeOrderRow) {
        let newer = |known: &ProbeOrderRow| known.ordered < order.ordered;
        if self.last.get(&order.host).is_none_or(newer) {
            self.last.insert(order.host.clone(), order);
        }
    }
}

/// Gives orders and tells of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders {
    store: Store,
    book: Arc<watch::Sender<Arc<Book>>>,
    /// One at a time, so that their times rise.
    giving: Arc<Mutex<()>>,
}

/// Why an order was not given.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No sensor bears this name.
    #[error("no sensor of a host called {0:?} has ever connected")]
    Unknown(String),
    /// It could not be put on record.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Orders {
    /// Reads what holds, and again and again until `stop`.
    ///
    /// # Errors
    /// The orders cannot be read.
    pub async fn start(store: Store, stop: watch::Receiver<bool>) -> Result<Self, StoreError> {
        let book = read(&store).await?;
        let orders = Self {
            store,
            book: Arc::new(watch::channel(Arc::new(book)).0),
            giving: Arc::default(),
        };
        tokio::spawn(orders.clone().keep_up(stop));
        Ok(orders)
    }

    async fn keep_up(self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = stop.wait_for(|stop| *stop);
            if tokio::time::timeout(READ_EVERY, stopped).await.is_ok() {
                return;
            }
            let _one = self.giving.lock().await;
            match read(&self.store).await {
                Ok(book) => self.publish(book),
                // The store says so elsewhere, and louder.
                Err(error) => {
                    tracing::debug!(%error, "orders to sensors could not be read again yet");
                }
            }
        }
    }

    fn publish(&self, book: Book) {
        self.book.send_if_modified(|known| {
            let differs = **known != book;
            if differs {
                *known = Arc::new(book);
            }
            differs
        });
    }

    /// What holds, and its changes.
    #[must_use]
    pub fn book(&self) -> watch::Receiver<Arc<Book>> {
        self.book.subscribe()
    }

    /// Puts an order on record and into force. `host`: none for all.
    ///
    /// # Errors
    /// See [`OrderError`]; then nothing has changed.
    pub async fn give(
        &self,
        host: Option<String>,
        off: bool,
        author: String,
        reason: String,
    ) -> Result<ProbeOrderRow, OrderError> {
        let host = match host {
            Some(host) => Some(self.known(&host).await?),
            None => None,
        };
        let _one = self.giving.lock().await;
        let mut book = read(&self.store).await?;
        let last = book.last.values().map(|order| order.ordered).max();
        let order = ProbeOrderRow {
            host: host.map_or_else(String::new, |host| host.as_str().to_owned()),
            ordered: last.map_or(0, |last| last + 1).max(clock::now()),
            author,
            off: off.into(),
            reason,
        };
        let token = format!("probes-{}-{}", order.host, order.ordered);
        self.store
            .insert("probe_order", std::slice::from_ref(&order), &token)
            .await?;
        let (host, author) = (&order.host, &order.author);
        if off {
            warn!(host, author, "sensors are ordered to have their probes off");
        } else {
            info!(host, author, "sensors are ordered to have their probes on");
        }
        book.add(order.clone());
        self.publish(book);
        Ok(order)
    }

    /// A host that has a sensor: an order to a name that was mistyped would be obeyed by nobody.
    async fn known(&self, name: &str) -> Result<HostId, OrderError> {
        let unknown = || OrderError::Unknown(name.to_owned());
        let host = HostId::new(name).map_err(|_| unknown())?;
        let sql = "SELECT toUInt64(count()) FROM sensor_hello WHERE host = {host:String}";
        let counted = self
            .store
            .rows::<u64>(sql, &[("host", host.as_str())])
            .await?;
        if counted.first().is_some_and(|count| *count > 0) {
            Ok(host)
        } else {
            Err(unknown())
        }
    }
}

async fn read(store: &Store) -> Result<Book, StoreError> {
    let sql = "SELECT host, ordered, author, off, reason FROM probe_order ORDER BY ordered DESC LIMIT 1 BY host";
    let rows = store.rows::<ProbeOrderRow>(sql, &[]).await?;
    let mut book = Book::default();
    rows.into_iter().for_each(|order| book.add(order));
    Ok(book)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_order_that_names_the_host_or_all_holds() {
        let mut book = Book::default();
        let mut give = |host: &str, ordered, off: u8| {
            book.add(ProbeOrderRow {
                host: host.to_owned(),
                ordered,
                author: "ann".to_owned(),
                off,
                reason: String::new(),
            });
            let holds = |host: &str| book.of(host).map(|order| order.off);
            (holds("a"), holds("b"))
        };
        assert_eq!(give("a", 1, 1), (Some(1), None));
        assert_eq!(give("", 2, 0), (Some(0), Some(0)));
        assert_eq!(give("", 3, 1), (Some(1), Some(1)));
        assert_eq!(give("b", 4, 0), (Some(1), Some(0)));
        // What comes late changes nothing.
        assert_eq!(give("b", 2, 1), (Some(1), Some(0)));
    }
}
