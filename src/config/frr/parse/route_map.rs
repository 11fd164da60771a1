//! `route-map NAME permit|deny SEQUENCE` and what an entry matches and sets.

use super::super::line::Line;
use super::super::model::{At, Communities, Condition, Entry, Family};
use super::{Context, Reader};

impl Reader {
    pub(super) fn route_map(&mut self, line: &Line<'_>) {
        let name = line.word(1).to_owned();
        let Ok(sequence) = line.word(3).parse::<u32>() else {
            if line.negated {
                self.frr.route_maps.remove(&name);
            } else {
                self.note(line, "is no statement");
            }
            return;
        };
        let entries = self.frr.route_maps.entry(name.clone()).or_default();
        if line.negated {
            entries.remove(&sequence);
            return;
        }
        let entry = entries.entry(sequence).or_insert_with(|| Entry {
            line: line.number,
            ..Entry::default()
        });
        entry.permit = line.word(2) == "permit";
        self.enter(Context::RouteMap(name, sequence));
    }

    pub(super) fn route_map_entry(&mut self, line: &Line<'_>, name: &str, sequence: u32) -> bool {
        if !matches!(
            line.word(0),
            "match" | "set" | "on-match" | "continue" | "call" | "description"
        ) {
            return false;
        }
        let condition = condition(line);
        let change = change(line);
        let entries = self.frr.route_maps.get_mut(name);
        let Some(entry) = entries.and_then(|entries| entries.get_mut(&sequence)) else {
            return false;
        };
        let number = line.number;
        let said = match (line.word(0), line.negated) {
            ("description", _) => true,
            ("match", false) => {
                let said = condition.is_some();
                entry.unknown_condition |= !said;
                entry.matches.extend(condition.map(|value| At {
                    value,
                    line: number,
                }));
                said
            }
            ("match", true) => {
                entry
                    .matches
                    .retain(|there| Some(&there.value) != condition.as_ref());
                true
            }
            ("set", false) if line.word(1) == "src" => {
                let value = line.word(2).to_owned();
                entry.source = Some(At {
                    value,
                    line: number,
                });
                true
            }
            ("set", false) => {
                let said = change.is_some();
                entry.sets.extend(change.map(|value| At {
                    value,
                    line: number,
                }));
                said
            }
            ("set", true) => {
                entry
                    .sets
                    .retain(|there| Some(&there.value) != change.as_ref());
                true
            }
            ("on-match", false) if line.word(1) == "next" => {
                entry.next = Some(number);
                true
            }
            ("continue", false) if line.word(1).is_empty() => {
                entry.next = Some(number);
                true
            }
            ("on-match" | "continue", true) => {
                entry.next = None;
                true
            }
            _ => false,
        };
        if !said {
            self.note(line, unsaid(line.word(0)));
        }
        true
    }
}

/// What becomes of an entry with a statement that cannot be said.
fn unsaid(word: &str) -> &'static str {
    match word {
        "match" => "cannot be said: where it stands, nothing is permitted and all is denied",
        "set" => "cannot be said: routes are not changed by it",
        _ => "cannot be said: this entry decides",
    }
}

fn condition(line: &Line<'_>) -> Option<Condition> {
    let family = |word: &str| match word {
        "ip" => Some(Family::V4),
        "ipv6" => Some(Family::V6),
        _ => None,
    };
    let words = line.from(1);
    match words {
        [ip, "address", "prefix-list", name] => {
            Some(Condition::Prefix(family(ip)?, (*name).to_owned()))
        }
        [ip, "next-hop", "prefix-list", name] => {
            Some(Condition::NextHop(family(ip)?, (*name).to_owned()))
        }
        ["interface", name] => Some(Condition::Interface((*name).to_owned())),
        ["community", name] => Some(Condition::Community(
            Communities::Standard,
            (*name).to_owned(),
        )),
        ["large-community", name] => {
            Some(Condition::Community(Communities::Large, (*name).to_owned()))
        }
        ["extcommunity", name] => Some(Condition::Community(
            Communities::Extended,
            (*name).to_owned(),
        )),
        ["metric", number] => Some(Condition::Plain(format!("med {}", number_of(number)?))),
        ["origin", origin @ ("igp" | "egp" | "incomplete")] => {
            Some(Condition::Plain(format!("origin {origin}")))
        }
        _ => None,
    }
}

/// A change in the words of a policy's term.
fn change(line: &Line<'_>) -> Option<String> {
    match line.from(1) {
        ["metric", number] => Some(format!("med {}", number_of(number)?)),
        ["local-preference", number] => Some(format!("local-preference {}", number_of(number)?)),
        ["origin", origin @ ("igp" | "egp" | "incomplete")] => Some(format!("origin {origin}")),
        ["as-path", "prepend", "last-as", ..] => None,
        ["as-path", "prepend", numbers @ ..] => Some(format!("prepend {}", numbers.join(" "))),
        ["ip", "next-hop", address] => Some(format!(
            "next-hop {}",
            address.parse::<std::net::Ipv4Addr>().ok()?
        )),
        ["ipv6", "next-hop", "global", address] => Some(format!(
            "next-hop {}",
            address.parse::<std::net::Ipv6Addr>().ok()?
        )),
        ["community", values @ ..] => communities(Communities::Standard, values),
        ["large-community", values @ ..] => communities(Communities::Large, values),
        ["extcommunity", subtype @ ("rt" | "soo"), values @ ..] => {
            let values: Vec<_> = values
                .iter()
                .map(|value| format!("{subtype}:{value}"))
                .collect();
            Some(format!("extended-community add {}", values.join(" ")))
        }
        _ => None,
    }
}

/// A plain number: `+5` is relative.
fn number_of(text: &str) -> Option<u32> {
    text.starts_with(|c: char| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn communities(kind: Communities, values: &[&str]) -> Option<String> {
    let (additive, values) = match values.split_last() {
        Some((&"additive", rest)) => (true, rest),
        _ => (false, values),
    };
    if values.is_empty() || values.contains(&"none") {
        return None;
    }
    let add = if additive { "add " } else { "" };
    let named = |value: &&str| match *value {
        // FRR's names of the same communities.
        "local-AS" => "no-export-subconfed".to_owned(),
        "gshut" => "graceful-shutdown".to_owned(),
        value => value.to_owned(),
    };
    let values: Vec<_> = values.iter().map(named).collect();
    Some(format!("{} {add}{}", kind.word(), values.join(" ")))
}
