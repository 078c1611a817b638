//! Real MCP peers beside a stand-alone sensor: what they did against what it told. All speak at the same time: most of it is their
//! start, and an emulated processor takes long for that.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use gnomon_tests::{
    claims::{Watch, client_is_told, last_stats, runs_tier},
    deadline::settle,
    peers::{Driver, HttpServer, Peers, Plan, Sdk, Serving, Tally, python1_stdio, rmcp_stdio},
};
use serde_json::json;

/// Time after a peer's end within which all of it has been told.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Who speaks, and over what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversation {
    /// Unique.
    pub(crate) name: &'static str,
    sdk: Sdk,
    over_http: bool,
}

/// All of them.
pub(crate) const ALL: [Conversation; 4] = [
    Conversation::of("rmcp_over_pipes", Sdk::Rmcp, false),
    Conversation::of("rmcp_over_http", Sdk::Rmcp, true),
    Conversation::of("python_over_pipes", Sdk::Python1, false),
    Conversation::of("python_over_http", Sdk::Python1, true),
];

impl Conversation {
    const fn of(name: &'static str, sdk: Sdk, over_http: bool) -> Self {
        Self {
            name,
            sdk,
            over_http,
        }
    }

    /// The one of that name.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let found = ALL.into_iter().find(|known| known.name == name);
        found.with_context(|| format!("no conversation {name:?}"))
    }

    /// Its server, if it does not come with the client; it may not listen yet.
    fn serve(self, peers: &mut Peers) -> Result<Option<Serving>> {
        let server = match self.sdk {
            Sdk::Rmcp => HttpServer::Rmcp,
            _ => HttpServer::Python1,
        };
        let port = gnomon_tests::peers::free_port()?;
        let serving = self.over_http.then(|| peers.begin_to_serve(server, port));
        serving.transpose()
    }

    fn speak(self, peers: &mut Peers, serving: Option<Serving>) -> Result<Speaking> {
        let serving = serving.map(Serving::listening).transpose()?;
        let plan = match &serving {
            Some(serving) => Plan::http(2, serving.url()),
            None => Plan::stdio(1, self.stdio_server()?),
        };
        let tool = match self.sdk {
            Sdk::Rmcp => "sum",
            _ => "add",
        };
        let plan = plan.calling(tool, json!({"a": 1, "b": 2}), 3);
        Ok(Speaking {
            driver: peers.start(self.sdk, &plan)?,
            _serving: serving,
        })
    }

    fn stdio_server(self) -> Result<Vec<String>> {
        match self.sdk {
            Sdk::Rmcp => rmcp_stdio(),
            _ => python1_stdio(),
        }
    }
}

struct Speaking {
    driver: Driver,
    /// Runs as long as its client.
    _serving: Option<Serving>,
}

/// Holds them beside a sensor of that tier, and gives what came of each. The error is that of all of them.
pub(crate) fn hold(
    conversations: &[Conversation],
    tier: u8,
) -> Result<Vec<(&'static str, Result<()>)>> {
    let folder = tempfile::tempdir()?;
    let watch = Watch::start(folder.path())?;
    let mut all = tallies(conversations, folder.path());
    for (_, tally) in &mut all {
        if let Ok(done) = tally
            && let Err(error) = settle(TOLD_WITHIN, || client_is_told(&watch.said()?, done))
        {
            *tally = Err(error);
        }
    }
    let said = watch.stop()?;
    let stats = last_stats(&said).context("no statistics")?;
    ensure!(
        runs_tier(stats, tier),
        "asked for tier {tier}, the sensor ran {}",
        stats["tier"]
    );
    // Nothing has changed or come to it until the end.
    let again = |tally: Tally| client_is_told(&said, &tally);
    Ok(all
        .into_iter()
        .map(|(name, tally)| (name, tally.and_then(again)))
        .collect())
}

/// What each client did, once all have ended.
fn tallies(conversations: &[Conversation], folder: &Path) -> Vec<(&'static str, Result<Tally>)> {
    let mut peers = Peers::new(folder);
    let serving: Vec<_> = conversations
        .iter()
        .map(|conversation| conversation.serve(&mut peers))
        .collect();
    let speaking: Vec<_> = conversations
        .iter()
        .zip(serving)
        .map(|(conversation, serving)| conversation.speak(&mut peers, serving?))
        .collect();
    conversations
        .iter()
        .zip(speaking)
        .map(|(conversation, speaking)| {
            let tally = speaking.and_then(|speaking| speaking.driver.finish());
            (conversation.name, tally)
        })
        .collect()
}

/// The same for each of them.
pub(crate) fn none(
    conversations: &[Conversation],
    error: &anyhow::Error,
) -> Vec<(&'static str, Result<()>)> {
    conversations
        .iter()
        .map(|conversation| (conversation.name, Err(anyhow!("{error:#}"))))
        .collect()
}
