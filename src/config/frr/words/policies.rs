//! Route maps as policies.

use super::Writer;
use super::lists::usable;
use crate::config::frr::Word;
use crate::config::frr::model::{At, Condition, Entry, Family};

/// More terms than this are a sign of `on-match next` behind each other: they multiply.
const LARGEST: usize = 512;

/// A term while entries are joined.
#[derive(Clone, Default)]
struct Term {
    permit: bool,
    conditions: Vec<String>,
    /// Of the prefixes it matches; a route has one.
    family: Option<Family>,
    sets: Vec<String>,
    line: usize,
}

impl Writer<'_> {
    /// The name of a route map as a policy.
    pub(super) fn policy(&mut self, map: &At<String>) -> String {
        if !self.frr.route_maps.contains_key(&map.value) {
            let what = format!(
                "there is no route-map {}: nothing passes, as with FRR",
                map.value
            );
            self.note(map.line, what);
        }
        self.policies.insert(map.value.clone(), map.line);
        usable(&map.value)
    }

    /// A section for every route map that a neighbour refers to.
    pub(super) fn policies(&mut self) {
        for (name, line) in std::mem::take(&mut self.policies) {
            let entries = self.frr.route_maps.get(&name);
            let terms: Vec<_> = entries
                .into_iter()
                .flat_map(|entries| entries.values())
                .collect();
            let terms = self.terms(&terms);
            let section = format!("bgp_policy {}", usable(&name));
            let text: Vec<_> = terms.iter().map(Term::text).collect();
            self.out.sections.push((section.clone(), line));
            self.out.words.push(Word {
                section,
                option: "terms".to_owned(),
                text: text.join("\n"),
                lines: terms.iter().map(|term| term.line).collect(),
            });
        }
    }

    /// The terms of these entries. An entry that goes on with the next one is said as one term for each
    /// that may follow: a route that none of them matches is denied, as FRR does at the end of a map.
    fn terms(&mut self, entries: &[&Entry]) -> Vec<Term> {
        let mut terms: Vec<Term> = Vec::new();
        for entry in entries.iter().rev() {
            let Some(term) = self.term(entry) else {
                continue;
            };
            let mut these = match entry.next {
                Some(_) if entry.permit => terms
                    .iter()
                    .filter_map(|later| term.and_then(later))
                    .collect(),
                _ => vec![term],
            };
            if these.len() + terms.len() > LARGEST {
                self.note(
                    entry.line,
                    "has too many entries behind it to go on with: nothing passes here",
                );
                these.clear();
            }
            these.append(&mut terms);
            terms = these;
        }
        terms
    }

    /// One entry alone; `None` when nothing can match it, or nothing that is known to.
    fn term(&mut self, entry: &Entry) -> Option<Term> {
        let mut term = Term {
            permit: entry.permit,
            line: entry.line,
            ..Term::default()
        };
        let mut unknown = entry.unknown_condition;
        for condition in &entry.matches {
            match self.condition(condition, &mut term) {
                Said::Yes(words) => term.conditions.push(words),
                Said::Never => return None,
                Said::Unknown => unknown = true,
            }
        }
        if unknown && entry.permit {
            return None;
        }
        if entry.permit {
            term.sets = entry.sets.iter().map(|set| set.value.clone()).collect();
        }
        Some(term)
    }

    fn condition(&mut self, condition: &At<Condition>, term: &mut Term) -> Said {
        let line = condition.line;
        match &condition.value {
            Condition::Prefix(family, name) => {
                if term.family.is_some_and(|other| other != *family) {
                    return Said::Never;
                }
                term.family = Some(*family);
                self.named("prefix", name, *family, line)
            }
            Condition::NextHop(family, name) => self.named("next-hop", name, *family, line),
            Condition::Plain(words) => Said::Yes(words.clone()),
            Condition::Interface(name) => {
                let what = format!(
                    "'match interface {name}' cannot be said: where it stands, nothing is permitted and all is denied"
                );
                self.note(line, what);
                Said::Unknown
            }
            Condition::Community(kind, name) => {
                let list = self.frr.community_lists.get(&(*kind, name.clone()));
                match list {
                    None => Said::Never,
                    Some(list) if list.beyond => {
                        let what = format!(
                            "community list {name} cannot be said: where it stands, nothing is permitted and all is denied"
                        );
                        self.note(line, what);
                        Said::Unknown
                    }
                    Some(list) => {
                        Said::Yes(format!("{} {}", kind.word(), list.permitted.join(" ")))
                    }
                }
            }
        }
    }

    fn named(&mut self, word: &str, name: &str, family: Family, line: usize) -> Said {
        match self.list_of(name, family) {
            Some(ours) => Said::Yes(format!("{word} {ours}")),
            None => {
                self.note(line, format!("there is no prefix list {name} of this family: nothing matches, as with FRR"));
                Said::Never
            }
        }
    }
}

/// What becomes of a condition.
enum Said {
    Yes(String),
    /// Nothing meets it.
    Never,
    Unknown,
}

impl Term {
    /// Both terms as one: what both match, changed by both. `None` when no route can match both.
    fn and_then(&self, later: &Self) -> Option<Self> {
        if let (Some(one), Some(other)) = (self.family, later.family)
            && one != other
        {
            return None;
        }
        let mut conditions = self.conditions.clone();
        conditions.extend(
            later
                .conditions
                .iter()
                .filter(|c| !self.conditions.contains(c))
                .cloned(),
        );
        let mut sets = self.sets.clone();
        sets.extend(later.sets.iter().cloned());
        Some(Self {
            permit: later.permit,
            conditions,
            family: self.family.or(later.family),
            sets: if later.permit { sets } else { Vec::new() },
            line: later.line,
        })
    }

    fn text(&self) -> String {
        let mut text = if self.permit { "permit" } else { "deny" }.to_owned();
        if !self.conditions.is_empty() {
            text += &format!(" if {}", self.conditions.join(" and "));
        }
        if !self.sets.is_empty() {
            text += &format!(" set {}", self.sets.join(", "));
        }
        text
    }
}
