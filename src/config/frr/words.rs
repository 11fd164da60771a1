//! From the [model](super::model) to options of bgp-agent.conf.
//!
//! FRR and this agent differ in what they do unasked: FRR exchanges every prefix, installs every route
//! and holds a session for 180 s. So these are always said.

mod fib;
mod lists;
mod policies;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use super::model::{At, Bgp, Family, Frr, Options};
use super::{Note, Translation, Word};

/// The translation of a whole file; `notes` are those of reading it.
pub(super) fn of(frr: &Frr, notes: Vec<Note>) -> Translation {
    let mut writer = Writer::new(frr, notes);
    let Some(bgp) = &frr.bgp else {
        writer.note(1, "there is no 'router bgp AS'");
        return writer.finish();
    };
    writer.bgp(bgp);
    writer.sessions(bgp);
    // Policies name lists, so they come first; sections have no order.
    writer.policies();
    writer.prefix_lists();
    writer.profiles();
    writer.finish()
}

struct Writer<'a> {
    frr: &'a Frr,
    out: Translation,
    /// Prefix lists that something refers to: name here, name there, families.
    lists: BTreeMap<String, (String, Vec<Family>)>,
    /// Route maps that a neighbour refers to: name, line.
    policies: BTreeMap<String, usize>,
    profiles: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    fn new(frr: &'a Frr, notes: Vec<Note>) -> Self {
        let out = Translation {
            notes,
            ..Translation::default()
        };
        Self {
            frr,
            out,
            lists: BTreeMap::new(),
            policies: BTreeMap::new(),
            profiles: BTreeSet::new(),
        }
    }

    fn finish(mut self) -> Translation {
        self.out.notes.sort();
        self.out.notes.dedup();
        self.out
    }

    fn note(&mut self, line: usize, what: impl Into<String>) {
        let what = what.into();
        self.out.notes.push(Note { line, what });
    }

    /// Adds an option to a section.
    fn say(&mut self, section: &str, option: &str, text: impl Into<String>, line: usize) {
        self.out.words.push(Word {
            section: section.to_owned(),
            option: option.to_owned(),
            text: text.into(),
            lines: vec![line],
        });
    }

    fn say_all(&mut self, section: &str, options: &Options) {
        for (option, At { value, line }) in options {
            self.say(section, option, value.clone(), *line);
        }
    }

    /// `[bgp]`.
    fn bgp(&mut self, bgp: &Bgp) {
        let section = "bgp";
        let mut options = bgp.options.clone();
        let at = |value: &str| At {
            value: value.to_owned(),
            line: bgp.line,
        };
        options
            .entry("multipath_relax")
            .or_insert_with(|| at("false"));
        let (keepalive, hold) = match &bgp.timers {
            Some(timers) => timers.value,
            None if self.frr.datacenter => (3, 9),
            None => (60, 180),
        };
        let line = bgp.timers.as_ref().map_or(bgp.line, |timers| timers.line);
        for (option, value) in [("hold_time", hold), ("keepalive_time", keepalive)] {
            let value = value.to_string();
            options.insert(option, At { value, line });
        }
        sessions::bound_keepalive(&mut options);
        self.say_all(section, &options);
        self.networks(bgp);
        self.connected(bgp);
        self.fib(bgp);
    }

    fn networks(&mut self, bgp: &Bgp) {
        let Some(first) = bgp.networks.first() else {
            return;
        };
        let prefixes: Vec<_> = bgp
            .networks
            .iter()
            .map(|network| network.value.as_str())
            .collect();
        self.say("bgp", "originate", prefixes.join(", "), first.line);
        if bgp.import_check != Some(false) && !(self.frr.datacenter || self.older_than(7, 4)) {
            for network in &bgp.networks {
                let what = format!(
                    "'network {}' is originated even when the node has no route to it (bgp network import-check)",
                    network.value
                );
                self.note(network.line, what);
            }
        }
    }

    /// Whether the file says that an older FRR wrote it, whose defaults count.
    fn older_than(&self, major: u32, minor: u32) -> bool {
        self.frr
            .version
            .is_some_and(|version| version < (major, minor))
    }

    fn profiles(&mut self) {
        for name in std::mem::take(&mut self.profiles) {
            let section = format!("bfd_profile {name}");
            match self.frr.bfd_profiles.get(&name) {
                Some(profile) => {
                    self.out.sections.push((section.clone(), profile.line));
                    self.say_all(&section, &profile.options);
                }
                None => self.out.sections.push((section, 1)),
            }
        }
    }
}
