//! The command line.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::answer::Answer;
use crate::api::Api;
use crate::format::{self, Asked, Format, Paper};
use crate::view::{self, View};
use crate::{page, place, policy, report, show, sql};

const EXAMPLES: &str = "\
Examples:
  gnomon servers                         what is there, the worst first to look at
  gnomon sessions --verdict shadow       who goes round the gateway
  gnomon findings                        what to decide on, the worst first
  gnomon show finding ID                 what it is about, with its history
  gnomon calls --session ID --limit 50   what was called in one session
  gnomon sessions --since 24h --format csv > sessions.csv
  gnomon sql \"SELECT host, count() FROM sessions GROUP BY host\"
  gnomon policy apply policy.toml
  gnomon page                            a link to the same in a browser
  gnomon report --period 30d --out report.html

The collector is found by --api and --token-file, else by GNOMON_API and GNOMON_TOKEN_FILE, else
by the .gnomon folder that `make run` leaves in a checkout, above the current folder or above this
program. Exit status: 0 fine, 1 failure, 2 wrong usage.";

/// How long an answer may take, seconds; the collector gives up on a question long before.
const TIMEOUT_S: u64 = 60;

/// Ask the inventory of MCP servers, sessions and calls.
#[derive(Debug, Parser)]
#[command(name = "gnomon", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Command {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

/// What every command takes.
#[derive(Args, Debug)]
struct Common {
    /// Address of the collector's API, such as http://127.0.0.1:4401
    #[arg(long, global = true, value_name = "URL")]
    api: Option<String>,
    /// File with the API's token
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long to wait for the collector's answer, in seconds [default: 60; of a report: 300]
    #[arg(long, global = true, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
    /// How to print [default: table; of a report: html]
    #[arg(long, global = true, value_enum)]
    format: Option<Asked>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// MCP servers, over all hosts
    Servers(view::servers::Filters),
    /// MCP sessions: which client speaks to which server, and whether it may
    Sessions(view::sessions::Filters),
    /// Requests made in sessions
    Calls(view::calls::Filters),
    /// What listens on the hosts, where MCP was seen on it, and who can reach it
    Listeners(view::listeners::Filters),
    /// What is worth a decision: shadow servers, exposed listeners, gaps
    Findings(view::findings::Filters),
    /// All that is known of one server or finding
    Show {
        /// What to show
        #[command(subcommand)]
        action: show::Action,
    },
    /// Tool definitions: every version of each, by digest
    Tools(view::tools::Filters),
    /// Sensors and how they do; their probes off or on
    Sensors(view::sensors::Asked),
    /// What sensors read, what they cannot, and why
    Coverage(view::coverage::Filters),
    /// Ask in SQL; read-only and bounded
    Sql(sql::Question),
    /// A link to the page, for a browser
    Page(page::Page),
    /// What a period brought, for whoever has to decide: a page, or JSON
    Report(report::Wanted),
    /// Show or change the policy that verdicts are made by
    Policy {
        /// What to do with it
        #[command(subcommand)]
        action: policy::Action,
    },
}

impl Command {
    /// Does what is asked for.
    pub(crate) fn run(self) -> Result<()> {
        let Common {
            api,
            token_file,
            timeout,
            format: asked,
        } = self.common;
        let format = match (&self.action, asked) {
            // Before anything is asked of the collector.
            (Action::Report(_), _) => {
                if let Err(wrong) = report::form(asked) {
                    usage(wrong);
                }
                Format::Table
            }
            (_, None | Some(Asked::Table)) => Format::Table,
            (_, Some(Asked::Json)) => Format::Json,
            (_, Some(Asked::Csv)) => Format::Csv,
            (_, Some(Asked::Html | Asked::Pdf)) => {
                usage("html is for reports: print rows as table, json or csv")
            }
        };
        let place = place::find(api, token_file)?;
        let usual_s = match self.action {
            Action::Report(_) => report::TIMEOUT_S,
            _ => TIMEOUT_S,
        };
        let api = Api::at(place, timeout.unwrap_or(usual_s));
        match self.action {
            Action::Servers(filters) => list(&api, &view::servers::VIEW, &filters.pairs(), format),
            Action::Sessions(filters) => {
                list(&api, &view::sessions::VIEW, &filters.pairs(), format)
            }
            Action::Calls(filters) => list(&api, &view::calls::VIEW, &filters.pairs(), format),
            Action::Listeners(filters) => {
                list(&api, &view::listeners::VIEW, &filters.pairs(), format)
            }
            Action::Findings(filters) => {
                list(&api, &view::findings::VIEW, &filters.pairs(), format)
            }
            Action::Show { action } => action.run(&api, format),
            Action::Tools(filters) => list(&api, &view::tools::VIEW, &filters.pairs(), format),
            Action::Sensors(view::sensors::Asked {
                action: Some(action),
                ..
            }) => action.run(&api, format),
            Action::Sensors(asked) => {
                list(&api, &view::sensors::VIEW, &asked.filters.pairs(), format)
            }
            Action::Coverage(filters) => {
                list(&api, &view::coverage::VIEW, &filters.pairs(), format)
            }
            Action::Sql(question) => {
                // Its own LIMIT cuts nothing that was asked for; over the collector's limit is an error.
                let mut answer = question.ask(&api)?;
                answer.truncated = false;
                print(&answer, &sql::VIEW, format)
            }
            Action::Page(page) => page.run(&api, format),
            Action::Report(wanted) => wanted.run(&api, asked),
            Action::Policy { action } => action.run(&api, format),
        }
    }
}

/// Ends as clap does where a command line is wrong: exit status 2.
fn usage(what: &str) -> ! {
    Command::command()
        .error(ErrorKind::InvalidValue, what)
        .exit()
}

fn list(api: &Api, view: &View, filters: &[(&str, String)], format: Format) -> Result<()> {
    print(&api.list(view.name, filters)?, view, format)
}

fn print(answer: &Answer, view: &View, format: Format) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => format::table::write(&mut out, answer, view, &Paper::of_stdout())?,
        Format::Json => format::json::write(&mut out, answer)?,
        Format::Csv => format::csv::write(&mut out, answer)?,
    }
    out.flush()?;
    if answer.truncated {
        let rows = answer.rows.len();
        crate::say(&format!(
            "only the first {rows} rows are shown; narrow it by filters, or raise --limit"
        ));
    } else if answer.rows.is_empty() && io::stderr().is_terminal() {
        crate::say("nothing was found");
    }
    Ok(())
}
