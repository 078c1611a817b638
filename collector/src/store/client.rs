//! The way to ClickHouse, the same for the embedded engine and for a server by URL.

use std::{fmt, time::Duration};

use clickhouse::{Client, RowOwned, RowWrite};
use thiserror::Error;
use tokio::sync::watch;

use super::analyst;
use crate::config::{ClickHouse, Login};

/// How long a statement waits for an engine that is being restarted.
const AWAY_S_MAX: u64 = 10;
const INSERT_S_MAX: u64 = 60;
const QUERY_S_MAX: u64 = 120;

/// Who logs in where.
pub struct Access {
    /// `http://…` or `https://…`.
    pub url: String,
    /// User name.
    pub user: String,
    /// Password, may be empty.
    pub password: String,
    /// A header that the server asks for, if any.
    pub header: Option<(String, String)>,
}

/// Clients for one server: the writer's, and the read-only analyst's where there is one.
#[derive(Clone)]
pub struct Connection {
    /// Reads and writes everything.
    pub writer: Client,
    /// Runs analysts' own SQL.
    pub analyst: Option<Client>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Makes the clients; nothing is sent yet.
    #[must_use]
    pub fn new(database: &str, writer: &Access, analyst: Option<&Access>) -> Self {
        let client = |access: &Access| {
            let client = Client::default()
                .with_url(&access.url)
                .with_user(&access.user)
                .with_password(&access.password);
            match &access.header {
                Some((name, value)) => client.with_header(name, value),
                None => client,
            }
        };
        let writer = client(writer)
            .with_database(database)
            // Own batches, seen by ClickHouse before they are acknowledged: nothing is buffered there.
            .with_setting("async_insert", "0")
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            .with_setting("date_time_output_format", "iso")
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("join_use_nulls", "1")
            .with_setting("wait_end_of_query", "1");
        // Read-only: its settings are its profile's, and it may not send others.
        let analyst = analyst.map(|a| {
            client(a)
                .with_database(database)
                .with_setting("wait_end_of_query", "1")
        });
        Self { writer, analyst }
    }

    /// For a server by URL.
    ///
    /// # Errors
    /// A password file cannot be read.
    pub fn by_url(
        url: &str,
        database: &str,
        writer: &Login,
        analyst: Option<&Login>,
    ) -> anyhow::Result<Self> {
        let access = |login: &Login| -> anyhow::Result<Access> {
            Ok(Access {
                url: url.to_owned(),
                user: login.user.clone(),
                password: login.password()?,
                header: None,
            })
        };
        let analyst = analyst.map(access).transpose()?;
        Ok(Self::new(database, &access(writer)?, analyst.as_ref()))
    }

    /// The same, its analyst under limits.
    ///
    /// # Errors
    /// The analyst may write, or has no limits and cannot be given any; it cannot log in.
    pub async fn limited(mut self) -> anyhow::Result<Self> {
        if let Some(client) = self.analyst.take() {
            self.analyst = Some(analyst::limited(client).await?);
        }
        Ok(self)
    }
}

/// Why a statement had no result.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The embedded engine is being restarted.
    #[error("ClickHouse is away: the embedded engine is being restarted")]
    Away,
    /// No answer in time.
    #[error("ClickHouse did not answer within {0} s")]
    Slow(u64),
    /// More of an answer than is held in memory.
    #[error("the answer is larger than {0} bytes")]
    Large(usize),
    /// ClickHouse refused or could not be reached.
    #[error(transparent)]
    ClickHouse(#[from] clickhouse::error::Error),
}

impl StoreError {
    /// ClickHouse's error number, where it gave one: 243 is a full disk, 497 a missing privilege.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let Self::ClickHouse(clickhouse::error::Error::BadResponse(text)) = self else {
            return None;
        };
        let digits = text.trim_start().strip_prefix("Code: ")?;
        digits.split('.').next()?.parse().ok()
    }

    /// What an operator should do, where that is known.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        if matches!(self, Self::Large(_)) {
            return "narrow the question, or add LIMIT";
        }
        match self.code() {
            Some(243) => "the disk is full: make room, the collector goes on by itself",
            Some(241) => "ClickHouse is short of memory: raise clickhouse.memory_bytes_max",
            Some(164 | 497 | 516) => {
                "check the user and its grants: clickhouse.user, clickhouse.password_file"
            }
            Some(252) => {
                "too many parts: ClickHouse is behind with merging; the collector goes on by itself"
            }
            Some(_) => "see ClickHouse's log",
            None => "the collector goes on by itself when ClickHouse answers again",
        }
    }
}

/// ClickHouse as the rest of the collector sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    connection: watch::Receiver<Option<Connection>>,
    database: String,
    cluster: Option<String>,
}

impl Store {
    /// Over a connection that may go and come (the engine restarts on another port).
    #[must_use]
    pub fn new(connection: watch::Receiver<Option<Connection>>, settings: &ClickHouse) -> Self {
        let (database, cluster) = match settings {
            ClickHouse::Embedded { .. } => ("gnomon".to_owned(), None),
            ClickHouse::Url {
                database, cluster, ..
            } => (database.clone(), cluster.clone()),
        };
        Self {
            connection,
            database,
            cluster,
        }
    }

    /// Name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Name of the cluster, if engines are to be replicated.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// Whether there is a server to talk to just now.
    #[must_use]
    pub fn present(&self) -> bool {
        self.connection.borrow().is_some()
    }

    /// The clients; waits a little for an engine that is being restarted.
    ///
    /// # Errors
    /// [`StoreError::Away`] after ten seconds.
    pub async fn connection(&self) -> Result<Connection, StoreError> {
        let mut connection = self.connection.clone();
        let waited = tokio::time::timeout(
            Duration::from_secs(AWAY_S_MAX),
            connection.wait_for(Option::is_some),
        )
        .await;
        match waited {
            Ok(Ok(found)) => found.clone().ok_or(StoreError::Away),
            _ => Err(StoreError::Away),
        }
    }

    /// Runs a statement without a result.
    ///
    /// # Errors
    /// ClickHouse is away or refuses.
    pub async fn execute(&self, sql: &str) -> Result<(), StoreError> {
        let writer = self.connection().await?.writer;
        within(QUERY_S_MAX, writer.query_raw(sql).execute()).await
    }

    /// Reads rows. `parameters` fill `{name:Type}` in the text.
    ///
    /// # Errors
    /// ClickHouse is away or refuses, or the rows are not `T`.
    pub async fn rows<T>(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<T>, StoreError>
    where
        T: RowOwned + for<'de> serde::Deserialize<'de>,
    {
        let writer = self.connection().await?.writer;
        let mut query = writer.query_raw(sql);
        for (name, value) in parameters {
            query = query.param(name, value);
        }
        within(QUERY_S_MAX, query.fetch_all::<T>()).await
    }

    /// Inserts rows as one block. The same rows with the same token are taken once.
    ///
    /// # Errors
    /// ClickHouse is away or refuses; then nothing or all of it is stored, and the same call may be made again.
    pub async fn insert<T>(&self, table: &str, rows: &[T], token: &str) -> Result<(), StoreError>
    where
        T: RowOwned + RowWrite,
        for<'a> T: clickhouse::Row<Value<'a> = T>,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let writer = self
            .connection()
            .await?
            .writer
            .with_setting("insert_deduplication_token", token);
        let wait = Some(Duration::from_secs(INSERT_S_MAX));
        let mut insert = writer.insert::<T>(table).await?.with_timeouts(wait, wait);
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await?;
        Ok(())
    }
}

async fn within<T>(
    seconds: u64,
    work: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(Duration::from_secs(seconds), work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Slow(seconds)),
    }
}
