//! From lines to the [model](super::model): which context a statement belongs to, and what it says there.
//!
//! FRR does not need `exit`: a statement that means nothing in a context is tried in the one around it.

mod bfd;
mod bgp;
mod lists;
mod neighbour;
mod route_map;

use super::Note;
use super::line::Line;
use super::model::{Family, Frr};

/// Where a statement stands.
#[derive(Clone, PartialEq, Eq)]
enum Context {
    Top,
    Bgp,
    /// `address-family` of a family this agent has.
    Family(Family),
    /// `address-family l2vpn evpn`.
    Evpn,
    /// `vni N` in it: the index of its note.
    Vni(usize),
    RouteMap(String, u32),
    Bfd,
    BfdProfile(String),
    /// `address-family` of another: the index of its note.
    OtherFamily(usize),
    /// A block that means nothing here: the index of its note.
    Foreign(usize),
    /// A block whose lines ask for nothing.
    Silent,
}

/// Reads a whole file.
pub(super) fn read(text: &str) -> (Frr, Vec<Note>) {
    let mut reader = Reader::default();
    for (index, text) in text.lines().enumerate() {
        if let Some(line) = Line::read(index + 1, text) {
            reader.statement(&line);
        }
    }
    (reader.frr, reader.notes)
}

struct Reader {
    frr: Frr,
    notes: Vec<Note>,
    context: Context,
    /// The block around `context`, where that is not the top.
    outer: Vec<Context>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            frr: Frr::default(),
            notes: Vec::new(),
            context: Context::Top,
            outer: Vec::new(),
        }
    }
}

impl Reader {
    fn statement(&mut self, line: &Line<'_>) {
        if self.leaves(line) {
            return;
        }
        while !self.accepts(line) {
            self.leave();
        }
    }

    /// Whether the statement does no more than end its context.
    fn leaves(&mut self, line: &Line<'_>) -> bool {
        match line.word(0) {
            "exit" | "exit-address-family" | "exit-vrf" | "exit-vni" | "quit" => self.leave(),
            "end" => {
                self.context = Context::Top;
                self.outer.clear();
            }
            _ => return false,
        }
        true
    }

    fn leave(&mut self) {
        self.context = self.outer.pop().unwrap_or(Context::Top);
    }

    fn enter(&mut self, context: Context) {
        let outer = std::mem::replace(&mut self.context, context);
        self.outer.push(outer);
    }

    /// Takes a statement in the present context, unless it belongs further out.
    fn accepts(&mut self, line: &Line<'_>) -> bool {
        match self.context.clone() {
            Context::Top => {
                self.top(line);
                true
            }
            Context::Bgp => self.router_bgp(line),
            Context::Family(family) => self.address_family(line, family),
            Context::Evpn => self.evpn(line),
            Context::Vni(note) => self.vni(line, note),
            Context::RouteMap(name, sequence) => self.route_map_entry(line, &name, sequence),
            Context::Bfd => self.bfd(line),
            Context::BfdProfile(name) => self.bfd_profile(line, &name),
            Context::Silent => line.indented,
            Context::OtherFamily(note) => self.other_family(line, note),
            Context::Foreign(note) => {
                if line.indented {
                    self.count(note);
                }
                line.indented
            }
        }
    }

    fn top(&mut self, line: &Line<'_>) {
        match (line.word(0), line.word(1)) {
            ("frr", "version") => self.frr.version = version(line.word(2)),
            ("frr", "defaults") => self.frr.datacenter = line.word(2) == "datacenter",
            ("router", "bgp") => self.router(line),
            ("ip" | "ipv6", "prefix-list") => self.prefix_list(line),
            ("ip" | "ipv6", "protocol") if line.word(2) == "bgp" => self.fib_map(line),
            ("ip" | "ipv6", "nht") if line.word(2) == "resolve-via-default" => {
                let family = family_of(line);
                let value = !line.negated;
                *family.of_mut(&mut self.frr.resolve_via_default) = Some(super::model::At {
                    value,
                    line: line.number,
                });
            }
            ("route-map", _) => self.route_map(line),
            ("bgp", "community-list" | "large-community-list" | "extcommunity-list")
            | ("ip", "community-list" | "large-community-list" | "extcommunity-list") => {
                self.community_list(line);
            }
            ("bfd", _) => self.enter(Context::Bfd),
            ("line", _) => self.enter(Context::Silent),
            ("ip" | "ipv6", "forwarding") => {}
            (word, _) if ASKS_NOTHING.contains(&word) => {}
            (word, _) if OPENS_BLOCK.contains(&word) => self.foreign(line),
            _ => self.note(line, "means nothing here"),
        }
    }

    /// A block of something this agent does not do: one note for all of its lines.
    fn foreign(&mut self, line: &Line<'_>) {
        self.note(line, "means nothing here");
        self.enter(Context::Foreign(self.notes.len().saturating_sub(1)));
    }

    /// One more line in the block of a note.
    fn count(&mut self, note: usize) {
        if let Some(note) = self.notes.get_mut(note) {
            note.what = more_of(&note.what);
        }
    }

    /// Says that a statement has no equivalent. `no …` asks for what is so anyway.
    fn note(&mut self, line: &Line<'_>, why: &str) {
        if !line.negated {
            self.notes.push(Note {
                line: line.number,
                what: format!("'{}' {why}", line.beginning()),
            });
        }
    }

    fn note_always(&mut self, line: &Line<'_>, why: &str) {
        self.notes.push(Note {
            line: line.number,
            what: format!("'{}' {why}", line.beginning()),
        });
    }
}

/// Statements about the daemons themselves.
const ASKS_NOTHING: [&str; 18] = [
    "frr",
    "hostname",
    "domainname",
    "log",
    "service",
    "debug",
    "password",
    "enable",
    "username",
    "banner",
    "agentx",
    "zebra",
    "allow-reserved-ranges",
    "configure",
    "terminal",
    "allow-external-route-update",
    "exec-timeout",
    "cputime",
];

/// Statements that others, indented ones, belong to.
const OPENS_BLOCK: [&str; 10] = [
    "router",
    "interface",
    "vrf",
    "segment-routing",
    "rpki",
    "pbr-map",
    "nexthop-group",
    "key",
    "mpls",
    "pw",
];

/// `8.4.4-1` is 8.4.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn family_of(line: &Line<'_>) -> Family {
    if line.word(0) == "ipv6" {
        Family::V6
    } else {
        Family::V4
    }
}

/// Counts the lines of a block in its note.
fn more_of(what: &str) -> String {
    let (head, count) = match what.rsplit_once(" (and ") {
        Some((head, rest)) => {
            let digits = rest.split(' ').next().and_then(|count| count.parse().ok());
            (head, digits.unwrap_or(0_usize))
        }
        None => (what, 0),
    };
    let lines = if count == 0 { "line" } else { "lines" };
    format!("{head} (and {} {lines} in it)", count + 1)
}
