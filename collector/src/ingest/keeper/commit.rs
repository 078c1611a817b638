//! Commits a group of batches: what the ledger knows already is only acknowledged; facts and verdicts
//! go in first, the ledger last, so that a batch in the ledger is stored whole.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use clickhouse::Row;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tracing::{error, info};

use super::{DRAIN_MAX, Incoming, RETRY_MAX, RETRY_MIN, Task, chain};
use crate::{
    clock,
    ingest::batch::{BatchKey, Checked, Rows},
    state::hex,
    store::{
        Store, StoreError,
        row::{HelloRow, LedgerRow, VerdictRow},
    },
};

/// Batches asked for in one question.
const KNOWN_KEYS_MAX: usize = 256;
/// A key in it at most: a host's name of 253 bytes, 32 digits of the spool, 20 of the sequence, signs.
const KEY_BYTES_MAX: usize = 320;
/// ClickHouse's `max_query_size` where nobody set another.
const QUERY_BYTES_MAX: usize = 256 << 10;
const _: () = assert!(KNOWN_KEYS_MAX * KEY_BYTES_MAX < QUERY_BYTES_MAX / 2);

/// Everything that one group writes. Made once; inserted until it is in.
struct Group {
    rows: Rows,
    hellos: Vec<HelloRow>,
    verdicts: Vec<VerdictRow>,
    ledger: Vec<LedgerRow>,
    token: String,
}

#[derive(Row, Deserialize)]
struct Known {
    host: String,
    spool: String,
    sequence: u64,
}

impl Task {
    /// Returns when ClickHouse has the group and its senders were told, or when the collector stops.
    pub(super) async fn commit(&mut self, batches: Vec<Incoming>, hellos: Vec<HelloRow>) {
        let mut waiting = Vec::with_capacity(batches.len());
        let mut fresh: HashMap<BatchKey, Checked> = HashMap::new();
        let mut rooms = Vec::with_capacity(batches.len());
        for Incoming {
            checked,
            stored,
            _room,
        } in batches
        {
            waiting.push(stored);
            rooms.push(_room);
            fresh.entry(checked.key.clone()).or_insert(checked);
        }
        let keys: Vec<BatchKey> = fresh.keys().cloned().collect();
        let Some(known) = self
            .insist(|store| known(store.clone(), keys.clone()))
            .await
        else {
            return;
        };
        fresh.retain(|key, _| !known.contains(key));
        let group = self.judge_group(fresh, hellos);
        if self
            .insist(|store| insert(store.clone(), &group))
            .await
            .is_some()
        {
            self.changed.send_modify(|count| *count += 1);
            tell(waiting);
        }
    }

    fn judge_group(&mut self, fresh: HashMap<BatchKey, Checked>, hellos: Vec<HelloRow>) -> Group {
        let mut fresh: Vec<Checked> = fresh.into_values().collect();
        fresh.sort_by(|a, b| a.key.cmp(&b.key));
        let now = clock::now();
        let mut digest = Sha256::new();
        let (mut rows, mut ledger) = (Rows::default(), Vec::with_capacity(fresh.len()));
        for Checked {
            key,
            observations,
            rows: more,
        } in fresh
        {
            digest.update(format!("{} {} {}\n", key.host, key.spool, key.sequence));
            let host = key.host.as_str().to_owned();
            ledger.push(LedgerRow {
                host,
                spool: key.spool,
                sequence: key.sequence,
                observations,
                received: now,
            });
            rows.add(more);
        }
        for hello in &hellos {
            digest.update(format!("{} {}\n", hello.host, hello.received));
        }
        let mut verdicts = Vec::new();
        let mut learned = false;
        for session in &rows.sessions {
            let judged = self.judge.judge(session, now);
            learned |= judged.learned;
            if judged.changed {
                verdicts.push(judged.row);
            }
        }
        if learned {
            info!("a server was learned to stand behind a gateway: verdicts are made again");
            self.rejudge.judge_again();
        }
        if rows.unknown + rows.wrong_times > 0 {
            info!(
                unknown = rows.unknown,
                wrong_times = rows.wrong_times,
                "observations left out, times replaced"
            );
        }
        Group {
            rows,
            hellos,
            verdicts,
            ledger,
            token: hex(&digest.finalize()),
        }
    }

    /// Tries until it works. `None` once the collector stops and the grace is over.
    async fn insist<'a, T, F>(&mut self, attempt: impl Fn(&Store) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>> + 'a,
    {
        let mut wait = RETRY_MIN;
        let mut stopping_since: Option<Instant> = None;
        loop {
            let error = match attempt(&self.store).await {
                Ok(done) => {
                    self.trouble
                        .send_if_modified(|trouble| trouble.take().is_some());
                    return Some(done);
                }
                Err(error) => error,
            };
            if *self.stop.borrow() {
                let since = *stopping_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= DRAIN_MAX || !self.store.present() {
                    error!(error = %chain(&error), "batches not stored before the stop: not acknowledged, sensors send them again");
                    return None;
                }
            }
            error!(
                error = %chain(&error),
                advice = error.advice(),
                retry_ms = wait.as_millis(),
                "ClickHouse does not take the rows: kept, not acknowledged"
            );
            self.trouble
                .send_replace(Some(format!("{}; {}", chain(&error), error.advice())));
            let _ = tokio::time::timeout(wait, self.stop.changed()).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }
}

fn tell(waiting: Vec<oneshot::Sender<()>>) {
    for stored in waiting {
        // The stream may be gone; the sensor then sends the batch again and hears of it.
        let _ = stored.send(());
    }
}

async fn known(store: Store, keys: Vec<BatchKey>) -> Result<HashSet<BatchKey>, StoreError> {
    let mut all = HashSet::new();
    for some in keys.chunks(KNOWN_KEYS_MAX) {
        all.extend(known_of(&store, some).await?);
    }
    Ok(all)
}

async fn known_of(store: &Store, keys: &[BatchKey]) -> Result<Vec<BatchKey>, StoreError> {
    // Host names and hex spool ids hold no quotes: `HostId`, `batch::check`.
    let list: Vec<String> = keys
        .iter()
        .map(|k| format!("('{}','{}',{})", k.host, k.spool, k.sequence))
        .collect();
    let sql = format!(
        "SELECT DISTINCT host, spool, sequence FROM batch_ledger WHERE (host, spool, sequence) IN ({})",
        list.join(",")
    );
    let found: HashSet<(String, String, u64)> = store
        .rows::<Known>(&sql, &[])
        .await?
        .into_iter()
        .map(|k| (k.host, k.spool, k.sequence))
        .collect();
    Ok(keys
        .iter()
        .filter(|k| found.contains(&(k.host.to_string(), k.spool.clone(), k.sequence)))
        .cloned()
        .collect())
}

async fn insert(store: Store, group: &Group) -> Result<(), StoreError> {
    let (rows, token) = (&group.rows, &group.token);
    tokio::try_join!(
        store.insert("session_fact", &rows.sessions, token),
        store.insert("call_fact", &rows.calls, token),
        store.insert("stats_fact", &rows.stats, token),
        store.insert("coverage_fact", &rows.coverage, token),
        store.insert("listener_fact", &rows.listeners, token),
        store.insert("tool_fact", &rows.tools, token),
        store.insert("verdict_fact", &group.verdicts, token),
        store.insert("sensor_hello", &group.hellos, token),
    )?;
    store.insert("batch_ledger", &group.ledger, token).await
}

impl Rows {
    fn add(&mut self, mut more: Self) {
        self.sessions.append(&mut more.sessions);
        self.calls.append(&mut more.calls);
        self.stats.append(&mut more.stats);
        self.coverage.append(&mut more.coverage);
        self.listeners.append(&mut more.listeners);
        self.tools.append(&mut more.tools);
        self.unknown += more.unknown;
        self.wrong_times += more.wrong_times;
    }
}
