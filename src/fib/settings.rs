//! What the operator decides: plain values, already checked by `config`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp::PrefixList;
use ipnet::IpNet;

use super::connected;
use crate::reconcile::object::TableId;

/// ovn-controller writes a row of OVN_Southbound for each route of a router's table, which the whole cloud reads.
const ROUTER_LIMIT: usize = 10_000;

/// The kernel's side of the speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which learned prefixes are installed; `None` leaves the kernel's routes alone altogether, as beside an
    /// FRR that installs its own.
    pub import: Option<PrefixList>,
    /// The routing table they go to.
    pub table: TableId,
    /// Their metric. Lower wins among routes to one prefix: a default route of DHCP (100 and up) gives way to
    /// ours and comes back into use without it, a static one (0) stays in front of it.
    pub metric: u32,
    /// Source address of what the node itself sends by IPv4 routes, for as long as the node has it.
    pub source_v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub source_v6: Option<Ipv6Addr>,
    /// A next hop that is not on a link may be reached through a default route.
    pub resolve_via_default: bool,
    /// How long routes of an earlier process are kept that nobody has taught this one yet. They go sooner once
    /// the peers have told all they have.
    pub stale_hold: Duration,
    /// Which of the node's own addresses are originated.
    pub connected: connected::Settings,
    /// Which learned prefixes are put into the tables of OVN's routers (`driver = ovn_native`).
    pub router_import: PrefixList,
    /// The most routes that each of these tables gets.
    pub router_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            import: Some(PrefixList::default_routes()),
            table: libc::RT_TABLE_MAIN.into(),
            metric: 20,
            source_v4: None,
            source_v6: None,
            resolve_via_default: true,
            stale_hold: Duration::from_secs(120),
            connected: connected::Settings::default(),
            router_import: PrefixList::everything(),
            router_limit: ROUTER_LIMIT,
        }
    }
}

impl Settings {
    /// Those of an OVN router's table. What is no more wanted there is still known for ours: `import` is never `None`.
    pub(super) fn of_router(&self, table: TableId) -> Self {
        Self {
            import: Some(self.router_import.clone()),
            table,
            source_v4: None,
            source_v6: None,
            connected: connected::Settings::none(),
            ..self.clone()
        }
    }

    /// Those of the table of a router that has gone: nothing is wanted in it.
    pub(super) fn of_former_router(&self, table: TableId) -> Self {
        Self {
            import: Some(PrefixList::nothing()),
            ..self.of_router(table)
        }
    }

    pub(super) fn imports(&self, prefix: &IpNet) -> bool {
        let list = self.import.as_ref();
        list.is_some_and(|list| list.permits(prefix))
    }

    /// The preferred source of routes to prefixes of this family.
    pub(super) fn source(&self, prefix: &IpNet) -> Option<IpAddr> {
        match prefix {
            IpNet::V4(_) => self.source_v4.map(IpAddr::V4),
            IpNet::V6(_) => self.source_v6.map(IpAddr::V6),
        }
    }
}
