//! `explain`: every step of the way for one address.

use std::net::IpAddr;

use super::table::{table, text};
use crate::config::Config;
use crate::control::{self, AskError, Explanation, Query, Verdict};

/// Arguments of `explain`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// The address
    pub ip: IpAddr,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Asks the running agent, and renders its explanation.
pub fn run(args: &Args, config: &Config) -> Result<String, AskError> {
    let query = Query::Explain { ip: args.ip };
    let reply = control::ask(&config.agent.control_socket, &query)?;
    Ok(super::show::render(&reply, args.json))
}

/// The explanation as JSON.
pub fn render_json(explanation: &Explanation) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(explanation)
}

/// The explanation for people: the sentence first, then the steps in order.
pub fn render_text(explanation: &Explanation) -> String {
    let mut steps = table(&["", "step", "detail"]);
    for step in &explanation.steps {
        let mark = match step.verdict {
            Verdict::Ok => "ok",
            Verdict::No => "NO",
            Verdict::Unknown => "?",
        };
        steps.add_row([mark, &step.step, &step.detail]);
    }
    format!("{}\n\n{}", explanation.verdict, text(&steps))
}
