//! Where ovn-controller looks for what the fabric teaches: a routing table for each router, which it reads into
//! `Learned_Route`. It takes routes of dynamic protocols with a next hop, and not its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::{Inputs, port};

/// Tables that the kernel has other uses for: `compat`, `default`, `main`, `local`.
const RESERVED: std::ops::RangeInclusive<u32> = 252..=255;

/// A table that wants what is learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learning {
    /// The router's name.
    pub router: Arc<str>,
    /// The name of the VRF device whose table it is. ovn-controller makes it if `dynamic-routing-maintain-vrf` is set;
    /// it reads the table whether or not there is one.
    pub vrf: Arc<str>,
    /// Only routes by these devices are wanted; `None` is by any.
    pub devices: Option<BTreeSet<Arc<str>>>,
}

/// Which device `dynamic-routing-port-name` means: `Open_vSwitch.external_ids:dynamic-routing-port-mapping`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices(BTreeMap<Arc<str>, Arc<str>>);

impl Devices {
    /// Reads the setting: `NAME=DEVICE`, separated by commas. What is no such pair is left out, as OVN does.
    pub fn parse(text: &str) -> Self {
        let pairs = text
            .split(',')
            .filter_map(|pair| pair.trim().split_once('='));
        let pairs = pairs.map(|(name, device)| (name.trim(), device.trim()));
        let pairs = pairs.filter(|(name, device)| !name.is_empty() && !device.is_empty());
        Self(pairs.map(|(n, d)| (n.into(), d.into())).collect())
    }

    /// The device of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        self.0.get(name)
    }
}

/// The tables that want what is learned in the default instance, for the routers that this chassis hosts a port of. Two
/// routers that name one table get it as one: the first by name is called its owner, and devices are those of both.
/// Routers of a tenant learn nothing: what the fabric teaches a VNI leads to VTEPs, which are on no network of theirs.
pub fn learning(inputs: Inputs<'_>, devices: &Devices) -> BTreeMap<u32, Learning> {
    let sb = inputs.southbound;
    let mut routers: Vec<_> = sb
        .routers()
        .map(|uuid| (sb.network_name(uuid), uuid))
        .collect();
    routers.sort();
    let mut tables: BTreeMap<u32, Learning> = BTreeMap::new();
    for (name, router) in routers {
        let Some((table, learning)) = of_router(inputs, devices, name, router) else {
            continue;
        };
        match tables.get_mut(&table) {
            Some(held) => {
                held.devices = match (held.devices.take(), learning.devices) {
                    (Some(some), Some(more)) => Some(some.union(&more).cloned().collect()),
                    _ => None,
                };
            }
            None => drop(tables.insert(table, learning)),
        }
    }
    tables
}

fn of_router(
    inputs: Inputs<'_>,
    devices: &Devices,
    router: Arc<str>,
    uuid: Uuid,
) -> Option<(u32, Learning)> {
    let table = inputs.southbound.datapath(uuid)?.table;
    if table == 0 || RESERVED.contains(&table) {
        return None;
    }
    let ports = port::hosted(inputs, uuid).ok()?;
    let learning = ports.iter().filter(|port| {
        let routing = &port.gateway.redirect.routing;
        port.tenant.is_none() && routing.learns()
    });
    let learning: Vec<_> = learning
        .map(|port| &port.gateway.redirect.routing)
        .collect();
    let vrf = learning.first()?.vrf_name().cloned();
    let names: Vec<_> = learning.iter().filter_map(|r| r.port_name()).collect();
    // One that names a device makes those that name none learn nothing.
    let wanted = names.iter().filter_map(|name| devices.get(name)).cloned();
    Some((
        table,
        Learning {
            router,
            vrf: vrf.unwrap_or_else(|| format!("ovnvrf{table}").into()),
            devices: (!names.is_empty()).then(|| wanted.collect()),
        },
    ))
}
