//! `watch`: events of the running agent, as they happen.

use std::io::{self, Write};

use crate::config::Config;
use crate::control::{AskError, Client, Happened, Happening, Query};

/// Arguments of `watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// Prints events until the agent ends, or nobody reads them any more.
pub fn run(args: &Args, config: &Config) -> Result<(), AskError> {
    let mut client = Client::connect(&config.agent.control_socket)?;
    client.ask(&Query::Watch)?;
    eprintln!("watching; Ctrl-C ends it");
    let mut out = io::stdout().lock();
    while let Some(event) = client.event()? {
        let text = if args.json {
            // Every key is text, so it is always JSON.
            serde_json::to_string(&event).unwrap_or_default() + "\n"
        } else {
            render_text(&event)
        };
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// The event for people: one line, or one per prefix.
pub fn render_text(event: &Happened) -> String {
    let time = &event.time;
    let line = |words: String| format!("{time} {words}\n");
    let each = |prefixes: &[ipnet::IpNet], words: String| {
        prefixes
            .iter()
            .map(|prefix| line(format!("{prefix} {words}")))
            .collect()
    };
    match &event.what {
        Happening::Session {
            peer,
            from,
            to,
            reason,
        } => {
            let why = reason.as_ref().map(|why| format!(": {why}"));
            line(format!(
                "session {peer} {from} -> {to}{}",
                why.unwrap_or_default()
            ))
        }
        Happening::Advertised { peer, prefixes } => each(prefixes, format!("advertised to {peer}")),
        Happening::Withdrawn { peer, prefixes } => each(prefixes, format!("withdrawn from {peer}")),
        Happening::EndOfRib { peer, family } => {
            line(format!("session {peer} has told all of {family}"))
        }
        Happening::Learned { prefix, paths } => {
            let via = |path: &crate::control::RouteLine| {
                let hops: Vec<_> = path.nexthops.iter().map(|hop| hop.ip.to_string()).collect();
                let from = path.peer.as_deref().unwrap_or("-");
                format!("via {} from {from}", hops.join(" "))
            };
            let paths: Vec<_> = paths.iter().map(via).collect();
            line(format!("{prefix} learned {}", paths.join(", ")))
        }
        Happening::Lost { prefix } => line(format!("{prefix} lost")),
        Happening::Converged { family } => {
            line(format!("{family}: every neighbor has told all it has"))
        }
        Happening::PrefixLimit {
            peer,
            count,
            limit,
            refused,
        } => {
            let more = if *refused { "; more are not taken" } else { "" };
            line(format!(
                "session {peer} teaches {count} of {limit} prefixes{more}"
            ))
        }
        Happening::PeerVanished { peer } => line(format!("session {peer} is gone")),
        Happening::Withheld {
            peer,
            family,
            reason,
        } => line(format!("session {peer} is not sent {family}: {reason}")),
        Happening::UpdateErrors { peer, errors } => line(format!(
            "session {peer} sent an UPDATE with errors: {}",
            errors.join("; ")
        )),
        Happening::Reload { report } => line(format!("reload: {}", report.join("; "))),
        Happening::Drain { on: true } => line("draining".to_owned()),
        Happening::Drain { on: false } => line("not draining any more".to_owned()),
        Happening::Note { text } => line(text.clone()),
        Happening::Missed { count } => line(format!(
            "{count} events were missed: this reader is too slow"
        )),
    }
}
