//! `neighbor NAME …`.

use super::super::line::Line;
use super::super::model::{AddressFamily, At, Direction, Kind, Peer};
use super::Reader;

impl Reader {
    /// The neighbour or group of this name, made if it is new.
    pub(super) fn peer(&mut self, name: &str, line: usize) -> &mut Peer {
        let bgp = self.bgp();
        if let Some(at) = bgp.groups.iter().position(|peer| peer.name == name) {
            return &mut bgp.groups[at];
        }
        let at = bgp.neighbours.iter().position(|peer| peer.name == name);
        let at = at.unwrap_or_else(|| {
            let name = name.to_owned();
            bgp.neighbours.push(Peer {
                name,
                line,
                ..Peer::default()
            });
            bgp.neighbours.len() - 1
        });
        &mut bgp.neighbours[at]
    }

    /// A statement of a neighbour, in an address family or, which means the same, as if it stood in one.
    pub(super) fn neighbour(&mut self, line: &Line<'_>, family: AddressFamily) {
        let name = line.word(1);
        match (line.word(2), line.negated) {
            ("", true) => {
                let bgp = self.bgp();
                bgp.neighbours.retain(|peer| peer.name != name);
                return;
            }
            ("", false) => return self.note(line, "is no statement"),
            ("peer-group", false) if line.word(3).is_empty() => {
                let name = name.to_owned();
                let group = Peer {
                    name,
                    line: line.number,
                    ..Peer::default()
                };
                return self.bgp().groups.push(group);
            }
            ("peer-group", true) if line.word(3).is_empty() => {
                return self.bgp().groups.retain(|peer| peer.name != name);
            }
            _ => {}
        }
        if !self.in_family(line, family) && !self.of_session(line) {
            self.note(line, "has no equivalent");
        }
    }

    /// A statement of an address family. False when it is none.
    fn in_family(&mut self, line: &Line<'_>, family: AddressFamily) -> bool {
        let peer = self.peer(line.word(1), line.number);
        let of_family = peer.family_mut(family);
        let direction = match line.word(4) {
            "in" => Some(Direction::In),
            "out" => Some(Direction::Out),
            _ => None,
        };
        let kind = match line.word(2) {
            "prefix-list" => Some(Kind::PrefixList),
            "route-map" => Some(Kind::RouteMap),
            _ => None,
        };
        if let (Some(kind), Some(direction)) = (kind, direction) {
            let value = line.word(3).to_owned();
            if line.negated {
                of_family.filters.remove(&(kind, direction));
            } else {
                of_family.filters.insert(
                    (kind, direction),
                    At {
                        value,
                        line: line.number,
                    },
                );
            }
            return true;
        }
        match line.word(2) {
            "activate" => {
                let value = !line.negated;
                of_family.activate = Some(At {
                    value,
                    line: line.number,
                });
            }
            "allowas-in" => {
                let times = match line.word(3) {
                    "" => "3",
                    times => times,
                };
                self.set(line, "allowas_in", times);
            }
            "maximum-prefix" => self.maximum_prefix(line),
            "disable-addpath-rx" => self.set(
                line,
                "add_path",
                if line.negated { "true" } else { "false" },
            ),
            // Kept, done, or without meaning for a host, which repeats nobody's routes.
            "soft-reconfiguration"
            | "next-hop-self"
            | "nexthop-local"
            | "attribute-unchanged"
            | "route-server-client" => {}
            "send-community" if !line.negated => {}
            _ => return false,
        }
        true
    }

    /// `maximum-prefix LIMIT [PERCENT] [warning-only | restart MINUTES]`: FRR's is per family and has no
    /// way back unless `restart` is given.
    fn maximum_prefix(&mut self, line: &Line<'_>) {
        self.set(line, "max_prefixes", line.word(3));
        let mut rest = line.from(4).iter();
        let mut restart = "0".to_owned();
        while let Some(word) = rest.next() {
            match *word {
                "warning-only" => self.set(line, "max_prefixes_warn_only", "true"),
                "restart" => {
                    let minutes: Option<u32> = rest.next().and_then(|word| word.parse().ok());
                    restart = (minutes.unwrap_or(1) * 60).to_string();
                }
                "force" => {}
                percent => self.set(line, "max_prefixes_warn", percent),
            }
        }
        self.set(line, "max_prefixes_restart", &restart);
    }

    /// A statement of the session. False when it is none.
    fn of_session(&mut self, line: &Line<'_>) -> bool {
        let value = line.word(3);
        match line.word(2) {
            "remote-as" => self.set(line, "remote_as", value),
            "peer-group" => self.join(line, value),
            "interface" => self.interface(line),
            "password" => self.set(line, "password", &line.text_from(3)),
            "description" => self.set(line, "description", &line.text_from(3)),
            "port" => self.set(line, "port", value),
            "passive" => self.set(line, "passive", on(line)),
            "update-source" => self.set(line, "update_source", value),
            "ebgp-multihop" => self.set(
                line,
                "multihop",
                if value.is_empty() { "255" } else { value },
            ),
            "ttl-security" => self.set(line, "ttl_security", line.word(4)),
            "local-as" => self.local_as(line),
            "shutdown" => self.shutdown(line),
            "timers" => return self.peer_timers(line),
            "bfd" => return self.peer_bfd(line),
            "capability" => return self.capability(line),
            "graceful-restart-helper" => self.set(line, "graceful_restart_helper", "true"),
            "graceful-restart-disable" => self.set(line, "graceful_restart_helper", "false"),
            // What is so anyway.
            "disable-connected-check"
            | "solo"
            | "enforce-first-as"
            | "sender-as-path-loop-detection" => {}
            _ => return false,
        }
        true
    }

    /// Sets an option of the neighbour, or takes it back.
    fn set(&mut self, line: &Line<'_>, option: &'static str, value: &str) {
        let options = &mut self.peer(line.word(1), line.number).options;
        if line.negated {
            options.remove(option);
        } else {
            let value = value.to_owned();
            options.insert(
                option,
                At {
                    value,
                    line: line.number,
                },
            );
        }
    }

    fn join(&mut self, line: &Line<'_>, group: &str) {
        let value = group.to_owned();
        let group = (!line.negated).then_some(At {
            value,
            line: line.number,
        });
        self.peer(line.word(1), line.number).group = group;
    }

    /// `neighbor eth1 interface [v6only] [peer-group G | remote-as AS]`, or the device of a link-local address.
    fn interface(&mut self, line: &Line<'_>) {
        let name = line.word(1);
        if name.parse::<std::net::IpAddr>().is_ok() {
            return self.set(line, "interface", line.word(3));
        }
        self.set(line, "interface", name);
        self.peer(name, line.number).unnumbered = !line.negated;
        let at = if line.word(3) == "v6only" { 4 } else { 3 };
        match line.word(at) {
            "peer-group" => self.join(line, line.word(at + 1)),
            "remote-as" => self.set(line, "remote_as", line.word(at + 1)),
            _ => {}
        }
    }

    fn local_as(&mut self, line: &Line<'_>) {
        self.set(line, "local_as", line.word(3));
        for word in line.from(4) {
            match *word {
                "no-prepend" => self.set(line, "local_as_prepend", "false"),
                "replace-as" => self.set(line, "local_as_replace", "true"),
                _ => self.note(line, "has a part without equivalent"),
            }
        }
    }

    /// `shutdown [message TEXT]`.
    fn shutdown(&mut self, line: &Line<'_>) {
        let words = match line.word(3) {
            "message" => line.text_from(4),
            _ => "true".to_owned(),
        };
        self.set(line, "shutdown", &words);
    }

    /// `timers KEEPALIVE HOLD`, `timers connect SECONDS`.
    fn peer_timers(&mut self, line: &Line<'_>) -> bool {
        match line.word(3) {
            "connect" => self.set(line, "connect_retry_time", line.word(4)),
            "delayopen" => return false,
            keepalive => {
                self.set(line, "keepalive_time", keepalive);
                self.set(line, "hold_time", line.word(4));
            }
        }
        true
    }

    /// `bfd`, `bfd profile NAME`, or `bfd MULTIPLIER RECEIVE TRANSMIT`.
    fn peer_bfd(&mut self, line: &Line<'_>) -> bool {
        match line.from(3) {
            [] => {
                // `bfd profile` may stand before or behind it.
                let profile = self.peer(line.word(1), line.number).options.get("bfd");
                if line.negated || profile.is_none() {
                    self.set(line, "bfd", "true");
                }
            }
            ["profile", name] => self.set(line, "bfd", name),
            [multiplier, receive, transmit] => {
                let name = format!("frr-{}", line.word(1));
                let profile = self.frr.bfd_profiles.entry(name.clone()).or_default();
                profile.line = line.number;
                for (option, value) in [
                    ("detect_multiplier", multiplier),
                    ("receive_interval", receive),
                    ("transmit_interval", transmit),
                ] {
                    let value = (*value).to_owned();
                    profile.options.insert(
                        option,
                        At {
                            value,
                            line: line.number,
                        },
                    );
                }
                self.set(line, "bfd", &name);
            }
            _ => return false,
        }
        true
    }

    fn capability(&mut self, line: &Line<'_>) -> bool {
        match line.word(3) {
            "extended-nexthop" => self.set(line, "extended_next_hop", "true"),
            "fqdn" | "software-version" | "dynamic" => {}
            _ => return false,
        }
        true
    }
}

fn on(line: &Line<'_>) -> &'static str {
    if line.negated { "false" } else { "true" }
}
