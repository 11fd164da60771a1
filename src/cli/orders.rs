//! `drain`, `undrain`, `reset` and `reload`: orders to the running agent.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::control::{
    AskError, Client, Done, DrainOrder, Drained, Query, Reply, ResetOrder, Summary,
};

/// Arguments of `drain`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct DrainArgs {
    /// Seconds until the routes are withdrawn: what neighbours need to move their traffic
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub after: u32,
    /// Never withdraw them: only ask neighbours to prefer other paths
    #[arg(long, conflicts_with_all = ["after", "wait"])]
    pub keep: bool,
    /// Return when they are withdrawn
    #[arg(long)]
    pub wait: bool,
}

/// Arguments of `reset`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ResetArgs {
    /// The neighbour, by its name
    #[arg(required_unless_present = "all")]
    pub name: Option<String>,
    /// Every neighbour
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// Keep the session: ask for its routes again, and tell it ours again
    #[arg(long)]
    pub soft: bool,
    /// What the neighbour is told (RFC 9003)
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "",
        conflicts_with = "soft"
    )]
    pub message: String,
}

/// Between two looks at how far a drain is.
const POLL: Duration = Duration::from_millis(200);
/// How long after the time is up the withdrawals may take.
const GRACE: Duration = Duration::from_secs(30);

/// `drain`.
pub fn drain(args: &DrainArgs, config: &Config) -> Result<String, AskError> {
    let after = Duration::from_secs(args.after.into());
    let withdraw_after_msec = (!args.keep).then_some(u64::from(args.after) * 1000);
    let mut client = Client::connect(&config.agent.control_socket)?;
    let order = Query::Drain(DrainOrder {
        withdraw_after_msec,
    });
    let said = lines(&client.ask(&order)?);
    if !args.wait {
        return Ok(said);
    }
    let deadline = Instant::now() + after + GRACE;
    while Instant::now() < deadline {
        match client.ask(&Query::Summary)? {
            Reply::Summary(summary) if is_drained(&summary) => {
                return Ok("drained: neighbors have none of this node's routes\n".to_owned());
            }
            Reply::Summary(summary) if summary.drain == Drained::No => {
                return Err(AskError::Refused("somebody has undrained the node".into()));
            }
            _ => std::thread::sleep(POLL),
        }
    }
    let why = "the routes are still not withdrawn: see 'show neighbors' for who does not read";
    Err(AskError::Refused(why.into()))
}

/// The routes are withdrawn, and every neighbour has taken that.
fn is_drained(summary: &Summary) -> bool {
    let waits = |peer: &crate::control::NeighborSummary| peer.pfx_snt > 0 || peer.outq > 0;
    summary.drain == Drained::Withdrawn && !summary.peers.values().any(waits)
}

/// `undrain`.
pub fn undrain(config: &Config) -> Result<String, AskError> {
    order(config, &Query::Undrain)
}

/// `reset`.
pub fn reset(args: &ResetArgs, config: &Config) -> Result<String, AskError> {
    let order_it = ResetOrder {
        name: args.name.clone(),
        soft: args.soft,
        words: args.message.clone(),
    };
    order(config, &Query::Reset(order_it))
}

/// Arguments of `reload`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ReloadArgs {
    /// Only print what it would do
    #[arg(long)]
    pub dry_run: bool,
}

/// `reload`.
pub fn reload(args: ReloadArgs, config: &Config) -> Result<String, AskError> {
    let query = if args.dry_run {
        Query::ReloadPreview
    } else {
        Query::Reload
    };
    order(config, &query)
}

fn order(config: &Config, query: &Query) -> Result<String, AskError> {
    let mut client = Client::connect(&config.agent.control_socket)?;
    Ok(lines(&client.ask(query)?))
}

fn lines(reply: &Reply) -> String {
    match reply {
        Reply::Done(Done { lines }) => lines.join("\n") + "\n",
        _ => String::new(),
    }
}
