//! The engine's configuration: written anew at each start, with new passwords.
//!
//! - HTTP on loopback only, and only for requests that carry a header random per start: `default` has
//!   to exist with an empty password (the engine starts as it), and other users of this host reach
//!   loopback too. No `/play`, no dashboards.
//! - `default` may start listeners and read `system.numbers`, nothing else.
//! - `gnomon` writes. `analyst` reads the database `gnomon` under limits that it cannot change.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::state::{hex, private_folder, random_hex, write_private};

/// Name of the database that holds everything.
pub(super) const DATABASE: &str = "gnomon";
/// Header without whose value the engine's HTTP answers 404.
pub(super) const GATE_HEADER: &str = "X-Gnomon-Gate";

/// Files written and secrets drawn for one start of the collector.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) config: PathBuf,
    pub(super) users: PathBuf,
    pub(super) data: PathBuf,
    pub(super) run: PathBuf,
    pub(super) gate: String,
    pub(super) writer_password: String,
    pub(super) analyst_password: String,
    memory_bytes_max: u64,
}

impl Prepared {
    /// Makes the folders and draws the secrets; the files are written by [`Self::write`].
    pub(super) fn new(folder: &Path, memory_bytes_max: u64) -> Result<Self> {
        let (data, run) = (folder.join("data"), folder.join("run"));
        for made in [folder, &data, &run] {
            private_folder(made)?;
        }
        Ok(Self {
            config: run.join("config.xml"),
            users: run.join("users.xml"),
            data,
            gate: random_hex()?,
            writer_password: random_hex()?,
            analyst_password: random_hex()?,
            run,
            memory_bytes_max,
        })
    }

    /// Writes the files for a start of the engine.
    pub(super) fn write(&self) -> Result<()> {
        write_private(&self.users, self.users_xml().as_bytes())?;
        write_private(&self.config, self.config_xml()?.as_bytes())
    }

    /// Removes them: the engine has read them, and queries must not.
    pub(super) fn remove(&self) {
        for file in [&self.config, &self.users] {
            if let Err(error) = fs::remove_file(file)
                && error.kind() != ErrorKind::NotFound
            {
                warn!(%error, file = %file.display(), "a file with the engine's secrets stays");
            }
        }
    }

    fn config_xml(&self) -> Result<String> {
        let log = xml(&self.run.join("clickhouse.log"))?;
        let users = xml(&self.users)?;
        let (gate, memory_bytes_max) = (&self.gate, self.memory_bytes_max);
        // The log turns over at 4 MB and keeps one old file, uncompressed: the engine may not read it. The caches' defaults are for big servers.
        Ok(format!(
            "<clickhouse>
  <logger><log>{log}</log><size>4M</size><count>1</count><compress>0</compress><console>0</console></logger>
  <http_port>0</http_port>
  <listen_host>127.0.0.1</listen_host>
  <shutdown_wait_unfinished>0</shutdown_wait_unfinished>
  <max_connections>256</max_connections>
  <max_server_memory_usage>{memory_bytes_max}</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <http_handlers>
    <rule>
      <url>/</url>
      <methods>GET,POST</methods>
      <headers><{GATE_HEADER}>{gate}</{GATE_HEADER}></headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
  </http_handlers>
</clickhouse>
"
        ))
    }

    fn users_xml(&self) -> String {
        let writer = hex(&Sha256::digest(&self.writer_password));
        let analyst = hex(&Sha256::digest(&self.analyst_password));
        format!(
            "<clickhouse>
  <profiles>
    <default></default>
    <analyst>
      <readonly>1</readonly>
      <date_time_output_format>iso</date_time_output_format>
      <output_format_json_quote_64bit_integers>0</output_format_json_quote_64bit_integers>
      <join_use_nulls>1</join_use_nulls>
      <max_execution_time>10</max_execution_time>
      <timeout_before_checking_execution_speed>0</timeout_before_checking_execution_speed>
      <max_memory_usage>536870912</max_memory_usage>
      <max_memory_usage_for_user>805306368</max_memory_usage_for_user>
      <max_concurrent_queries_for_user>8</max_concurrent_queries_for_user>
      <max_threads>2</max_threads>
      <max_result_rows>100000</max_result_rows>
      <max_result_bytes>67108864</max_result_bytes>
      <result_overflow_mode>throw</result_overflow_mode>
      <max_rows_in_set>10000000</max_rows_in_set>
      <max_temporary_data_on_disk_size_for_user>1073741824</max_temporary_data_on_disk_size_for_user>
      <function_sleep_max_microseconds_per_block>100000</function_sleep_max_microseconds_per_block>
      <max_query_size>131072</max_query_size>
      <max_ast_depth>500</max_ast_depth>
      <allow_introspection_functions>0</allow_introspection_functions>
    </analyst>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query><query>GRANT SELECT ON system.numbers</query></grants>
    </default>
    <gnomon>
      <password_sha256_hex>{writer}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
    </gnomon>
    <analyst>
      <password_sha256_hex>{analyst}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>analyst</profile><quota>default</quota>
      <grants><query>GRANT SELECT ON {DATABASE}.*</query></grants>
    </analyst>
  </users>
</clickhouse>
"
        )
    }
}

/// A path as XML text.
fn xml(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .context("the state folder's path is not UTF-8")?;
    Ok(text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;"))
}
