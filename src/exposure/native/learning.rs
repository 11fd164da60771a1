//! Where ovn-controller looks for what the fabric teaches: a routing table for each router, which it reads into
//! `Learned_Route`. It takes routes of dynamic protocols with a next hop, and not its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;
use uuid::Uuid;

use super::port::Port;
use super::{Inputs, port};

/// Tables that the kernel has other uses for: `compat`, `default`, `main`, `local`.
const RESERVED: std::ops::RangeInclusive<u32> = 252..=255;

/// A table that wants what is learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learning {
    /// The router's name.
    pub router: Arc<str>,
    /// The name of the VRF device whose table it is. ovn-controller makes it if `dynamic-routing-maintain-vrf` is set;
    /// it reads the table whether or not there is one.
    pub vrf: Arc<str>,
    /// Only routes by these devices are wanted; `None` is by any.
    pub devices: Option<BTreeSet<Arc<str>>>,
    /// The addresses, with their lengths, of the ports that learn.
    pub networks: BTreeSet<IpNet>,
    /// What the router wants advertised itself (`Advertised_Route`): it learns none of that back.
    pub advertised: BTreeSet<IpNet>,
    /// Who teaches it.
    pub teacher: Teacher,
}

/// Where a router's routes come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Teacher {
    /// The default instance, whose next routers are on a network of the router.
    #[default]
    Fabric,
    /// A VNI. What is taught there leads to VTEPs, which are on no network of the router: this node is its next router.
    Tenant(Lessons),
    /// Several of them by one table: what is one tenant's is not for another.
    Several,
}

/// What a VNI's table has that is for others to go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    pub vni: Vni,
    /// The ports of routers that learn.
    pub ports: BTreeSet<Arc<str>>,
    /// What peers teach.
    pub prefixes: Arc<BTreeSet<IpNet>>,
    /// The addresses that this node has on the ports' networks: none, as long as the tenant has no devices.
    pub next: BTreeSet<IpAddr>,
    /// The bridge of the provider network.
    pub device: Arc<str>,
    /// Peers have told all they have.
    pub complete: bool,
}

impl Learning {
    /// Whether the router can send to this next router by this device. A device that the operator named is taken at its
    /// word. Else ovn-controller would give the route to each of the router's ports, and northd would have it leave
    /// there whatever the port's network is: the next router must be on a network of a port that learns.
    pub fn leads(&self, via: IpAddr, device: &str) -> bool {
        let is_own = self.networks.iter().any(|net| net.addr() == via);
        let is_near = || self.networks.iter().any(|net| net.contains(&via));
        !is_own
            && match &self.devices {
                Some(devices) => devices.contains(device),
                None => is_near(),
            }
    }

    /// Whether they differ, but for what peers teach a VNI.
    pub fn is_like(&self, other: &Self) -> bool {
        let outline = |learning: &Self| {
            let mut learning = learning.clone();
            if let Teacher::Tenant(lessons) = &mut learning.teacher {
                lessons.prefixes = Arc::default();
                lessons.complete = false;
            }
            learning
        };
        outline(self) == outline(other)
    }

    /// What its VNI teaches, of a router of one.
    pub fn lessons(&self) -> Option<&Lessons> {
        match &self.teacher {
            Teacher::Tenant(lessons) => Some(lessons),
            Teacher::Fabric | Teacher::Several => None,
        }
    }

    /// One table of two routers.
    fn join(&mut self, other: Self) {
        self.teacher = match (std::mem::take(&mut self.teacher), other.teacher) {
            (Teacher::Fabric, Teacher::Fabric) => Teacher::Fabric,
            (Teacher::Tenant(mut one), Teacher::Tenant(other)) if one.vni == other.vni => {
                one.ports.extend(other.ports);
                Teacher::Tenant(one)
            }
            _ => Teacher::Several,
        };
        self.devices = match (self.devices.take(), other.devices) {
            (Some(some), Some(more)) => Some(some.union(&more).cloned().collect()),
            _ => None,
        };
        self.networks.extend(other.networks);
        self.advertised.extend(other.advertised);
    }
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

/// The tables that want what is learned, for the routers that this chassis hosts a port of. Two routers that name one table
/// get it as one: the first by name is called its owner, and devices are those of both. What a VNI teaches is left to fill
/// in: [`Lessons`].
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
            Some(held) => held.join(learning),
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
    let (teacher, learning) = taught(&ports)?;
    let routing: Vec<_> = learning
        .iter()
        .map(|port| &port.gateway.redirect.routing)
        .collect();
    let vrf = routing.first()?.vrf_name().cloned();
    let names: Vec<_> = routing.iter().filter_map(|r| r.port_name()).collect();
    // One that names a device makes those that name none learn nothing.
    let wanted = names.iter().filter_map(|name| devices.get(name)).cloned();
    let nets = learning.iter().flat_map(|port| port.gateway.nets());
    Some((
        table,
        Learning {
            router,
            vrf: vrf.unwrap_or_else(|| format!("ovnvrf{table}").into()),
            devices: (!names.is_empty()).then(|| wanted.collect()),
            networks: nets.map(|(net, _)| net).collect(),
            advertised: advertised(inputs, uuid),
            teacher,
        },
    ))
}

/// Who teaches a router, and the ports that learn. A table is of one instance: that of the ports without a VNI, else that
/// of the first port by name.
fn taught<'p, 'a>(ports: &'p [Port<'a>]) -> Option<(Teacher, Vec<&'p Port<'a>>)> {
    let learn = |port: &&Port<'_>| port.gateway.redirect.routing.learns();
    let vni = |port: &Port<'_>| port.tenant.as_ref().map(|tenant| tenant.vni);
    // `None` comes before every VNI.
    let first = |port: &&Port<'_>| vni(port).is_some();
    let of = vni(ports.iter().filter(learn).min_by_key(first)?);
    let learning: Vec<_> = ports
        .iter()
        .filter(learn)
        .filter(|p| vni(p) == of)
        .collect();
    let names = learning.iter().map(|port| Arc::clone(port.gateway.lrp));
    let teacher = match of {
        None => Teacher::Fabric,
        Some(vni) => Teacher::Tenant(Lessons {
            vni,
            ports: names.collect(),
            ..Lessons::default()
        }),
    };
    Some((teacher, learning))
}

fn advertised(inputs: Inputs<'_>, router: Uuid) -> BTreeSet<IpNet> {
    let routes = inputs.southbound.advertised_by(router);
    routes.map(|route| route.prefix).collect()
}
