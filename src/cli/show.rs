//! `show`: the state of the running agent.

use clap::Subcommand;
use serde::Serialize;

use super::table::{or_dash, table, text};
use crate::config::Config;
use crate::control::{
    self, Advertised, AskError, ExposureList, Neighbors, Query, Reply, Routes, Summary,
};

/// Arguments of `show`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum What {
    /// The agent at a glance
    Summary,
    /// BGP neighbours
    Neighbors,
    /// BGP routes
    Routes,
    /// Exposures, and whether they are wired and advertised
    Exposures,
}

impl What {
    /// The question behind it.
    pub fn query(self) -> Query {
        match self {
            Self::Summary => Query::Summary,
            Self::Neighbors => Query::Neighbors,
            Self::Routes => Query::Routes,
            Self::Exposures => Query::Exposures,
        }
    }
}

/// Asks the running agent, and renders its answer.
pub fn run(args: &Args, config: &Config) -> Result<String, AskError> {
    let reply = control::ask(&config.agent.control_socket, &args.what.query())?;
    Ok(render(&reply, args.json))
}

/// The answer as JSON with a line end, or for people.
pub(super) fn render(reply: &Reply, json: bool) -> String {
    if !json {
        return render_text(reply);
    }
    // Every map of a reply has keys of text, so it is always JSON.
    render_json(reply).map_or_else(|error| error.to_string(), |text| text + "\n")
}

/// The answer as JSON: its body alone.
pub fn render_json(reply: &Reply) -> Result<String, serde_json::Error> {
    fn pretty(body: &impl Serialize) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(body)
    }
    match reply {
        Reply::Summary(body) => pretty(body),
        Reply::Neighbors(body) => pretty(body),
        Reply::Routes(body) => pretty(body),
        Reply::Exposures(body) => pretty(body),
        Reply::Explain(body) => pretty(body),
        Reply::Taken(body) => pretty(body),
        Reply::Error(why) => pretty(why),
    }
}

/// The answer for people.
pub fn render_text(reply: &Reply) -> String {
    match reply {
        Reply::Summary(body) => summary(body),
        Reply::Neighbors(body) => neighbors(body),
        Reply::Routes(body) => routes(body),
        Reply::Exposures(body) => exposures(body),
        Reply::Explain(body) => super::explain::render_text(body),
        Reply::Taken(body) => format!("{} prefixes\n", body.prefixes),
        Reply::Error(why) => format!("{why}\n"),
    }
}

fn summary(s: &Summary) -> String {
    let mut lines = table(&[]);
    let mut line = |name: &str, value: String| {
        lines.add_row([name.to_owned(), value]);
    };
    line("version", s.version.clone());
    if let Some(agent) = &s.agent {
        line(
            "chassis",
            format!("{} ({})", agent.chassis_name, agent.chassis_id),
        );
        line(
            "driver",
            format!(
                "{}, exposing method {}",
                agent.driver, agent.exposing_method
            ),
        );
    }
    line("up", duration(s.uptime_msec));
    line(
        "BGP",
        format!("AS {}, router-id {}", s.asn, or_dash(s.router_id)),
    );
    line(
        "neighbors",
        format!("{} of {} established", s.peers_established, s.peers_total),
    );
    if let Some(agent) = &s.agent {
        for (name, state) in &agent.databases {
            line(name, state.clone());
        }
        line(
            "exposures",
            format!("{}, {} withheld", agent.exposures, agent.withheld),
        );
        line("changes applied", agent.changes_applied.to_string());
    }
    line("problem", or_dash(s.problem.as_ref()));
    text(&lines)
}

fn neighbors(neighbors: &Neighbors) -> String {
    let mut rows = table(&[
        "neighbor",
        "address",
        "AS",
        "state",
        "up",
        "msg rcvd",
        "msg sent",
        "pfx rcvd",
        "pfx sent",
        "last reset",
    ]);
    for (name, n) in neighbors {
        rows.add_row([
            name.clone(),
            n.address.map_or_else(|| "-".to_owned(), |a| a.to_string()),
            n.remote_as.to_string(),
            n.state.clone(),
            duration(n.peer_uptime_msec),
            n.msg_rcvd.to_string(),
            n.msg_sent.to_string(),
            n.pfx_rcd.to_string(),
            n.pfx_snt.to_string(),
            or_dash(n.last_reset_due_to.as_ref()),
        ]);
    }
    text(&rows)
}

fn routes(routes: &Routes) -> String {
    let mut rows = table(&["", "prefix", "next hop", "from", "AS path", "advertised to"]);
    for r in &routes.routes {
        rows.add_row([
            if r.best { "*>" } else { "*" }.to_owned(),
            r.prefix.to_string(),
            or_dash(r.nexthop),
            r.peer.clone().unwrap_or_else(|| "local".into()),
            r.path.clone(),
            r.advertised_to.join(", "),
        ]);
    }
    text(&rows)
}

fn exposures(list: &ExposureList) -> String {
    let mut rows = table(&[
        "prefix",
        "kind",
        "port",
        "bridge",
        "vlan",
        "wired",
        "advertised",
        "reason",
    ]);
    for e in &list.exposures {
        let advertised = match e.advertised {
            Advertised::Yes => "yes",
            Advertised::Waiting => "waiting",
            Advertised::NoNeighbor => "no neighbor",
        };
        rows.add_row([
            e.prefix.to_string(),
            e.kind.clone(),
            e.port.clone(),
            e.bridge.clone(),
            or_dash(e.vlan),
            if e.wired { "yes" } else { "no" }.to_owned(),
            advertised.to_owned(),
            e.reason.clone(),
        ]);
    }
    text(&rows)
}

/// `1d02:03:04`, without the days when there is none.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days == 0 {
        clock
    } else {
        format!("{days}d{clock}")
    }
}
