//! Prefix lists, community lists, and what goes into the kernel.

use super::super::line::Line;
use super::super::model::{At, Communities};
use super::{Reader, family_of};

impl Reader {
    /// `ip prefix-list NAME [seq N] permit|deny PREFIX|any [ge N] [le N]`.
    pub(super) fn prefix_list(&mut self, line: &Line<'_>) {
        let family = family_of(line);
        let name = line.word(2);
        let (sequence, rule) = match line.word(3) {
            "seq" => (line.word(4).parse().ok(), line.from(5)),
            "description" => return,
            "" if line.negated => {
                if let Some(lists) = self.frr.prefix_lists.get_mut(name) {
                    family.of_mut(lists).clear();
                }
                return;
            }
            _ => (None, line.from(3)),
        };
        let any = match family {
            super::Family::V4 => "0.0.0.0/0 le 32",
            super::Family::V6 => "::/0 le 128",
        };
        let text = rule.join(" ").replacen(" any", &format!(" {any}"), 1);
        let rules = family.of_mut(self.frr.prefix_lists.entry(name.to_owned()).or_default());
        if line.negated {
            match sequence {
                Some(sequence) => drop(rules.remove(&sequence)),
                None => rules.retain(|_, rule| rule.value != text),
            }
            return;
        }
        // FRR numbers them so: the next multiple of five.
        let last = rules.keys().next_back().copied().unwrap_or(0);
        let sequence = sequence.unwrap_or(last / 5 * 5 + 5);
        let value = text;
        let refused = crate::config::policy::rules(&value).err();
        match refused {
            Some(refused) => {
                let why = format!("is no rule: {}", refused.what);
                self.note(line, &why);
            }
            None => drop(rules.insert(
                sequence,
                At {
                    value,
                    line: line.number,
                },
            )),
        }
    }

    /// `bgp community-list standard NAME [seq N] permit|deny VALUE…`, and its like.
    pub(super) fn community_list(&mut self, line: &Line<'_>) {
        let kind = match line.word(1) {
            "community-list" => Communities::Standard,
            "large-community-list" => Communities::Large,
            _ => Communities::Extended,
        };
        let expanded = line.word(2) == "expanded";
        let start = if expanded || line.word(2) == "standard" {
            3
        } else {
            2
        };
        let name = line.word(start).to_owned();
        let action = if line.word(start + 1) == "seq" {
            start + 3
        } else {
            start + 1
        };
        let value = match (kind, line.from(action + 1)) {
            // `rt 65000:1` is one value.
            (Communities::Extended, [subtype, value]) => Some(format!("{subtype}:{value}")),
            (Communities::Extended, _) => None,
            (_, [value]) => Some((*value).to_owned()),
            _ => None,
        };
        let list = self.frr.community_lists.entry((kind, name)).or_default();
        match value {
            Some(value) if !expanded && line.word(action) == "permit" => {
                if line.negated {
                    list.permitted.retain(|permitted| *permitted != value);
                } else {
                    list.permitted.push(value);
                }
            }
            _ => {
                list.beyond = true;
                self.note(line, "cannot be said: only lines that permit one value can");
            }
        }
    }

    /// `ip protocol bgp route-map NAME`.
    pub(super) fn fib_map(&mut self, line: &Line<'_>) {
        let value = line.word(4).to_owned();
        let map = (!line.negated).then_some(At {
            value,
            line: line.number,
        });
        *family_of(line).of_mut(&mut self.frr.fib_maps) = map;
    }
}
