//! Which sections there are, and which options each of them has.

use super::bgp::{LISTEN, NEIGHBOUR, POLICY, PREFIX_LIST, PROFILE};
use super::evpn::EVPN_VNI;
use super::{SECTIONS, SESSION};
use crate::config::table::{Described, Row};

/// The section whose session options all others fall back to.
pub(in crate::config) const BGP_SECTION: &str = "bgp";

/// Sections that have a NAME and of which there may be many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Named {
    Neighbour,
    Group,
    Listen,
    PrefixList,
    Policy,
    BfdProfile,
    EvpnVni,
}

impl Named {
    pub(in crate::config) const ALL: [Self; 7] = [
        Self::Neighbour,
        Self::Group,
        Self::Listen,
        Self::PrefixList,
        Self::Policy,
        Self::BfdProfile,
        Self::EvpnVni,
    ];

    /// The first word of its section lines.
    pub(in crate::config) fn word(self) -> &'static str {
        match self {
            Self::Neighbour => "bgp_neighbor",
            Self::Group => "bgp_group",
            Self::Listen => "bgp_listen",
            Self::PrefixList => "bgp_prefix_list",
            Self::Policy => "bgp_policy",
            Self::BfdProfile => "bfd_profile",
            Self::EvpnVni => "evpn_vni",
        }
    }

    /// The section called `name`, in its one spelling.
    pub(in crate::config) fn section(self, name: &str) -> String {
        format!("{} {name}", self.word())
    }

    /// What a section line is about, and its NAME.
    pub(in crate::config) fn of(section: &str) -> Option<(Self, &str)> {
        let (word, name) = section.split_once(' ')?;
        let named = Self::ALL.into_iter().find(|named| named.word() == word)?;
        Some((named, name))
    }

    /// The options it has besides those of a session.
    pub(in crate::config) fn own(self) -> Vec<&'static dyn Described> {
        match self {
            Self::Neighbour => described(NEIGHBOUR),
            Self::Group => Vec::new(),
            Self::Listen => described(LISTEN),
            Self::PrefixList => described(PREFIX_LIST),
            Self::Policy => described(POLICY),
            Self::BfdProfile => described(PROFILE),
            Self::EvpnVni => described(EVPN_VNI),
        }
    }

    /// Whether it has the options of a session.
    pub(in crate::config) fn has_session(self) -> bool {
        matches!(self, Self::Neighbour | Self::Group | Self::Listen)
    }
}

/// The options of a section, in the order of the documentation.
pub(in crate::config) fn options(section: &str) -> Vec<&'static dyn Described> {
    let (mut all, session) = match Named::of(section) {
        Some((named, _)) => (named.own(), named.has_session()),
        None => {
            let named = SECTIONS.iter().filter(|s| s.names.contains(&section));
            let rows = named.flat_map(|s| described(s.options)).collect();
            (rows, section == BGP_SECTION)
        }
    };
    if session {
        all.extend(described(SESSION));
    }
    all
}

/// An option of a section.
pub(in crate::config) fn option(section: &str, name: &str) -> Option<&'static dyn Described> {
    options(section).into_iter().find(|o| o.name() == name)
}

fn described<T>(rows: &'static [Row<T>]) -> Vec<&'static dyn Described> {
    rows.iter().map(|row| row as &dyn Described).collect()
}
