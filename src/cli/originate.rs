//! `originate` and `withdraw`: routes by hand.

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use bgp::wire::{Community, LargeCommunity};
use ipnet::IpNet;
use thiserror::Error;

use crate::config::Config;
use crate::control::{AskError, Attributes, Client, Originate, Query, Reply, Taken, Withdraw};
use crate::mac::MacAddr;

/// Arguments of `originate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub prefixes: Prefixes,
    /// In the tenant's table of this VNI (EVPN)
    #[arg(long, value_name = "NUMBER")]
    pub vni: Option<u32>,
    /// A host of that table, with this MAC address, which has these addresses or none (EVPN type 2)
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "vni",
        conflicts_with = "file"
    )]
    pub mac: Option<MacAddr>,
    /// The host is a default gateway of the network (RFC 7432 section 10.1)
    #[arg(long, requires = "mac")]
    pub default_gateway: bool,
    /// Community, as 65001:100 or graceful-shutdown; may be repeated
    #[arg(long, value_name = "COMMUNITY", value_delimiter = ',')]
    pub community: Vec<Community>,
    /// Large community, as 4200000000:1:2; may be repeated
    #[arg(long, value_name = "COMMUNITY", value_delimiter = ',')]
    pub large_community: Vec<LargeCommunity>,
    /// MULTI_EXIT_DISC
    #[arg(long, value_name = "NUMBER")]
    pub med: Option<u32>,
    /// LOCAL_PREF towards internal neighbours; 100 unless set
    #[arg(long, value_name = "NUMBER")]
    pub local_preference: Option<u32>,
    /// Next hop; the session's own address unless set
    #[arg(long, value_name = "ADDRESS")]
    pub next_hop: Option<IpAddr>,
}

/// Arguments of `withdraw`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct WithdrawArgs {
    #[command(flatten)]
    pub prefixes: Prefixes,
    /// From the tenant's table of this VNI (EVPN)
    #[arg(long, value_name = "NUMBER")]
    pub vni: Option<u32>,
    /// The host of that table with this MAC address, with all its addresses
    #[arg(long, value_name = "ADDRESS", requires = "vni", conflicts_with_all = ["prefix", "file", "all"])]
    pub mac: Option<MacAddr>,
    /// All that was originated by hand, in unicast and tenants' tables; with --vni in that table
    #[arg(long, conflicts_with_all = ["prefix", "file"])]
    pub all: bool,
}

/// Prefixes, from the command line and a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Prefixes {
    /// Prefix; an address stands for its host prefix
    #[arg(value_name = "PREFIX", value_parser = prefix)]
    pub prefix: Vec<IpNet>,
    /// Prefixes, one a line, '#' begins a comment; - is the standard input
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
}

/// What can be wrong with a list of prefixes.
#[derive(Debug, Error)]
pub enum PrefixError {
    #[error("no prefix: name one, or a --file of them")]
    None,
    #[error("{}: {error}", path.display())]
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{} {}; nothing was done:\n{}", problems.len(), if problems.len() == 1 { "line is no prefix" } else { "lines are no prefixes" }, shown(problems))]
    Lines { problems: Vec<String> },
}

/// Why routes by hand were not taken.
#[derive(Debug, Error)]
pub enum OriginateError {
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Lines of a file that are shown when they cannot be read.
const SHOWN: usize = 20;

impl Prefixes {
    /// All of them, in the order given.
    pub fn read(&self) -> Result<Vec<IpNet>, PrefixError> {
        let mut prefixes = self.prefix.clone();
        if let Some(path) = &self.file {
            let text = text_of(path).map_err(|error| PrefixError::Unreadable {
                path: path.clone(),
                error,
            })?;
            prefixes.extend(parse(&text, &path.display().to_string())?);
        }
        if prefixes.is_empty() {
            return Err(PrefixError::None);
        }
        Ok(prefixes)
    }
}

/// `originate`: the answer for people.
pub fn originate(args: &Args, config: &Config) -> Result<String, OriginateError> {
    if let Some(mac) = args.mac {
        return host(args, mac, config);
    }
    let prefixes = args.prefixes.read()?;
    let query = Query::Originate(Originate {
        vni: args.vni,
        attributes: Attributes {
            med: args.med,
            local_preference: args.local_preference,
            next_hop: args.next_hop,
            communities: args.community.clone(),
            large_communities: args.large_community.clone(),
        },
        more: true,
        ..Originate::default()
    });
    let reply = Client::connect(&config.agent.control_socket)?.ask_about(&query, &prefixes)?;
    Ok(format!(
        "{} originated until the agent ends or 'withdraw' says otherwise\n",
        counted(&reply)
    ))
}

fn host(args: &Args, mac: MacAddr, config: &Config) -> Result<String, OriginateError> {
    let query = Query::Originate(Originate {
        prefixes: args.prefixes.prefix.clone(),
        vni: args.vni,
        mac: Some(mac),
        default_gateway: args.default_gateway,
        ..Originate::default()
    });
    Client::connect(&config.agent.control_socket)?.ask(&query)?;
    Ok(format!(
        "host {mac} originated until the agent ends or 'withdraw' says otherwise\n"
    ))
}

/// `withdraw`: the answer for people.
pub fn withdraw(args: &WithdrawArgs, config: &Config) -> Result<String, OriginateError> {
    let path = &config.agent.control_socket;
    let reply = if args.all || args.mac.is_some() {
        let all = Withdraw {
            vni: args.vni,
            mac: args.mac,
            all: args.all,
            ..Withdraw::default()
        };
        Client::connect(path)?.ask(&Query::Withdraw(all))?
    } else {
        let prefixes = args.prefixes.read()?;
        let some = Withdraw {
            vni: args.vni,
            more: true,
            ..Withdraw::default()
        };
        Client::connect(path)?.ask_about(&Query::Withdraw(some), &prefixes)?
    };
    Ok(match (args.mac, &reply) {
        (Some(mac), Reply::Taken(Taken { prefixes: 0 })) => {
            format!("host {mac} was not originated by hand: nothing was withdrawn\n")
        }
        (Some(mac), _) => format!("host {mac} withdrawn\n"),
        (None, _) => format!("{} withdrawn\n", counted(&reply)),
    })
}

fn counted(reply: &Reply) -> String {
    match reply {
        Reply::Taken(Taken { prefixes: 1 }) => "1 prefix".to_owned(),
        Reply::Taken(Taken { prefixes }) => format!("{prefixes} prefixes"),
        _ => "what was asked is".to_owned(),
    }
}

fn text_of(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}

/// The prefixes of a file, or every line that is none.
fn parse(text: &str, place: &str) -> Result<Vec<IpNet>, PrefixError> {
    let (mut prefixes, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let words = line.split_once('#').map_or(line, |(before, _)| before);
        for word in words.split_whitespace() {
            match prefix(word) {
                Ok(prefix) => prefixes.push(prefix),
                Err(why) => problems.push(format!("  {place}:{}: {why}", number + 1)),
            }
        }
    }
    if problems.is_empty() {
        Ok(prefixes)
    } else {
        Err(PrefixError::Lines { problems })
    }
}

/// A prefix as operators write it.
pub(super) fn prefix(word: &str) -> Result<IpNet, String> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let prefix: IpNet = word
        .parse()
        .map_err(|_| format!("'{}' is no prefix", word.escape_debug()))?;
    if prefix.addr() == prefix.network() {
        Ok(prefix)
    } else {
        Err(format!(
            "'{prefix}' has bits set behind its length; write {} or {}",
            prefix.trunc(),
            IpNet::from(prefix.addr()),
        ))
    }
}

fn shown(problems: &[String]) -> String {
    let mut text = problems
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_host_prefix_and_stray_bits_are_refused() {
        assert_eq!(prefix("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(
            prefix("2001:db8::/32").unwrap().to_string(),
            "2001:db8::/32"
        );
        let why = prefix("192.0.2.1/24").unwrap_err();
        assert!(
            why.contains("192.0.2.0/24") && why.contains("192.0.2.1/32"),
            "{why}"
        );
        assert!(prefix("host").is_err());
    }

    #[test]
    fn a_file_has_a_prefix_per_line_and_comments() {
        let text = "# uplinks\n192.0.2.1\n\n192.0.2.2/32 # spare\n";
        assert_eq!(parse(text, "f").unwrap().len(), 2);
    }

    #[test]
    fn every_bad_line_is_named_and_nothing_is_taken() {
        let text = "192.0.2.1\nhost\n192.0.2.1/33\n";
        let error = parse(text, "routes").unwrap_err().to_string();
        assert!(error.contains("routes:2:"), "{error}");
        assert!(error.contains("routes:3:"), "{error}");
        assert!(error.contains("nothing was done"), "{error}");
    }
}
