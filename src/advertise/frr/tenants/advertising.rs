//! Router advertisements that FRR's zebra sends.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

use ipnet::Ipv6Net;

use crate::advertise::frr::leaking::Block;
use crate::advertise::frr::running::Running;
use crate::router_advertisement::{Advertisement, Assignment};

const MANAGED: &str = "ipv6 nd managed-config-flag";
const SENT: &str = "no ipv6 nd suppress-ra";
const PREFIX: &str = "ipv6 nd prefix ";
const SERVER: &str = "ipv6 nd rdnss ";

/// The commands that are missing on the devices, and those that take away what is ours and not wanted.
pub(super) fn difference(
    advertisements: &BTreeMap<Arc<str>, Advertisement>,
    running: &Running,
) -> Vec<String> {
    let ours = running.interfaces().map(|(name, _)| name);
    let leftovers =
        ours.filter(|name| is_tenant_device(name) && !advertisements.contains_key(*name));
    let mut commands: Vec<String> = leftovers
        .flat_map(|name| removal(name, running.interface(name)))
        .collect();
    for (device, advertisement) in advertisements {
        commands.extend(missing(device, advertisement, running.interface(device)));
    }
    commands
}

fn missing(device: &str, advertisement: &Advertisement, running: &[String]) -> Vec<String> {
    let mut block = Block::new(format!("interface {device}"));
    let has = |line: &str| running.iter().any(|there| there == line);
    if !has(MANAGED) {
        block.line(MANAGED.to_owned());
    }
    let there: BTreeMap<Ipv6Net, &str> = values(running, PREFIX).collect();
    for (prefix, assignment) in &advertisement.prefixes {
        let autonomous = there
            .get(prefix)
            .map(|options| !options.contains("no-autoconfig"));
        if autonomous != Some(*assignment == Assignment::Autonomous) {
            block.line(prefix_line(prefix, *assignment));
        }
    }
    let stale = there
        .keys()
        .filter(|prefix| !advertisement.prefixes.contains_key(*prefix));
    stale.for_each(|prefix| block.line(format!("no {PREFIX}{prefix}")));
    let there: BTreeMap<Ipv6Addr, &str> = values(running, SERVER).collect();
    let servers = advertisement.told_servers();
    for server in servers.iter().filter(|server| !there.contains_key(*server)) {
        block.line(format!("{SERVER}{server}"));
    }
    let stale = there.keys().filter(|server| !servers.contains(server));
    stale.for_each(|server| block.line(format!("no {SERVER}{server}")));
    // Last, so that the first one says it all.
    if !has(SENT) {
        block.line(SENT.to_owned());
    }
    block.commands()
}

fn removal(device: &str, running: &[String]) -> Vec<String> {
    let mut block = Block::new(format!("interface {device}"));
    if running.iter().any(|line| line == SENT) {
        block.line("ipv6 nd suppress-ra".to_owned());
    }
    for (prefix, _) in values::<Ipv6Net>(running, PREFIX) {
        block.line(format!("no {PREFIX}{prefix}"));
    }
    for (server, _) in values::<Ipv6Addr>(running, SERVER) {
        block.line(format!("no {SERVER}{server}"));
    }
    if running.iter().any(|line| line == MANAGED) {
        block.line(format!("no {MANAGED}"));
    }
    block.commands()
}

fn prefix_line(prefix: &Ipv6Net, assignment: Assignment) -> String {
    match assignment {
        Assignment::Dhcp => format!("{PREFIX}{prefix} no-autoconfig"),
        Assignment::Autonomous => format!("{PREFIX}{prefix}"),
    }
}

/// What follows the words in each line that begins with them: a value, and the rest.
fn values<'a, T: std::str::FromStr>(
    lines: &'a [String],
    words: &'a str,
) -> impl Iterator<Item = (T, &'a str)> {
    lines.iter().filter_map(move |line| {
        let rest = line.strip_prefix(words)?;
        let (value, options) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((value.parse().ok()?, options))
    })
}

/// `vrf` and the first eleven characters of a localnet port's uuid (upstream.md 5.2.3).
fn is_tenant_device(name: &str) -> bool {
    let Some(uuid) = name.strip_prefix("vrf").map(str::as_bytes) else {
        return false;
    };
    let hexadecimal = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    matches!(uuid, [first @ .., b'-', a, b]
        if first.len() == 8 && first.iter().chain([a, b]).all(hexadecimal))
}
