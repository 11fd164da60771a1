//! What of a Southbound row says which others are needed.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::ovn::interest::columns::Cells;
use crate::ovn::southbound::resident;
use crate::ovn::vips;

/// The columns of a `Load_Balancer` that refer to groups of datapaths; a server has some of them.
pub(super) const GROUP_COLUMNS: [&str; 3] =
    ["datapath_group", "ls_datapath_group", "lr_datapath_group"];

/// Of a `Port_Binding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) name: Option<Arc<str>>,
    pub(super) kind: Kind,
    pub(super) chassis: Box<[Uuid]>,
    pub(super) datapath: Option<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A VM, a container, or a virtual port.
    Workload {
        has_ipv6: bool,
    },
    Localnet,
    /// Either end of a link between a switch and a router.
    Patch {
        peer: Option<Arc<str>>,
        /// It is the router's end of a gateway port.
        is_gateway: bool,
        /// Networks of the router's end.
        nets: Box<[IpNet]>,
        /// The ports that its `nat_addresses` name: the switch's end of a gateway port has them.
        residents: Box<[Arc<str>]>,
    },
    /// The half of a gateway port that is bound to a chassis.
    Redirect,
    /// Either end of a link of a gateway router.
    L3Gateway {
        peer: Option<Arc<str>>,
        /// Networks of the router's end.
        nets: Box<[IpNet]>,
    },
    Other,
}

impl Binding {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        let kind = match cells.text("type").map_or("", |kind| kind) {
            "" | "virtual" => {
                let cidrs = cells.entry("external_ids", "neutron:cidrs");
                Kind::Workload {
                    has_ipv6: cidrs.is_some_and(|cidrs| cidrs.contains(':')),
                }
            }
            "localnet" => Kind::Localnet,
            "patch" => Kind::Patch {
                peer: cells.entry("options", "peer").cloned(),
                is_gateway: cells.entry("options", "chassis-redirect-port").is_some(),
                nets: nets(cells),
                residents: residents(cells),
            },
            "chassisredirect" => Kind::Redirect,
            "l3gateway" => Kind::L3Gateway {
                peer: cells.entry("options", "peer").cloned(),
                nets: nets(cells),
            },
            _ => Kind::Other,
        };
        Self {
            name: cells.text("logical_port").cloned(),
            kind,
            chassis: cells.rows("chassis"),
            datapath: cells.rows("datapath").first().copied(),
        }
    }
}

/// The networks of `mac`, whose entries are a MAC address and networks.
fn nets(cells: &Cells<'_>) -> Box<[IpNet]> {
    let words = cells.texts("mac").flat_map(str::split_whitespace);
    words.filter_map(|word| word.parse().ok()).collect()
}

fn residents(cells: &Cells<'_>) -> Box<[Arc<str>]> {
    let entries = cells.texts("nat_addresses");
    let residents = entries.filter_map(resident);
    residents.map(Arc::from).collect()
}

/// Of a `Load_Balancer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balancer {
    /// The addresses of its VIPs.
    pub(super) vips: Box<[IpAddr]>,
    /// Groups of datapaths that have it.
    pub(super) groups: Box<[Uuid]>,
    /// Datapaths that have it: all that servers before OVN 21.12 tell.
    pub(super) datapaths: Box<[Uuid]>,
}

impl Balancer {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        let keys = cells.keys("vips");
        let groups = GROUP_COLUMNS.iter().flat_map(|column| cells.rows(column));
        Self {
            vips: keys.filter_map(vips::address).collect(),
            groups: groups.collect(),
            datapaths: cells.rows("datapaths"),
        }
    }
}

/// Leads by row. The rows that are there under the conditions in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Leads {
    pub(super) bindings: FxHashMap<Uuid, Binding>,
    pub(super) balancers: FxHashMap<Uuid, Balancer>,
    /// The datapaths of each group.
    pub(super) groups: FxHashMap<Uuid, Box<[Uuid]>>,
    /// Whether each datapath is a router.
    pub(super) datapaths: FxHashMap<Uuid, bool>,
    /// Name of each chassis.
    pub(super) chassis: FxHashMap<Uuid, Option<Arc<str>>>,
}
