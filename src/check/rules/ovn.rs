//! Whether OVN and this node mean the same: names, address scopes, subnets.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::Findings;
use crate::check::Code;
use crate::check::facts::{Exposed, NodeFacts};
use crate::config::{Config, Driver, ExposingMethod};

/// Of many like findings so many are told one by one.
const AT_MOST: usize = 10;

pub(super) fn judge(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    chassis(facts, found);
    if !facts.cloud.is_read {
        return;
    }
    if config.agent.driver == Driver::Northbound {
        spelling(facts, found);
        if facts.cloud.fip_mode_unset {
            found.info(
                Code::FipModeUnset,
                "NB_Global external_ids:neutron:fip-distributed",
                "is not set: floating IPs count as distributed",
                "start neutron-server, whose maintenance task writes it within minutes",
            );
        }
    }
    scopes(facts, config, found);
    // Stretched networks and VRFs keep tenants apart by other means.
    let shared = config.agent.exposing_method == ExposingMethod::Underlay
        && config.agent.driver != Driver::StretchedL2;
    if shared {
        overlaps(&facts.cloud.exposed, found);
        twice(&facts.cloud.exposed, found);
    }
}

/// The name by which ports are bound here.
fn own_name(facts: &NodeFacts) -> Option<&str> {
    let given = facts.external_ids.get("hostname").map(String::as_str);
    given.or(facts.machine.hostname.as_deref())
}

fn chassis(facts: &NodeFacts, found: &mut Findings) {
    let (Some(chassis), Some(id)) = (&facts.cloud.chassis, facts.external_ids.get("system-id"))
    else {
        return;
    };
    let place = format!("OVN_Southbound Chassis {id}");
    let Some(hostname) = chassis.get(id) else {
        let own = own_name(facts).unwrap_or_default();
        let alike = chassis.iter().find(|(_, host)| host.as_str() == own);
        let hint = alike.map(|(name, _)| format!("; the chassis of host {own} is {name}"));
        let problem = format!("does not exist{}", hint.unwrap_or_default());
        let remedy = "start ovn-controller; external_ids:system-id must be the name it registers with (system-id.conf)";
        return found.error(Code::ChassisMissing, &place, problem, remedy);
    };
    if let Some(own) = own_name(facts)
        && !hostname.is_empty()
        && hostname != own
    {
        found.warning(
            Code::HostnameDiffers,
            &place,
            format!("its hostname is {hostname}, this node's is {own}"),
            format!("ovs-vsctl set open . external_ids:hostname={hostname}, if that is its name in Neutron; else restart ovn-controller"),
        );
    }
}

/// Ports are bound by name, letter by letter.
fn spelling(facts: &NodeFacts, found: &mut Findings) {
    let hosts = &facts.cloud.hosts;
    let id = facts.external_ids.get("system-id").map(String::as_str);
    let Some(own) = own_name(facts) else {
        return;
    };
    if hosts.contains_key(own) || id.is_some_and(|id| hosts.contains_key(id)) {
        return;
    }
    let short = |name: &str| {
        let first = name.split('.').next().unwrap_or_default();
        first.to_ascii_lowercase()
    };
    let alike = hosts.iter().find(|(host, _)| short(host) == short(own));
    if let Some((other, ports)) = alike {
        found.error(
            Code::HostnameSpelling,
            "Open_vSwitch external_ids:hostname",
            format!("is {own}; {ports} ports are bound to {other}, none to {own}"),
            format!("ovs-vsctl set open . external_ids:hostname={other}"),
        );
    }
}

fn scopes(facts: &NodeFacts, config: &Config, found: &mut Findings) {
    let known = &facts.cloud.scopes;
    let plain = |text: &str| text.replace('-', "").to_ascii_lowercase();
    for scope in &config.agent.address_scopes {
        if known.contains(scope) {
            continue;
        }
        let like = known.iter().find(|other| plain(other) == plain(scope));
        let remedy = match like {
            Some(like) => format!("write it as OVN does: {like}"),
            None => "compare with openstack address scope list; its subnets must be on a router"
                .to_owned(),
        };
        let problem =
            format!("{scope} is the scope of no router port: nothing is exposed because of it");
        found.warning(
            Code::AddressScopeUnknown,
            "[DEFAULT] address_scopes",
            problem,
            remedy,
        );
    }
}

/// Subnets that overlap share the rules of one table: only hosts that are exposed one by one can be told apart.
fn overlaps(exposed: &[Exposed], found: &mut Findings) {
    let mut subnets: BTreeMap<(IpNet, &str), &str> = BTreeMap::new();
    for one in exposed {
        if let Some(subnet) = one.subnet {
            subnets.entry((subnet, &one.way)).or_insert(&one.port);
        }
    }
    let all: Vec<_> = subnets.into_iter().collect();
    let mut pairs = Vec::new();
    for (index, ((subnet, way), port)) in all.iter().enumerate() {
        // Sorted by address: what follows and is not inside comes after it.
        let inside = all
            .iter()
            .skip(index + 1)
            .take_while(|((other, _), _)| subnet.contains(other));
        for ((other, other_way), other_port) in
            inside.filter(|((_, other_way), _)| way != other_way)
        {
            pairs.push(format!(
                "{subnet} (port {port}, through {way}) and {other} (port {other_port}, through {other_way}) overlap"
            ));
        }
    }
    let remedy = "keep one of them out with address_scopes: a packet to both can only go one way";
    several(
        Code::OverlappingSubnets,
        "tenant networks exposed here",
        pairs,
        remedy,
        found,
    );
}

fn twice(exposed: &[Exposed], found: &mut Findings) {
    let mut ports: BTreeMap<IpNet, Vec<&str>> = BTreeMap::new();
    for one in exposed {
        ports.entry(one.prefix).or_default().push(&one.port);
    }
    let problems = ports.into_iter().filter_map(|(prefix, mut ports)| {
        ports.sort_unstable();
        ports.dedup();
        (ports.len() > 1).then(|| format!("{prefix} is exposed for {}", ports.join(" and ")))
    });
    let remedy =
        "one of them answers; give the other another address, or keep it out with address_scopes";
    several(
        Code::ExposedTwice,
        "addresses exposed here",
        problems.collect(),
        remedy,
        found,
    );
}

fn several(code: Code, place: &str, problems: Vec<String>, remedy: &str, found: &mut Findings) {
    let more = problems.len().saturating_sub(AT_MOST);
    for problem in problems.into_iter().take(AT_MOST) {
        found.warning(code, place, problem, remedy);
    }
    if more > 0 {
        found.warning(code, place, format!("and {more} more like these"), remedy);
    }
}
