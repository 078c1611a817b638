//! `gnomon sql`: a question in SQL. What is allowed is the collector's to say.

use clap::Args;

use crate::answer::Answer;
use crate::api::Api;
use crate::view::View;

/// An answer has whatever columns were asked for.
pub(crate) const VIEW: View = View {
    name: "sql",
    columns: Vec::new,
};

const EXAMPLES: &str = "\
Views: sessions, servers, calls, sensors, coverage, listeners, tools, verdicts, findings,
finding_history, policies, remotes, assets, addresses, stats; their columns are in
docs/views.md, or by DESCRIBE.

Examples:
  gnomon sql \"SELECT server, verdict, calls FROM servers ORDER BY calls DESC LIMIT 10\"
  gnomon sql \"SELECT name, count() AS n FROM calls WHERE status != 'ok' GROUP BY name\"
  gnomon sql \"DESCRIBE sessions\" --format json";

/// Read-only, bounded in time, memory and rows.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Question {
    /// The statement
    #[arg(value_parser = statement)]
    query: String,
}

/// A statement has something in it.
fn statement(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("the statement is empty; write it in quotes: gnomon sql \"SELECT …\"");
    }
    Ok(text.to_owned())
}

impl Question {
    /// Asks it.
    pub(crate) fn ask(&self, api: &Api) -> anyhow::Result<Answer> {
        let body = serde_json::json!({ "query": self.query }).to_string();
        api.post("/api/v1/sql", &[], "application/json", body)
    }
}
