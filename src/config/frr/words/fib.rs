//! The kernel's side: `ip protocol bgp route-map`, `redistribute connected`, `ip nht`.

use super::Writer;
use crate::config::frr::Word;
use crate::config::frr::model::{At, Bgp, Condition, Entry, Family};

impl Writer<'_> {
    pub(super) fn fib(&mut self, bgp: &Bgp) {
        let via_default = self.frr.resolve_via_default.iter().flatten().next();
        let line = via_default.map_or(bgp.line, |at| at.line);
        let resolve = via_default.map_or(self.frr.datacenter, |at| at.value);
        self.say("bgp", "resolve_via_default", resolve.to_string(), line);
        let maps = self.frr.fib_maps.clone();
        if maps.iter().all(Option::is_none) {
            return self.say("bgp", "fib_import", "any", bgp.line);
        }
        let mut rules: Vec<At<String>> = Vec::new();
        for family in Family::BOTH {
            match family.of(&maps) {
                Some(map) => rules.extend(self.fib_rules(map, family)),
                None => {
                    let value = match family {
                        Family::V4 => "permit 0.0.0.0/0 le 32",
                        Family::V6 => "permit ::/0 le 128",
                    };
                    rules.push(At {
                        value: value.to_owned(),
                        line: bgp.line,
                    });
                }
            }
        }
        self.fib_import(&rules, &maps, bgp.line);
    }

    fn fib_import(&mut self, rules: &[At<String>], maps: &[Option<At<String>>; 2], line: usize) {
        let map = maps.iter().flatten().next();
        let line = map.map_or(line, |map| map.line);
        let texts: Vec<_> = rules.iter().map(|rule| rule.value.as_str()).collect();
        if texts == ["permit 0.0.0.0/0", "permit ::/0"] {
            return self.say("bgp", "fib_import", "default-only", line);
        }
        let name = format!("fib-{}", map.map_or("import", |map| map.value.as_str()));
        let name = super::lists::usable(&name);
        self.say("bgp", "fib_import", name.clone(), line);
        let section = format!("bgp_prefix_list {name}");
        self.out.sections.push((section.clone(), line));
        self.out.words.push(Word {
            section,
            option: "rules".to_owned(),
            text: texts.join("\n"),
            lines: rules.iter().map(|rule| rule.line).collect(),
        });
    }

    /// The rules of a family's routes that a route map lets into the kernel; its `set src` is said.
    fn fib_rules(&mut self, map: &At<String>, family: Family) -> Vec<At<String>> {
        let frr = self.frr;
        let Some(entries) = frr.route_maps.get(&map.value) else {
            self.note(
                map.line,
                format!(
                    "there is no route-map {}: no route is installed, as with FRR",
                    map.value
                ),
            );
            return Vec::new();
        };
        let mut rules = Vec::new();
        let mut source: Option<&At<String>> = None;
        for entry in entries.values() {
            let Some(more) = self.fib_entry(entry, family) else {
                continue;
            };
            rules.extend(more);
            match (&entry.source, source) {
                (Some(address), None) => {
                    source = Some(address);
                    self.preferred_source(address, family);
                }
                (Some(address), Some(first)) if address.value != first.value => {
                    self.note(address.line, "'set src' differs from the one above: this agent has one for all routes of a family");
                }
                _ => {}
            }
        }
        rules
    }

    fn preferred_source(&mut self, address: &At<String>, family: Family) {
        let option = match family {
            Family::V4 => "preferred_source_ipv4",
            Family::V6 => "preferred_source_ipv6",
        };
        let of_family = match address.value.parse() {
            Ok(std::net::IpAddr::V4(_)) => family == Family::V4,
            Ok(std::net::IpAddr::V6(_)) => family == Family::V6,
            Err(_) => false,
        };
        if of_family {
            self.say("bgp", option, address.value.clone(), address.line);
        }
    }

    /// What an entry means for the routes of a family; `None` when it is about others.
    fn fib_entry(&mut self, entry: &Entry, family: Family) -> Option<Vec<At<String>>> {
        if entry.unknown_condition {
            return if entry.permit {
                None
            } else {
                Some(vec![every(false, family, entry.line)])
            };
        }
        match &entry.matches[..] {
            [] => Some(vec![every(entry.permit, family, entry.line)]),
            [
                At {
                    value: Condition::Prefix(of, _),
                    ..
                },
            ] if *of != family => None,
            [
                At {
                    value: Condition::Prefix(_, name),
                    line,
                },
            ] => {
                let lists = self.frr.prefix_lists.get(name);
                let rules: Vec<_> = lists
                    .into_iter()
                    .flat_map(|lists| family.of(lists).values().cloned())
                    .collect();
                if rules.is_empty() {
                    self.note(*line, format!("there is no prefix list {name} of this family: nothing matches, as with FRR"));
                    return None;
                }
                self.turned(entry, rules, *line)
            }
            [first, ..] => {
                self.note(
                    first.line,
                    "cannot be said: of what goes into the kernel, only a prefix list can decide",
                );
                if entry.permit {
                    None
                } else {
                    Some(vec![every(false, family, entry.line)])
                }
            }
        }
    }

    /// The rules of a list as an entry applies them. One that denies only ends the list, not the map.
    fn turned(
        &mut self,
        entry: &Entry,
        rules: Vec<At<String>>,
        line: usize,
    ) -> Option<Vec<At<String>>> {
        let permits = |rule: &At<String>| rule.value.starts_with("permit ");
        if entry.permit {
            return Some(rules);
        }
        if !rules.iter().all(permits) {
            self.note(
                line,
                "denies with a list that denies: all of its prefixes stay out of the kernel",
            );
        }
        let deny = |rule: At<String>| At {
            value: rule.value.replacen("permit ", "deny ", 1),
            line: rule.line,
        };
        Some(rules.into_iter().map(deny).collect())
    }

    /// `redistribute connected`: the devices it is about.
    pub(super) fn connected(&mut self, bgp: &Bgp) {
        let mut devices: Vec<String> = Vec::new();
        let mut line = bgp.line;
        for redistribution in bgp.connected.iter().flatten() {
            line = redistribution.line;
            let wanted = match &redistribution.value {
                None => vec!["*".to_owned()],
                Some(map) => self.connected_devices(map, line),
            };
            devices.extend(wanted);
        }
        devices.sort();
        devices.dedup();
        if devices.iter().any(|device| device == "*") {
            devices = vec!["*".to_owned()];
        }
        if !devices.is_empty() {
            self.say("bgp", "redistribute_connected", devices.join(", "), line);
            self.say("bgp", "redistribute_as", "prefixes", line);
        }
    }

    fn connected_devices(&mut self, map: &str, line: usize) -> Vec<String> {
        let frr = self.frr;
        let Some(entries) = frr.route_maps.get(map) else {
            self.note(
                line,
                format!("there is no route-map {map}: nothing is redistributed, as with FRR"),
            );
            return Vec::new();
        };
        let mut devices = Vec::new();
        for entry in entries.values() {
            match (&entry.matches[..], entry.permit && !entry.unknown_condition) {
                ([], true) => devices.push("*".to_owned()),
                ([At { value: Condition::Interface(name), .. }], true) => devices.push(name.clone()),
                // Behind what is permitted, it denies what is denied anyway.
                ([], false) if !entry.unknown_condition => break,
                _ => self.note(entry.line, "cannot be said: only 'match interface' chooses what is redistributed; nothing by this entry is"),
            }
        }
        devices
    }
}

fn every(permit: bool, family: Family, line: usize) -> At<String> {
    let action = if permit { "permit" } else { "deny" };
    let value = match family {
        Family::V4 => format!("{action} 0.0.0.0/0 le 32"),
        Family::V6 => format!("{action} ::/0 le 128"),
    };
    At { value, line }
}
