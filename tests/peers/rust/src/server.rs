//! A small server on rmcp: rmcp-server stdio | http PORT.

use std::sync::Arc;

use anyhow::{Context, Result};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::{
        stdio,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};
use serde_json::json;

#[derive(Clone)]
struct Probe;

impl ServerHandler for Probe {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("probe-rmcp-server", "3.9.0"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        });
        let schema: JsonObject = schema.as_object().cloned().unwrap_or_default();
        let sum = Tool::new("sum", "Adds two numbers", Arc::new(schema));
        Ok(ListToolsResult::with_all_items(vec![sum]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let number = |name: &str| arguments.get(name).and_then(serde_json::Value::as_i64);
        match (number("a"), number("b")) {
            (Some(a), Some(b)) if request.name == "sum" => {
                let text = (a + b).to_string();
                Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
            }
            _ => Err(ErrorData::invalid_params("sum of a and b", None)),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("stdio") => {
            Probe.serve(stdio()).await?.waiting().await?;
        }
        Some("http") => {
            let port: u16 = arguments.next().context("a port")?.parse()?;
            let service: StreamableHttpService<Probe, LocalSessionManager> =
                StreamableHttpService::new(
                    || Ok(Probe),
                    Arc::default(),
                    StreamableHttpServerConfig::default(),
                );
            let router = axum::Router::new().nest_service("/mcp", service);
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
            axum::serve(listener, router).await?;
        }
        _ => anyhow::bail!("rmcp-server stdio | http PORT"),
    }
    Ok(())
}
