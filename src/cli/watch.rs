//! `watch`: events of the running agent, as they happen.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::IpAddr;

use super::show;
use crate::config::Config;
use crate::control::{AskError, Client, Happened, Happening, Query, RouteLine};

/// Arguments of `watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Only what happens in the tenant's table of this VNI (EVPN)
    #[arg(long, value_name = "NUMBER")]
    pub vni: Option<u32>,
}

/// Prints events until the agent ends, or nobody reads them any more.
pub fn run(args: &Args, config: &Config) -> Result<(), AskError> {
    let mut client = Client::connect(&config.agent.control_socket)?;
    client.ask(&Query::Watch)?;
    eprintln!("watching; Ctrl-C ends it");
    let mut out = io::stdout().lock();
    while let Some(event) = client.event()? {
        if args.vni.is_some_and(|vni| event.what.vni() != Some(vni)) {
            continue;
        }
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
    let lines = match &event.what {
        Happening::Advertised { peer, prefixes } => {
            each(prefixes, &format!("advertised to {peer}"))
        }
        Happening::Withdrawn { peer, prefixes } => {
            each(prefixes, &format!("withdrawn from {peer}"))
        }
        Happening::Learned { .. }
        | Happening::Lost { .. }
        | Happening::FibInstalled { .. }
        | Happening::FibRemoved { .. }
        | Happening::FibRefused { .. } => vec![of_route(&event.what)],
        Happening::Session { .. }
        | Happening::Bfd { .. }
        | Happening::EndOfRib { .. }
        | Happening::PrefixLimit { .. }
        | Happening::PeerVanished { .. }
        | Happening::Withheld { .. }
        | Happening::UpdateErrors { .. } => vec![of_neighbour(&event.what)],
        Happening::EvpnAdvertised { peer, routes } => {
            each(routes, &format!("advertised to {peer}"))
        }
        Happening::EvpnWithdrawn { peer, routes } => {
            each(routes, &format!("withdrawn from {peer}"))
        }
        Happening::EvpnPrefix { .. }
        | Happening::EvpnHost { .. }
        | Happening::EvpnFlood { .. }
        | Happening::EvpnDuplicate { .. } => vec![of_tenant(&event.what)],
        Happening::Converged { family } => {
            vec![format!("{family}: every neighbor has told all it has")]
        }
        Happening::Reload { report } => vec![format!("reload: {}", report.join("; "))],
        Happening::Drain { on: true } => vec!["draining".to_owned()],
        Happening::Drain { on: false } => vec!["not draining any more".to_owned()],
        Happening::Note { text } => vec![text.clone()],
        Happening::Missed { count } => {
            vec![format!(
                "{count} events were missed: this reader is too slow"
            )]
        }
    };
    let time = &event.time;
    let line = |words: String| format!("{time} {words}\n");
    lines.into_iter().map(line).collect()
}

fn each(routes: &[impl Display], words: &str) -> Vec<String> {
    routes
        .iter()
        .map(|route| format!("{route} {words}"))
        .collect()
}

fn of_tenant(what: &Happening) -> String {
    match what {
        Happening::EvpnPrefix { vni, prefix, vteps } => {
            format!("vni {vni} {prefix} {}", behind(vteps))
        }
        Happening::EvpnHost {
            vni,
            mac,
            vtep,
            addresses,
        } => {
            let addresses: String = addresses.iter().map(|ip| format!(" {ip}")).collect();
            let behind = behind(vtep.as_slice());
            format!("vni {vni} {mac}{addresses} {behind}")
        }
        Happening::EvpnFlood { vni, vteps } => format!("vni {vni} floods, {}", behind(vteps)),
        Happening::EvpnDuplicate { vni, mac } => format!(
            "vni {vni} {mac} moves too often: it is on two nodes, or there is a loop; its moves are told no more for three minutes"
        ),
        _ => String::new(),
    }
}

fn behind(vteps: &[IpAddr]) -> String {
    if vteps.is_empty() {
        return "behind no VTEP".to_owned();
    }
    let vteps: Vec<_> = vteps.iter().map(ToString::to_string).collect();
    format!("behind {}", vteps.join(", "))
}

fn because(reason: Option<&String>) -> String {
    reason.map_or_else(String::new, |why| format!(": {why}"))
}

fn of_route(what: &Happening) -> String {
    match what {
        Happening::Learned { prefix, paths } => {
            let paths: Vec<_> = paths.iter().map(via).collect();
            format!("{prefix} learned {}", paths.join(", "))
        }
        Happening::Lost { prefix } => format!("{prefix} lost"),
        Happening::FibInstalled {
            prefix,
            next_hops,
            source,
        } => {
            let source = source.map_or_else(String::new, |source| format!(" src {source}"));
            let hops = show::hops(next_hops);
            format!("{prefix} installed in the kernel: {hops}{source}")
        }
        Happening::FibRemoved { prefix, reason } => {
            format!(
                "{prefix} removed from the kernel{}",
                because(reason.as_ref())
            )
        }
        Happening::FibRefused { prefix, reason } => {
            format!("{prefix} refused by the kernel: {reason}")
        }
        _ => String::new(),
    }
}

fn via(path: &RouteLine) -> String {
    let hops: Vec<_> = path.nexthops.iter().map(|hop| hop.ip.to_string()).collect();
    let from = path.peer.as_deref().unwrap_or("-");
    format!("via {} from {from}", hops.join(" "))
}

fn of_neighbour(what: &Happening) -> String {
    match what {
        Happening::Session {
            peer,
            from,
            to,
            reason,
        } => format!("session {peer} {from} -> {to}{}", because(reason.as_ref())),
        Happening::Bfd {
            peers,
            path,
            from,
            to,
            reason,
            failed,
        } => {
            let why = because(reason.as_ref());
            let failed = if *failed { "; the path has failed" } else { "" };
            format!(
                "bfd {} ({path}) {from} -> {to}{why}{failed}",
                peers.join(", ")
            )
        }
        Happening::EndOfRib { peer, family } => format!("session {peer} has told all of {family}"),
        Happening::PrefixLimit {
            peer,
            count,
            limit,
            refused,
        } => {
            let more = if *refused { "; more are not taken" } else { "" };
            format!("session {peer} teaches {count} of {limit} prefixes{more}")
        }
        Happening::PeerVanished { peer } => format!("session {peer} is gone"),
        Happening::Withheld {
            peer,
            family,
            reason,
        } => format!("session {peer} is not sent {family}: {reason}"),
        Happening::UpdateErrors { peer, errors } => {
            let errors = errors.join("; ");
            format!("session {peer} sent an UPDATE with errors: {errors}")
        }
        _ => String::new(),
    }
}
