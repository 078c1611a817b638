//! Drives rmcp: stdio or Streamable HTTP. The plan and the tally: ../python/plan.py.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError,
    model::{
        CallToolRequestParams, ClientConfig, GetPromptRequestParams, Implementation, JsonObject,
        ProtocolVersion, ReadResourceRequestParams,
    },
    service::RunningService,
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Plan {
    sessions: u64,
    command: Option<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    url: Option<String>,
    mode: Option<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "do")]
    action: String,
    name: Option<String>,
    #[serde(default)]
    arguments: JsonObject,
    uri: Option<String>,
    times: Option<u64>,
}

#[derive(Default, Serialize)]
struct Tally {
    sessions: u64,
    calls: BTreeMap<String, u64>,
    errors: u64,
    revision: Option<String>,
    server: Option<String>,
    pid: u32,
}

struct Probe;

impl ClientHandler for Probe {
    fn get_info(&self) -> ClientConfig {
        let own = Implementation::new("probe-rmcp", "3.9.0");
        ClientConfig::new(Default::default(), own)
    }
}

type Client = RunningService<RoleClient, Probe>;

async fn connect(plan: &Plan) -> Result<Client> {
    let lifecycle = match plan.mode.as_deref() {
        None | Some("legacy") => ClientLifecycleMode::Initialize,
        Some("auto") => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
        Some(_) => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    };
    if let Some(url) = &plan.url {
        let transport = StreamableHttpClientTransport::from_uri(url.as_str());
        return Ok(Probe.serve_with_lifecycle(transport, lifecycle).await?);
    }
    let words = plan.command.as_deref().context("a command or a URL")?;
    let (program, arguments) = words.split_first().context("a program")?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).envs(&plan.env);
    let transport = TokioChildProcess::new(command)?;
    Ok(Probe.serve_with_lifecycle(transport, lifecycle).await?)
}

/// The request's name in the tally, and whether it ended with an error.
async fn call(client: &Client, step: &Step) -> Result<(String, bool)> {
    let name = step.name.clone().unwrap_or_default();
    let uri = step.uri.clone().unwrap_or_default();
    let is_error = |result: Result<(), ServiceError>| result.is_err();
    Ok(match step.action.as_str() {
        "list_tools" => {
            let result = client.list_tools(None).await.map(drop);
            ("tools/list".to_owned(), is_error(result))
        }
        "call_tool" => {
            let request =
                CallToolRequestParams::new(name.clone()).with_arguments(step.arguments.clone());
            let result = client.call_tool(request).await;
            let failed = result.map_or(true, |result| result.is_error == Some(true));
            (format!("tools/call {name}"), failed)
        }
        "list_resources" => {
            let result = client.list_resources(None).await.map(drop);
            ("resources/list".to_owned(), is_error(result))
        }
        "read_resource" => {
            let request = ReadResourceRequestParams::new(uri);
            let result = client.read_resource(request).await.map(drop);
            ("resources/read".to_owned(), is_error(result))
        }
        "list_prompts" => {
            let result = client.list_prompts(None).await.map(drop);
            ("prompts/list".to_owned(), is_error(result))
        }
        "get_prompt" => {
            let mut request = GetPromptRequestParams::new(name.clone());
            request.arguments = Some(step.arguments.clone());
            let result = client.get_prompt(request).await.map(drop);
            (format!("prompts/get {name}"), is_error(result))
        }
        other => anyhow::bail!("rmcp-client cannot {other}"),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let file = std::env::args().nth(1).context("rmcp-client PLAN")?;
    let plan: Plan = serde_json::from_slice(&fs::read(file)?)?;
    let mut tally = Tally {
        pid: std::process::id(),
        ..Tally::default()
    };
    for _ in 0..plan.sessions {
        let client = connect(&plan).await?;
        tally.sessions += 1;
        if let Some(info) = client.peer_info() {
            tally.revision = Some(info.protocol_version.to_string());
            tally.server = info.server_info.as_ref().map(|server| server.name.clone());
        }
        for step in &plan.steps {
            for _ in 0..step.times.unwrap_or(1) {
                let (name, failed) = call(&client, step).await?;
                *tally.calls.entry(name).or_insert(0) += 1;
                tally.errors += u64::from(failed);
            }
        }
        client.cancel().await?;
    }
    println!("{}", serde_json::to_string(&tally)?);
    Ok(())
}
