//! What of a Southbound row says which others are needed.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::ovn::interest::columns::Cells;
use crate::ovn::vips;

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
    Workload,
    /// Either end of a link between a switch and a router.
    Patch {
        peer: Option<Arc<str>>,
        /// It is the router's end of a gateway port.
        is_gateway: bool,
        /// Networks of the router's end.
        nets: Box<[IpNet]>,
    },
    /// The half of a gateway port that is bound to a chassis.
    Redirect,
    Other,
}

impl Binding {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        let kind = match cells.text("type").map_or("", |kind| kind) {
            "" | "virtual" => Kind::Workload,
            "patch" => Kind::Patch {
                peer: cells.entry("options", "peer").cloned(),
                is_gateway: cells.entry("options", "chassis-redirect-port").is_some(),
                nets: nets(cells),
            },
            "chassisredirect" => Kind::Redirect,
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

/// Of a `Load_Balancer`: the addresses of its VIPs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balancer {
    pub(super) vips: Box<[IpAddr]>,
}

impl Balancer {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        let keys = cells.keys("vips");
        Self {
            vips: keys.filter_map(vips::address).collect(),
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
