//! Where things are: a port on some host, a network on some bridge of this node.

use std::fmt;
use std::sync::Arc;

use bgp::evpn::Vni;

use super::{Inputs, Refusal, vpn};
use crate::exposure::{Attachment, Code, Layer};
use crate::ovn::northbound::{PortKind, SwitchPort};

/// Why a port does not count as up on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Another host or chassis, and the column that says so.
    Elsewhere {
        host: Arc<str>,
        by: &'static str,
    },
    /// Nobody has it.
    NotBound,
    /// It is a subport, and this parent is not in the database.
    ParentMissing {
        parent: Arc<str>,
    },
    /// It is virtual, and no parent has ever claimed it.
    NeverClaimed,
    Disabled,
    Down,
}

impl Absent {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Elsewhere { .. } => Code::ElsewhereBound,
            Self::NotBound | Self::ParentMissing { .. } => Code::NotBound,
            Self::NeverClaimed => Code::NeverClaimed,
            Self::Disabled => Code::PortDisabled,
            Self::Down => Code::PortDown,
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere { host, by } => write!(f, "{by} is {host}"),
            Self::NotBound => write!(
                f,
                "neither options:requested-chassis nor external_ids:neutron:host_id names a host"
            ),
            Self::ParentMissing { parent } => {
                write!(f, "parent_name is {parent}, and there is no such port")
            }
            Self::NeverClaimed => write!(
                f,
                "type is virtual, and external_ids:neutron:host_id names no host: no parent has claimed it"
            ),
            Self::Disabled => write!(f, "enabled is false"),
            Self::Down => write!(f, "up is not true"),
        }
    }
}

/// The host of a port that is up on this node; else why it is not.
pub(super) fn here(inputs: Inputs<'_>, port: &SwitchPort) -> Result<Arc<str>, Absent> {
    let bound = bound(inputs, port)?;
    if !inputs.node.is(&bound.host) {
        return Err(Absent::Elsewhere {
            host: bound.host,
            by: bound.by,
        });
    }
    working(port, bound.migrating)?;
    Ok(bound.host)
}

/// Whether a port is up, on whichever node.
pub(super) fn up(inputs: Inputs<'_>, port: &SwitchPort) -> Result<(), Absent> {
    let migrating = port.kind == PortKind::Vif && port.requested_chassis.len() > 1;
    match bound(inputs, port) {
        Err(Absent::NeverClaimed) if !port.up => Err(Absent::NeverClaimed),
        _ => working(port, migrating),
    }
}

fn working(port: &SwitchPort, migrating: bool) -> Result<(), Absent> {
    // Octavia makes its amphora VIPs disabled: a virtual port works through its parent.
    if !port.enabled && port.kind != PortKind::Virtual {
        return Err(Absent::Disabled);
    }
    // `up` flaps while a port migrates; what is there stays until the list names one host.
    if !port.up && !migrating {
        return Err(Absent::Down);
    }
    Ok(())
}

struct Bound {
    host: Arc<str>,
    by: &'static str,
    migrating: bool,
}

fn bound(inputs: Inputs<'_>, port: &SwitchPort) -> Result<Bound, Absent> {
    let own = own_binding(inputs, port);
    match (own, &port.parent) {
        (Some(bound), _) => Ok(bound),
        (None, _) if port.kind == PortKind::Virtual => Err(Absent::NeverClaimed),
        (None, None) => Err(Absent::NotBound),
        // Neutron writes no host on the subports of a trunk: they are where their parent is.
        (None, Some(parent)) => {
            let row = inputs.northbound.port_named(parent);
            let row = row.ok_or_else(|| Absent::ParentMissing {
                parent: parent.clone(),
            })?;
            own_binding(inputs, row).ok_or(Absent::NotBound)
        }
    }
}

/// Where a port's own row says it is.
fn own_binding(inputs: Inputs<'_>, port: &SwitchPort) -> Option<Bound> {
    let by_host_id = || {
        Some(Bound {
            host: port.host_id.clone()?,
            by: "external_ids:neutron:host_id",
            migrating: false,
        })
    };
    // A virtual port's requested-chassis means nothing: whoever claimed it is in host_id.
    if port.kind == PortKind::Virtual {
        return by_host_id();
    }
    match port.requested_chassis.as_slice() {
        [] => by_host_id(),
        [host] => Some(Bound {
            host: host.clone(),
            by: "options:requested-chassis",
            migrating: false,
        }),
        // A live migration: source first. Only one may attract the traffic.
        [source, ..] => {
            let southbound = inputs.southbound;
            let bound = southbound.and_then(|sb| sb.chassis_of(&port.name));
            Some(Bound {
                host: bound.unwrap_or(source).clone(),
                by: match bound {
                    Some(_) => "Port_Binding.chassis (the port migrates)",
                    None => "the first of options:requested-chassis (the port migrates)",
                },
                migrating: true,
            })
        }
    }
}

/// Where a network's traffic enters this node, and in whose table its prefixes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) attachment: Attachment,
    /// `None` is the default table.
    pub(super) vni: Option<Vni>,
    pub(super) layer: Layer,
}

impl Site {
    /// Whether it is stretched: it has hosts by their MAC addresses.
    pub(super) fn is_stretched(&self) -> bool {
        self.vni.is_some() && self.layer == Layer::Bridged
    }
}

/// What a network is to this node.
pub(super) enum Place {
    /// Its traffic enters here.
    Attached(Site),
    /// It would enter here, but the exposing method does not expose it.
    Refused(Refusal),
    /// It is a provider network of physical networks that this node does not reach.
    NotMapped,
    /// It has no localnet port: a tenant network.
    Tenant,
}

/// Where a network's traffic enters this node, through which of its localnet ports, and whether it is exposed.
pub(super) fn network(inputs: Inputs<'_>, name: &str) -> Place {
    match localnet(inputs, name) {
        Some((_, attachment)) => match vpn::table_of(inputs, name) {
            Ok(None) => Place::Attached(Site {
                attachment,
                vni: None,
                layer: Layer::default(),
            }),
            Ok(Some((vni, layer))) => Place::Attached(Site {
                attachment,
                vni: Some(vni),
                layer,
            }),
            Err(refusal) => Place::Refused(refusal),
        },
        None if inputs.northbound.localnets(name).next().is_some() => Place::NotMapped,
        None => Place::Tenant,
    }
}

/// Looks for a localnet port of the network on a physical network that this node maps. With several
/// (a routed provider network), the one that comes first in the mappings, then by name.
pub(super) fn localnet<'a>(
    inputs: Inputs<'a>,
    name: &str,
) -> Option<(&'a Arc<SwitchPort>, Attachment)> {
    let mapped = inputs.northbound.localnets(name).filter_map(|localnet| {
        let physical_network = localnet.physical_network.as_deref().unwrap_or_default();
        Some((localnet, inputs.node.mappings.find(physical_network)?))
    });
    let (localnet, mapping) =
        mapped.min_by(|(a, x), (b, y)| (x.position, &a.name).cmp(&(y.position, &b.name)))?;
    let attachment = Attachment {
        bridge: mapping.bridge.clone(),
        vlan: localnet.tag.filter(|tag| *tag != 0),
        localnet: localnet.name.clone(),
    };
    Some((localnet, attachment))
}

/// Why a network is [`Place::NotMapped`], for operators.
pub(super) fn not_mapped(inputs: Inputs<'_>, name: &str) -> String {
    let localnets = inputs.northbound.localnets(name);
    let physical = localnets.filter_map(|port| port.physical_network.as_deref());
    let mut physical: Vec<_> = physical.collect();
    physical.sort_unstable();
    format!(
        "network {name} is on physical network {}, which Open_vSwitch.external_ids:\
         ovn-bridge-mappings of this node does not name",
        physical.join(", ")
    )
}
