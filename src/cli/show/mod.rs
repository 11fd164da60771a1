//! `show`: the state of the running agent.

mod bfd;
mod evpn;
mod fib;
pub(super) use fib::hops;
mod neighbors;
mod router_advertisements;
mod routes;

use clap::Subcommand;
use ipnet::IpNet;
use serde::Serialize;

use super::originate::prefix;
use super::table::{duration, or_dash, table, text};
use crate::config::Config;
use crate::control::{
    Advertised, AskError, Client, Drained, EvpnQuery, ExposureList, Neighbors, OfNeighbor, Query,
    Reply, RoutesQuery, Summary,
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
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum What {
    /// The agent at a glance
    Summary,
    /// BGP neighbours
    Neighbors {
        /// Everything about this one
        name: Option<String>,
    },
    /// BGP routes
    Routes(RoutesArgs),
    /// BFD sessions
    Bfd,
    /// Tenants' tables (EVPN): VNIs, routes, remote VTEPs, MAC addresses
    Evpn(EvpnArgs),
    /// Learned routes, and what the kernel has of them
    Fib,
    /// Exposures, and whether they are wired and advertised
    Exposures,
    /// What hosts of provider networks are told of this node as their IPv6 router
    RouterAdvertisements,
}

/// Which routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct RoutesArgs {
    /// Only those that cover this prefix or address
    #[arg(value_parser = prefix)]
    pub prefix: Option<IpNet>,
    /// What this neighbour has taught, in use or not
    #[arg(long, value_name = "NEIGHBOR")]
    pub received: Option<String>,
    /// What this neighbour has been told
    #[arg(long, value_name = "NEIGHBOR", conflicts_with = "received")]
    pub advertised: Option<String>,
}

/// Which tenants' tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct EvpnArgs {
    /// Everything about the table of this VNI
    pub vni: Option<u32>,
    /// Every route too, and why one that neighbours teach is not used
    #[arg(long)]
    pub routes: bool,
}

impl What {
    /// The question behind it.
    pub fn query(&self) -> Query {
        match self {
            Self::Summary => Query::Summary,
            Self::Neighbors { name } => Query::Neighbors { name: name.clone() },
            Self::Routes(args) => Query::Routes(args.query()),
            Self::Bfd => Query::Bfd,
            Self::Evpn(args) => Query::Evpn(EvpnQuery {
                vni: args.vni,
                routes: args.routes,
            }),
            Self::Fib => Query::Fib,
            Self::Exposures => Query::Exposures,
            Self::RouterAdvertisements => Query::RouterAdvertisements,
        }
    }
}

impl RoutesArgs {
    fn query(&self) -> RoutesQuery {
        let received = self.received.clone().map(OfNeighbor::Received);
        let advertised = self.advertised.clone().map(OfNeighbor::Advertised);
        RoutesQuery {
            prefix: self.prefix,
            of: received.or(advertised),
        }
    }
}

/// Asks the running agent, and renders its answer.
pub fn run(args: &Args, config: &Config) -> Result<String, AskError> {
    let mut client = Client::connect(&config.agent.control_socket)?;
    let reply = whole(&mut client, &args.what.query())?;
    if let (What::Neighbors { name: Some(name) }, Reply::Neighbors(neighbors)) =
        (&args.what, &reply)
    {
        if neighbors.is_empty() {
            let why = format!("no neighbor is called '{name}'; 'show neighbors' lists them");
            return Err(AskError::Refused(why));
        }
        if !args.json {
            return Ok(render_detail(neighbors));
        }
    }
    if let (What::Evpn(EvpnArgs { vni: Some(_), .. }), Reply::Evpn(tables), false) =
        (&args.what, &reply, args.json)
    {
        return Ok(evpn::detail(tables));
    }
    Ok(render(&reply, args.json))
}

/// The answer with all its parts.
fn whole(client: &mut Client, query: &Query) -> Result<Reply, AskError> {
    let mut reply = client.ask(query)?;
    while join(&mut reply, None) {
        let part = client.more()?;
        join(&mut reply, Some(part));
    }
    Ok(reply)
}

/// Adds a part; true when another follows.
fn join(reply: &mut Reply, part: Option<Reply>) -> bool {
    match (reply, part) {
        (Reply::Routes(whole), None) => whole.more,
        (Reply::Fib(whole), None) => whole.more,
        (Reply::Evpn(whole), None) => whole.more,
        (Reply::Evpn(whole), Some(Reply::Evpn(part))) => {
            whole.tables.extend(part.tables);
            whole.elsewhere.extend(part.elsewhere);
            std::mem::replace(&mut whole.more, part.more)
        }
        (Reply::Routes(whole), Some(Reply::Routes(part))) => {
            whole.routes.extend(part.routes);
            std::mem::replace(&mut whole.more, part.more)
        }
        (Reply::Fib(whole), Some(Reply::Fib(part))) => {
            whole.fib.join(part.fib);
            std::mem::replace(&mut whole.more, part.more)
        }
        _ => false,
    }
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
        Reply::Fib(body) => pretty(body),
        Reply::Bfd(body) => pretty(body),
        Reply::Evpn(body) => pretty(body),
        Reply::Exposures(body) => pretty(body),
        Reply::RouterAdvertisements(body) => pretty(body),
        Reply::Explain(body) => pretty(body),
        Reply::Taken(body) => pretty(body),
        Reply::Watching => pretty(&()),
        Reply::Done(body) => pretty(body),
        Reply::Error(why) => pretty(why),
    }
}

/// Everything about these neighbours, for people.
pub fn render_detail(neighbors: &Neighbors) -> String {
    neighbors::detail(neighbors)
}

/// The answer for people.
pub fn render_text(reply: &Reply) -> String {
    match reply {
        Reply::Summary(body) => summary(body),
        Reply::Neighbors(body) => neighbors::table(body),
        Reply::Routes(body) => routes::table(body),
        Reply::Bfd(body) => bfd::text(body),
        Reply::Evpn(body) => evpn::overview(body),
        Reply::Fib(body) => fib::text(&body.fib),
        Reply::Exposures(body) => exposures(body),
        Reply::RouterAdvertisements(body) => router_advertisements::text(body),
        Reply::Explain(body) => super::explain::render_text(body),
        Reply::Watching => String::new(),
        Reply::Done(body) => body.lines.join("\n") + "\n",
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
        if let Some(frr) = &agent.frr {
            line("FRR", frr.clone());
        }
        line(
            "exposures",
            format!("{}, {} withheld", agent.exposures, agent.withheld),
        );
        if agent.duplicates > 0 {
            let told = format!("{} prefixes have another origin as well", agent.duplicates);
            line("duplicates", told);
        }
        line("changes applied", agent.changes_applied.to_string());
    }
    match s.drain {
        Drained::No => {}
        Drained::Leaving => line(
            "drain",
            "neighbors are asked to prefer other paths".to_owned(),
        ),
        Drained::Withdrawn => line("drain", "the routes are withdrawn".to_owned()),
    }
    line("problem", or_dash(s.problem.as_ref()));
    text(&lines)
}

fn exposures(list: &ExposureList) -> String {
    let mut rows = table(&[
        "prefix",
        "kind",
        "port",
        "bridge",
        "vlan",
        "vni",
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
            or_dash(e.bridge.as_ref()),
            or_dash(e.vlan),
            or_dash(e.vni),
            if e.wired { "yes" } else { "no" }.to_owned(),
            match e.also_from.as_slice() {
                [] => advertised.to_owned(),
                others => format!("{advertised}, also from {}", others.join("; ")),
            },
            match (&e.policy, &e.attributes) {
                (Some(policy), Some(told)) => format!("{}; {told}, by {policy}", e.reason),
                (Some(policy), None) => format!("{}; {policy}", e.reason),
                (None, _) => e.reason.clone(),
            },
        ]);
    }
    text(&rows)
}
