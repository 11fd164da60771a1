//! Groups, neighbours and listen ranges.

use std::collections::BTreeMap;

use super::Writer;
use crate::config::frr::model::{At, Bgp, Direction, Family, Kind, Options, Peer, PeerFamily};

impl Writer<'_> {
    pub(super) fn sessions(&mut self, bgp: &Bgp) {
        let mut groups = BTreeMap::new();
        for group in &bgp.groups {
            let said = self.session(bgp, group);
            groups.insert(group.name.as_str(), said);
        }
        let kept: Vec<_> = bgp
            .neighbours
            .iter()
            .filter_map(|peer| Some((peer, self.neighbour(bgp, peer)?)))
            .collect();
        let listening = bgp.ranges.iter().map(|range| range.value.1.as_str());
        let used: Vec<_> = kept
            .iter()
            .filter_map(|(peer, _)| peer.group_name())
            .chain(listening)
            .collect();
        for group in bgp
            .groups
            .iter()
            .filter(|group| used.contains(&group.name.as_str()))
        {
            let section = format!("bgp_group {}", group.name);
            self.out.sections.push((section.clone(), group.line));
            if let Some(options) = groups.get(group.name.as_str()) {
                self.say_all(&section, &compact(options.clone()));
            }
        }
        for (peer, mut options) in kept {
            let section = format!("bgp_neighbor {}", peer.name);
            self.out.sections.push((section.clone(), peer.line));
            if let Some(group) = peer.group_name().and_then(|name| groups.get(name)) {
                options.retain(|option, at| {
                    group
                        .get(option)
                        .is_none_or(|there| there.value != at.value)
                });
            }
            if let Some(At { value, line }) = &peer.group {
                self.say(&section, "group", value.clone(), *line);
            }
            self.say_all(&section, &compact(options));
        }
        self.ranges(bgp);
    }

    fn ranges(&mut self, bgp: &Bgp) {
        for range in &bgp.ranges {
            let (prefix, group) = &range.value;
            let section = format!("bgp_listen {prefix}");
            self.out.sections.push((section.clone(), range.line));
            self.say(&section, "group", group.clone(), range.line);
            if let Some(At { value, line }) = &bgp.listen_limit {
                self.say(&section, "limit", value.clone(), *line);
            }
        }
    }

    /// What a neighbour's section says; `None` when it has no session with this agent.
    fn neighbour(&mut self, bgp: &Bgp, peer: &Peer) -> Option<Options> {
        let name = &peer.name;
        let group = peer.group_name();
        let group = group.and_then(|wanted| bgp.groups.iter().find(|group| group.name == wanted));
        if let (Some(At { value, line }), None) = (&peer.group, group) {
            self.note(
                *line,
                format!("neighbor {name} is left out: there is no peer-group {value}"),
            );
            return None;
        }
        let whole = group.map_or_else(|| peer.clone(), |group| peer.within(group));
        if !peer.unnumbered && name.parse::<std::net::IpAddr>().is_err() {
            self.note(peer.line, format!("neighbor {name} is left out: it is neither an address, an interface nor a peer-group"));
            return None;
        }
        if !whole.options.contains_key("remote_as") {
            self.note(
                peer.line,
                format!("neighbor {name} is left out: it has no remote-as"),
            );
            return None;
        }
        let options = self.session(bgp, &whole);
        if !options.contains_key("families") {
            let line = whole.other_family.unwrap_or(peer.line);
            self.note(line, format!("neighbor {name} is left out: no address family of this version is active for it"));
            return None;
        }
        Some(options)
    }

    /// The options of a neighbour or a group, what FRR does unasked included.
    fn session(&mut self, bgp: &Bgp, peer: &Peer) -> Options {
        let mut options = peer.options.clone();
        bound_keepalive(&mut options);
        if let Some(profile) = options.get("bfd")
            && profile.value != "true"
        {
            self.profiles.insert(profile.value.clone());
        }
        let mut families = Vec::new();
        let mut line = peer.line;
        for family in Family::BOTH {
            let of_family = family.of(&peer.families);
            let default = family
                .of(&bgp.default_families)
                .unwrap_or(family == Family::V4);
            if of_family
                .activate
                .as_ref()
                .map_or(default, |activate| activate.value)
            {
                line = of_family
                    .activate
                    .as_ref()
                    .map_or(line, |activate| activate.line);
                families.push(if family == Family::V4 {
                    "ipv4-unicast"
                } else {
                    "ipv6-unicast"
                });
                let slots = |direction| slots(direction, family);
                self.filters(bgp, peer, of_family, slots, &mut options);
            }
        }
        if let Some(At {
            value: true,
            line: at,
        }) = peer.evpn.activate
        {
            line = at;
            families.push("l2vpn-evpn");
            let slots = |direction| match direction {
                Direction::In => ["import_prefixes_evpn", "import_policy_evpn"],
                Direction::Out => ["export_prefixes_evpn", "export_policy_evpn"],
            };
            self.filters(bgp, peer, &peer.evpn, slots, &mut options);
        }
        if !families.is_empty() {
            let value = families.join(", ");
            options.insert("families", At { value, line });
        }
        options
    }

    fn filters(
        &mut self,
        bgp: &Bgp,
        peer: &Peer,
        of_family: &PeerFamily,
        slots: impl Fn(Direction) -> [&'static str; 2],
        options: &mut Options,
    ) {
        for direction in [Direction::In, Direction::Out] {
            let [prefixes, policy] = slots(direction);
            let list = of_family.filters.get(&(Kind::PrefixList, direction));
            let map = of_family.filters.get(&(Kind::RouteMap, direction));
            let line = list.or(map).map_or(peer.line, |filter| filter.line);
            let value = match list {
                Some(list) => self.list(&list.value).unwrap_or_else(|| {
                    let what = format!(
                        "there is no prefix-list {}: nothing passes, as with FRR",
                        list.value
                    );
                    self.note(list.line, what);
                    "none".to_owned()
                }),
                None if map.is_none() && self.requires_policy(bgp) && is_external(bgp, peer) => {
                    "none".to_owned()
                }
                None => "any".to_owned(),
            };
            options.insert(prefixes, At { value, line });
            if let Some(map) = map {
                let (value, line) = (self.policy(map), map.line);
                options.insert(policy, At { value, line });
            }
        }
    }

    /// RFC 8212: without a policy, nothing is exchanged with a neighbour in another AS.
    fn requires_policy(&self, bgp: &Bgp) -> bool {
        let default = !self.frr.datacenter && !self.older_than(7, 4);
        bgp.requires_policy.unwrap_or(default)
    }
}

impl Peer {
    fn group_name(&self) -> Option<&str> {
        self.group.as_ref().map(|group| group.value.as_str())
    }

    /// A member of a group: what it does not say itself, the group does.
    fn within(&self, group: &Self) -> Self {
        let mut whole = self.clone();
        for (option, at) in &group.options {
            whole.options.entry(option).or_insert_with(|| at.clone());
        }
        for family in Family::BOTH {
            let (own, outer) = (
                family.of_mut(&mut whole.families),
                family.of(&group.families),
            );
            own.fill(outer);
        }
        whole.evpn.fill(&group.evpn);
        whole.other_family = whole.other_family.or(group.other_family);
        whole
    }
}

impl PeerFamily {
    fn fill(&mut self, outer: &Self) {
        if self.activate.is_none() {
            self.activate.clone_from(&outer.activate);
        }
        for (slot, filter) in &outer.filters {
            self.filters.entry(*slot).or_insert_with(|| filter.clone());
        }
    }
}

fn is_external(bgp: &Bgp, peer: &Peer) -> bool {
    let ours = bgp.options.get("as").map(|at| at.value.as_str());
    match peer.options.get("remote_as").map(|at| at.value.as_str()) {
        Some("external") => true,
        Some("internal" | "auto") | None => false,
        number => number != ours,
    }
}

/// The options of prefixes and policy for a direction and family.
fn slots(direction: Direction, family: Family) -> [&'static str; 2] {
    match (direction, family) {
        (Direction::In, Family::V4) => ["import_prefixes_ipv4", "import_policy_ipv4"],
        (Direction::In, Family::V6) => ["import_prefixes_ipv6", "import_policy_ipv6"],
        (Direction::Out, Family::V4) => ["export_prefixes_ipv4", "export_policy_ipv4"],
        (Direction::Out, Family::V6) => ["export_prefixes_ipv6", "export_policy_ipv6"],
    }
}

/// One option for both families where they agree.
fn compact(mut options: Options) -> Options {
    for (general, v4, v6) in [
        (
            "import_prefixes",
            "import_prefixes_ipv4",
            "import_prefixes_ipv6",
        ),
        ("import_policy", "import_policy_ipv4", "import_policy_ipv6"),
        (
            "export_prefixes",
            "export_prefixes_ipv4",
            "export_prefixes_ipv6",
        ),
        ("export_policy", "export_policy_ipv4", "export_policy_ipv6"),
    ] {
        if let (Some(one), Some(other)) = (options.get(v4), options.get(v6))
            && one.value == other.value
        {
            let both = one.clone();
            options.remove(v4);
            options.remove(v6);
            options.insert(general, both);
        }
    }
    options
}

/// FRR never sends a KEEPALIVE later than a third of the hold time, which is what unset means here.
pub(super) fn bound_keepalive(options: &mut Options) {
    let seconds = |options: &Options, option| options.get(option)?.value.parse::<u32>().ok();
    let hold = seconds(options, "hold_time");
    if let (Some(keepalive), Some(hold)) = (seconds(options, "keepalive_time"), hold)
        && (keepalive == 0 || keepalive.saturating_mul(3) > hold)
    {
        options.remove("keepalive_time");
    }
}
