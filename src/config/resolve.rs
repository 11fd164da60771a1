//! What was set, in its place: every option read, every name looked up, every section laid over those
//! it falls back to.

mod evpn;
mod lists;
mod session;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Config;
use super::bgp::{Endpoint, ListenRange, Neighbour};
use super::choice::{Backend, Prefixes, Shutdown};
use super::frr_peer;
use super::given::{Given, label};
use super::options::{
    BGP_SECTION, Draft, LISTEN, ListenDraft, NEIGHBOUR, Named, NeighbourDraft, SECTIONS,
    SessionDraft,
};
use super::problem::{Fault, Severity};
use super::table::{Effect, Row};
use lists::Names;

/// The configuration; what is wrong is added to the problems of `given`.
pub(super) fn resolve(given: &mut Given) -> Config {
    let mut draft = Draft::default();
    for section in SECTIONS {
        for name in section.names {
            fill(given, name, section.options, &mut draft);
        }
    }
    let mut names = Names::read(given);
    let fib_import = draft.fib_import.take().unwrap_or(Prefixes::DefaultOnly);
    let router_import = draft.router_import.take().unwrap_or(Prefixes::Any);
    let mut config = draft.config;
    config.bgp.asn = draft.bgp_as.unwrap_or(draft.default_as);
    config.bgp.router_id = draft.bgp_router_id.or(draft.default_router_id);
    config.bgp.fib.import = names.prefixes(given, BGP_SECTION, "fib_import", &fib_import);
    config.bgp.fib.router_import =
        names.prefixes(given, BGP_SECTION, "router_import", &router_import);
    config.evpn_vnis = evpn::tables(given);
    names.families.l2vpn_evpn = config.agent.has_tenant_tables() || !config.evpn_vnis.is_empty();
    let outermost = session::outermost(given, &names);
    let mut groups = BTreeMap::new();
    let group_names: Vec<_> = given.names(Named::Group).map(str::to_owned).collect();
    for name in group_names {
        let own = session::level(given, &names, &Named::Group.section(&name));
        groups.insert(name, own.within(&outermost));
    }
    let mut resolver = Resolver {
        outermost,
        groups,
        names,
        given,
    };
    config.neighbours = resolver.neighbours();
    config.listen_ranges = resolver.listen_ranges();
    if config.agent.bgp_backend == Backend::FrrPeer {
        let section = Named::Neighbour.section(frr_peer::NEIGHBOUR);
        let session = resolver.session(&section, None);
        let session = resolver.names.session(session, false);
        frr_peer::peer_with_frr(&mut config, session);
    }
    config
}

/// Stores the value, else the default, of every option of a section.
fn fill<T>(given: &mut Given, section: &str, rows: &[Row<T>], target: &mut T) {
    for row in rows {
        let default = row.default.is_none_or(|text| row.field.store(target, text));
        debug_assert!(default, "default of {}", row.name);
    }
    fill_given(given, section, rows, target);
}

/// Stores the value of every option of a section that was set.
fn fill_given<T>(given: &mut Given, section: &str, rows: &[Row<T>], target: &mut T) {
    for row in rows {
        let Some(set) = given.get(section, row.name).cloned() else {
            continue;
        };
        let option = Some(label(section, row.name));
        let text = if row.field.is_verbatim() || matches!(row.effect, Effect::Unneeded(_)) {
            set.text.clone()
        } else {
            match given.expanded(section, &set) {
                Ok(text) => text,
                Err(fault) => {
                    given.problem(Severity::Error, set.place, option, fault);
                    continue;
                }
            }
        };
        if !row.field.store(target, &text) {
            let value = (!row.field.is_secret()).then_some(text);
            let fault = Fault::Value {
                value,
                allowed: row.field.allowed(),
            };
            given.problem(Severity::Error, set.place, option, fault);
        } else if let Effect::Unneeded(why) = row.effect
            && row.default != Some(text.as_str())
        {
            let fault = Fault::NoEffect(why.to_owned());
            given.problem(Severity::Warning, set.place, option, fault);
        }
    }
}

struct Resolver<'a> {
    given: &'a mut Given,
    names: Names,
    /// The session options of `[bgp]`.
    outermost: SessionDraft,
    /// Those of each group over them.
    groups: BTreeMap<String, SessionDraft>,
}

impl Resolver<'_> {
    fn neighbours(&mut self) -> Vec<Neighbour> {
        let names: Vec<_> = self
            .given
            .names(Named::Neighbour)
            .map(str::to_owned)
            .collect();
        names
            .iter()
            .filter_map(|name| self.neighbour(name))
            .collect()
    }

    fn neighbour(&mut self, name: &str) -> Option<Neighbour> {
        let section = Named::Neighbour.section(name);
        let mut draft = NeighbourDraft::default();
        fill(self.given, &section, NEIGHBOUR, &mut draft);
        let session = self.session(&section, draft.group.as_deref());
        let endpoint = self.endpoint(name, &draft)?;
        let link_local = !matches!(endpoint, Endpoint::Address(_));
        Some(Neighbour {
            name: name.to_owned(),
            endpoint,
            port: draft.port,
            description: draft.description,
            shutdown: match draft.shutdown {
                Shutdown::Up => None,
                Shutdown::Down(words) => Some(words),
            },
            group: draft.group,
            session: self.names.session(session, link_local),
        })
    }

    /// The session options of a section over those of its group and of `[bgp]`.
    fn session(&mut self, section: &str, group: Option<&str>) -> SessionDraft {
        let own = session::level(self.given, &self.names, section);
        let Some(group) = group else {
            return own.within(&self.outermost);
        };
        match self.groups.get(group) {
            Some(outer) => own.within(outer),
            None => {
                let known: Vec<_> = self.groups.keys().map(String::as_str).collect();
                let fault = lists::unknown(group, Named::Group, &known);
                let place = self.given.place(section, "group");
                let option = Some(label(section, "group"));
                self.given.problem(Severity::Error, place, option, fault);
                own.within(&self.outermost)
            }
        }
    }

    /// Where a neighbour is: by its options, else by its name.
    fn endpoint(&mut self, name: &str, draft: &NeighbourDraft) -> Option<Endpoint> {
        let (address, scope) = match &draft.address {
            Some((address, scope)) => (Some(*address), scope.clone()),
            None => (name.parse().ok(), None),
        };
        let interface = draft.interface.clone().or(scope);
        match (address, interface) {
            (Some(IpAddr::V6(address)), Some(interface)) if address.is_unicast_link_local() => {
                Some(Endpoint::LinkLocal(address, interface))
            }
            (Some(IpAddr::V6(address)), None) if address.is_unicast_link_local() => {
                self.refuse(
                    name,
                    format!("{address} is a link-local address without an interface"),
                    format!("set interface, or write address = {address}%eth1"),
                );
                None
            }
            (Some(address), None) => Some(Endpoint::Address(address)),
            (Some(address), Some(_)) => {
                self.refuse(
                    name,
                    format!("{address} is no link-local address, so it needs no interface"),
                    "remove interface; bind_device binds the session to a device".into(),
                );
                None
            }
            (None, Some(interface)) => Some(Endpoint::Interface(interface)),
            (None, None) => {
                self.refuse(
                    name,
                    format!("neighbour '{name}' has neither address nor interface"),
                    "set one of them, or write an address as the section's name".into(),
                );
                None
            }
        }
    }

    fn refuse(&mut self, name: &str, what: String, remedy: String) {
        let place = self.given.section_place(Named::Neighbour, name);
        let section = Some(format!("[{}]", Named::Neighbour.section(name)));
        let fault = Fault::Conflict(what, remedy);
        self.given.problem(Severity::Error, place, section, fault);
    }

    fn listen_ranges(&mut self) -> Vec<ListenRange> {
        let names: Vec<_> = self.given.names(Named::Listen).map(str::to_owned).collect();
        names
            .iter()
            .filter_map(|name| self.listen_range(name))
            .collect()
    }

    fn listen_range(&mut self, name: &str) -> Option<ListenRange> {
        let section = Named::Listen.section(name);
        let mut draft = ListenDraft::default();
        fill(self.given, &section, LISTEN, &mut draft);
        let session = self.session(&section, draft.group.as_deref());
        let Some(prefix) = draft.prefix.or_else(|| name.parse().ok()) else {
            let place = self.given.section_place(Named::Listen, name);
            let fault = Fault::Conflict(
                format!("listen range '{name}' has no prefix"),
                "set prefix, or write one as the section's name".into(),
            );
            self.given
                .problem(Severity::Error, place, Some(format!("[{section}]")), fault);
            return None;
        };
        Some(ListenRange {
            name: name.to_owned(),
            prefix: prefix.trunc(),
            limit: draft.limit,
            group: draft.group,
            session: self.names.session(session, false),
        })
    }
}
