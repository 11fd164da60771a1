//! Prefix lists. FRR has one namespace per family, this agent one list with rules of both.

use super::Writer;
use crate::config::frr::Word;
use crate::config::frr::model::Family;

impl Writer<'_> {
    /// The name of a list with the rules of both families; `None` where FRR has no such list.
    pub(super) fn list(&mut self, name: &str) -> Option<String> {
        self.frr.prefix_lists.get(name)?;
        let ours = usable(name);
        self.refer(ours, name, Family::BOTH.to_vec())
    }

    /// The name of a list with the rules of one family; `None` where FRR has no such list.
    pub(super) fn list_of(&mut self, name: &str, family: Family) -> Option<String> {
        let lists = self.frr.prefix_lists.get(name)?;
        let has = |family: Family| !family.of(lists).is_empty();
        if !has(family) {
            return None;
        }
        if Family::BOTH
            .into_iter()
            .filter(|family| has(*family))
            .count()
            == 1
        {
            return self.list(name);
        }
        let suffix = if family == Family::V4 { "ipv4" } else { "ipv6" };
        let ours = format!("{}-{suffix}", usable(name));
        self.refer(ours, name, vec![family])
    }

    fn refer(&mut self, ours: String, theirs: &str, families: Vec<Family>) -> Option<String> {
        self.lists
            .insert(ours.clone(), (theirs.to_owned(), families));
        Some(ours)
    }

    /// A section for every list that something refers to.
    pub(super) fn prefix_lists(&mut self) {
        let frr = self.frr;
        for (ours, (theirs, families)) in std::mem::take(&mut self.lists) {
            let Some(lists) = frr.prefix_lists.get(&theirs) else {
                continue;
            };
            let of_families = families.iter().flat_map(|family| family.of(lists).values());
            let rules: Vec<_> = of_families.collect();
            let lines: Vec<_> = rules.iter().map(|rule| rule.line).collect();
            let text: Vec<_> = rules.iter().map(|rule| rule.value.as_str()).collect();
            let section = format!("bgp_prefix_list {ours}");
            self.out
                .sections
                .push((section.clone(), lines.first().copied().unwrap_or(1)));
            self.out.words.push(Word {
                section,
                option: "rules".to_owned(),
                text: text.join("\n"),
                lines,
            });
        }
    }
}

/// A name that is one word here, and no other word.
pub(super) fn usable(name: &str) -> String {
    let taken = ["any", "none", "host-only", "default-only", "true", "false"];
    if taken.contains(&name) || name.contains([',', ']']) {
        format!("frr-{}", name.replace([',', ']'], "_"))
    } else {
        name.to_owned()
    }
}
