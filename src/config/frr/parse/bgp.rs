//! `router bgp` and its address families, neighbours apart.

use super::super::line::Line;
use super::super::model::{AddressFamily, At, Bgp, Family};
use super::{Context, Reader};

/// First words of statements that belong to `router bgp`.
const ROUTER: [&str; 12] = [
    "bgp",
    "neighbor",
    "timers",
    "address-family",
    "coalesce-time",
    "update-delay",
    "read-quanta",
    "write-quanta",
    "redistribute",
    "network",
    "maximum-paths",
    "aggregate-address",
];

/// First words of statements that belong to an address family.
const FAMILY: [&str; 14] = [
    "neighbor",
    "network",
    "redistribute",
    "maximum-paths",
    "aggregate-address",
    "table-map",
    "distance",
    "import",
    "export",
    "label",
    "rd",
    "rt",
    "nexthop",
    "sid",
];

/// First words of statements of `l2vpn evpn` without an equivalent.
const EVPN: [&str; 13] = [
    "advertise",
    "advertise-default-gw",
    "advertise-svi-ip",
    "advertise-pip",
    "autort",
    "default-originate",
    "disable-ead-evi-rx",
    "disable-ead-evi-tx",
    "dup-addr-detection",
    "enable-resolve-overlay-index",
    "ead-es-frag",
    "flooding",
    "use-es-l3nhg",
];

impl Reader {
    /// `router bgp AS [vrf NAME]`.
    pub(super) fn router(&mut self, line: &Line<'_>) {
        if line.word(3) == "vrf" || line.word(3) == "view" {
            return self.foreign(line);
        }
        let asn = crate::config::kind::as_number(line.word(2));
        let (None, Some(asn)) = (self.frr.bgp.as_ref().map(|bgp| bgp.line), asn) else {
            return self.foreign(line);
        };
        let mut bgp = Bgp {
            line: line.number,
            ..Bgp::default()
        };
        bgp.options.insert(
            "as",
            At {
                value: asn.to_string(),
                line: line.number,
            },
        );
        self.frr.bgp = Some(bgp);
        self.enter(Context::Bgp);
    }

    /// What `router bgp` holds; it was entered, so it is there.
    pub(super) fn bgp(&mut self) -> &mut Bgp {
        self.frr.bgp.get_or_insert_default()
    }

    fn bgp_option(&mut self, option: &'static str, value: impl Into<String>, line: &Line<'_>) {
        let (value, number) = (value.into(), line.number);
        self.bgp().options.insert(
            option,
            At {
                value,
                line: number,
            },
        );
    }

    pub(super) fn router_bgp(&mut self, line: &Line<'_>) -> bool {
        let listed = [
            "community-list",
            "large-community-list",
            "extcommunity-list",
            "as-path",
        ];
        let of_top = line.word(0) == "bgp"
            && listed.contains(&line.word(1))
            && line.word(2) != "multipath-relax";
        if of_top || !ROUTER.contains(&line.word(0)) {
            return false;
        }
        match line.word(0) {
            "bgp" => self.bgp_statement(line),
            // FRR takes these outside address families too, and means IPv4 unicast.
            "neighbor" => self.neighbour(line, AddressFamily::Unicast(Family::V4)),
            "timers" => self.timers(line),
            "address-family" => self.enter_family(line),
            // Without an address family, FRR means IPv4 unicast.
            "redistribute" | "network" | "maximum-paths" | "aggregate-address" => {
                self.address_family(line, Family::V4);
            }
            _ => self.note(line, "means nothing here"),
        }
        true
    }

    fn enter_family(&mut self, line: &Line<'_>) {
        match (line.word(1), line.word(2)) {
            ("ipv4", "" | "unicast") => self.enter(Context::Family(Family::V4)),
            ("ipv6", "" | "unicast") => self.enter(Context::Family(Family::V6)),
            ("l2vpn", "evpn") => self.enter(Context::Evpn),
            _ => {
                self.note_always(line, "is not implemented in this version");
                self.enter(Context::OtherFamily(self.notes.len().saturating_sub(1)));
            }
        }
    }

    /// `address-family l2vpn evpn`: the tables are OVN's, so what FRR says of them is not taken.
    pub(super) fn evpn(&mut self, line: &Line<'_>) -> bool {
        match (line.word(0), line.word(1)) {
            ("neighbor", _) => self.neighbour(line, AddressFamily::Evpn),
            // Every table is told of, while there is a neighbour for it.
            ("advertise-all-vni", _) => {}
            ("vni", _) => {
                self.note(
                    line,
                    "has no equivalent: tables are OVN's, or an [evpn_vni NAME]",
                );
                if !line.negated {
                    self.enter(Context::Vni(self.notes.len().saturating_sub(1)));
                }
            }
            (word, _) if EVPN.contains(&word) => self.note(line, "has no equivalent"),
            _ => return false,
        }
        true
    }

    /// What is said of one VNI.
    pub(super) fn vni(&mut self, line: &Line<'_>, note: usize) -> bool {
        let of_vni = matches!(
            line.word(0),
            "rd" | "route-target"
                | "advertise-default-gw"
                | "advertise-svi-ip"
                | "advertise-subnet"
        );
        if of_vni {
            self.count(note);
        }
        of_vni
    }

    /// A family this agent does not have: its lines are counted, and who is active in it is remembered.
    pub(super) fn other_family(&mut self, line: &Line<'_>, note: usize) -> bool {
        if matches!(
            line.word(0),
            "bgp" | "timers" | "address-family" | "router" | "route-map" | "line"
        ) {
            return false;
        }
        self.count(note);
        if line.word(0) == "neighbor" && line.word(2) == "activate" && !line.negated {
            let peer = self.peer(line.word(1), line.number);
            peer.other_family.get_or_insert(line.number);
        }
        true
    }

    fn bgp_statement(&mut self, line: &Line<'_>) {
        let on = !line.negated;
        let word = |value: bool| if value { "true" } else { "false" };
        match (line.word(1), line.word(2), line.word(3)) {
            ("router-id", id, _) => self.bgp_option("router_id", id, line),
            ("graceful-shutdown", ..) => self.bgp_option("graceful_shutdown", word(on), line),
            ("graceful-restart-disable", ..) => {
                self.bgp_option("graceful_restart", word(!on), line)
            }
            ("graceful-restart", "", _) => self.bgp_option("graceful_restart", word(on), line),
            ("graceful-restart", "restart-time", seconds) if on => {
                self.bgp_option("graceful_restart_time", seconds, line);
            }
            ("bestpath", "as-path", "multipath-relax") => {
                self.bgp_option("multipath_relax", word(on), line)
            }
            ("default", "ipv4-unicast", _) => Family::V4.set(&mut self.bgp().default_families, on),
            ("default", "ipv6-unicast", _) => Family::V6.set(&mut self.bgp().default_families, on),
            ("ebgp-requires-policy", ..) => self.bgp().requires_policy = Some(on),
            ("reject-as-sets", ..) => {
                let accept = if on { "false" } else { "true" };
                self.bgp_option("accept_as_sets", accept, line);
            }
            ("network", "import-check", _) => self.bgp().import_check = Some(on),
            ("listen", "limit", limit) if on => {
                let value = limit.to_owned();
                self.bgp().listen_limit = Some(At {
                    value,
                    line: line.number,
                });
            }
            ("listen", "range", prefix) if on && line.word(4) == "peer-group" => {
                let value = (prefix.to_owned(), line.word(5).to_owned());
                self.bgp().ranges.push(At {
                    value,
                    line: line.number,
                });
            }
            // What this agent does anyway, or what changes nothing for a host's speaker.
            (
                "log-neighbor-changes"
                | "deterministic-med"
                | "fast-external-failover"
                | "fast-convergence"
                | "disable-ebgp-connected-route-check"
                | "hard-administrative-reset"
                | "suppress-duplicates"
                | "labeled-unicast",
                ..,
            )
            | ("graceful-restart", "preserve-fw-state" | "notification", _)
            | ("default", "show-hostname" | "show-nexthop-hostname", _)
            | ("bestpath", "compare-routerid", _) => {}
            _ => self.note(line, "has no equivalent"),
        }
    }

    /// `timers bgp KEEPALIVE HOLD`.
    fn timers(&mut self, line: &Line<'_>) {
        match (line.word(1), line.word(2).parse(), line.word(3).parse()) {
            ("bgp", Ok(keepalive), Ok(hold)) if !line.negated => {
                let value = (keepalive, hold);
                self.bgp().timers = Some(At {
                    value,
                    line: line.number,
                });
            }
            _ => self.note(line, "has no equivalent"),
        }
    }

    pub(super) fn address_family(&mut self, line: &Line<'_>, family: Family) -> bool {
        if !FAMILY.contains(&line.word(0)) {
            return false;
        }
        let at = |value: String| At {
            value,
            line: line.number,
        };
        match (line.word(0), line.word(1)) {
            ("neighbor", _) => self.neighbour(line, AddressFamily::Unicast(family)),
            ("network", prefix) if line.words.len() == 2 => {
                let networks = &mut self.bgp().networks;
                networks.retain(|network| network.value != prefix);
                if !line.negated {
                    networks.push(at(prefix.to_owned()));
                }
            }
            ("redistribute", "connected") => {
                let map = (line.word(2) == "route-map").then(|| line.word(3).to_owned());
                let connected = At {
                    value: map,
                    line: line.number,
                };
                let wanted = (!line.negated).then_some(connected);
                *family.of_mut(&mut self.bgp().connected) = wanted;
            }
            ("maximum-paths", "ibgp") => self.max_paths(line, line.word(2)),
            ("maximum-paths", number) => self.max_paths(line, number),
            _ => self.note(line, "has no equivalent"),
        }
        true
    }

    /// One number serves both families, and eBGP and iBGP alike.
    fn max_paths(&mut self, line: &Line<'_>, number: &str) {
        let before = self.bgp().options.get("max_paths");
        let differs = before.is_some_and(|before| before.value != number);
        if differs {
            self.note(
                line,
                "differs from the other maximum-paths: this agent has one for all",
            );
        } else if !line.negated {
            self.bgp_option("max_paths", number, line);
        }
    }
}

impl Family {
    fn set(self, pair: &mut [Option<bool>; 2], value: bool) {
        *self.of_mut(pair) = Some(value);
    }
}
