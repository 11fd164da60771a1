//! Where things are: a port on some chassis, a network on some bridge of this node.

use std::sync::Arc;

use uuid::Uuid;

use super::{Inputs, Why};
use crate::exposure::{Attachment, Code};
use crate::ovn::southbound::{BindingKind, PortBinding};

/// The chassis of a port that is up, wherever; else why there is none.
pub(in crate::exposure) fn bound<'a>(
    inputs: Inputs<'a>,
    port: &PortBinding,
) -> Result<&'a Arc<str>, Why> {
    let sb = inputs.southbound;
    let because = |code, why: &str| (code, format!("Port_Binding {}: {why}", port.logical_port));
    let chassis = sb.chassis_name(port).ok_or_else(|| match port.kind {
        _ if port.chassis.is_some() => because(Code::NotBound, "there is no such chassis any more"),
        BindingKind::Virtual => because(Code::NeverClaimed, "no parent has claimed it"),
        _ => because(Code::NotBound, "chassis is not set"),
    })?;
    if !port.up {
        return Err(because(Code::PortDown, "up is not true"));
    }
    Ok(chassis)
}

/// The chassis of a port that is up on this node; else why it is not.
pub(super) fn here<'a>(inputs: Inputs<'a>, port: &PortBinding) -> Result<&'a Arc<str>, Why> {
    if let Some(chassis) = inputs.southbound.chassis_name(port)
        && *chassis != inputs.node.chassis
    {
        let why = format!("Port_Binding {}: chassis is {chassis}", port.logical_port);
        return Err((Code::ElsewhereBound, why));
    }
    bound(inputs, port)
}

/// Where a network's traffic enters this node.
pub(in crate::exposure) enum Place {
    /// Through this bridge.
    Attached(Attachment),
    /// It is a provider network of physical networks that this node does not reach.
    NotMapped,
    /// It has no localnet port: a tenant network.
    Tenant,
}

/// Looks for a localnet port of the network on a physical network that this node maps. With several
/// (a routed provider network), the one that comes first in the mappings, then by name.
pub(in crate::exposure) fn network(inputs: Inputs<'_>, switch: Uuid) -> Place {
    let mut provider = false;
    let mut mapped: Vec<_> = Vec::new();
    for (name, localnet) in inputs.southbound.localnets_on(switch) {
        provider = true;
        let physical_network = localnet.physical_network.as_deref().unwrap_or_default();
        if let Some(mapping) = inputs.node.mappings.find(physical_network) {
            mapped.push((mapping.position, name, mapping, localnet.vlan));
        }
    }
    let first = mapped.into_iter().min_by_key(|m| (m.0, m.1.clone()));
    match first {
        Some((_, localnet, mapping, vlan)) => Place::Attached(Attachment {
            bridge: mapping.bridge.clone(),
            vlan,
            localnet: localnet.clone(),
        }),
        None if provider => Place::NotMapped,
        None => Place::Tenant,
    }
}

/// Why a network is [`Place::NotMapped`].
pub(in crate::exposure) fn not_mapped(inputs: Inputs<'_>, switch: Uuid) -> Why {
    let localnets = inputs.southbound.localnets_on(switch);
    let physical = localnets.filter_map(|(_, localnet)| localnet.physical_network.as_deref());
    let mut physical: Vec<_> = physical.collect();
    physical.sort_unstable();
    let why = format!(
        "network {} is on physical network {}, which Open_vSwitch.external_ids:ovn-bridge-mappings of \
         this node does not name",
        inputs.southbound.network_name(switch),
        physical.join(", ")
    );
    (Code::PhysicalNetworkNotMapped, why)
}
