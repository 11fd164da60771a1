//! The tenants of the networks that belong to a VNI.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bgp::evpn::Vni;
use bgp::wire::evpn::RouteDistinguisher;

use super::{Inputs, Stations, place, router_address, vpn};
use crate::exposure::{Entry, Layer, ProviderNetwork, RouterAdvertisement, Tenant};
use crate::ovn::Membership;
use crate::ovn::northbound::{DhcpOptions, Told};

/// All tenants that this node reaches. `occupied` says of which networks something is exposed here, `stations` what of
/// them is here besides.
pub(super) fn all(
    inputs: Inputs<'_>,
    occupied: impl Fn(&str) -> bool,
    stations: &Stations,
) -> BTreeMap<Vni, Arc<Tenant>> {
    let vnis: BTreeSet<_> = inputs.northbound.vnis().collect();
    let tenants = vnis.into_iter();
    tenants
        .filter_map(|vni| Some((vni, Arc::new(of_vni(inputs, vni, &occupied, stations)?))))
        .collect()
}

/// The tenant of a VNI, if a provider network of it is mapped here.
pub(super) fn of_vni(
    inputs: Inputs<'_>,
    vni: Vni,
    occupied: impl Fn(&str) -> bool,
    stations: &Stations,
) -> Option<Tenant> {
    let members = members(inputs, vni);
    let mut tenant = Tenant {
        vni,
        layer: Layer::default(),
        entry: Entry::PerNetwork,
        asn: None,
        rd: None,
        import: BTreeSet::new(),
        export: BTreeSet::new(),
        networks: BTreeMap::new(),
    };
    for (name, member) in members {
        tenant.layer = member.kind.into();
        tenant.rd = tenant.rd.or(member.rd);
        tenant.import.extend(&member.import);
        tenant.export.extend(&member.export);
        if let Some((localnet, attachment)) = place::localnet(inputs, name) {
            let mut network = ProviderNetwork {
                localnet: localnet.uuid,
                attachment,
                mtu: inputs.northbound.mtu_of(name),
                routers: BTreeSet::new(),
                advertisements: BTreeSet::new(),
                gateways: BTreeMap::new(),
                stations: stations.get(name).cloned().unwrap_or_default(),
            };
            if tenant.layer == Layer::Routed && occupied(name) {
                network.routers = router_address::addresses(inputs, name);
                let told = inputs.northbound.dhcp_of(name);
                network.advertisements = told.filter_map(|row| advertisement(row)).collect();
            }
            tenant.networks.insert(name.clone(), network);
        }
    }
    (!tenant.networks.is_empty()).then_some(tenant)
}

/// The provider networks of a VNI, by name.
fn members(inputs: Inputs<'_>, vni: Vni) -> BTreeMap<&Arc<str>, &Membership> {
    let nb = inputs.northbound;
    let members = nb.networks_of_vni(vni).filter(|(name, _)| {
        let table = vpn::table_of(inputs, name);
        let counts = matches!(table, Ok(Some((of, _))) if of == vni);
        counts && nb.localnets(name).next().is_some()
    });
    members.collect()
}

fn advertisement(row: &DhcpOptions) -> Option<RouterAdvertisement> {
    match &row.told {
        Told::Routers(_) => None,
        Told::Subnet {
            prefix,
            stateless,
            dns_servers,
        } => Some(RouterAdvertisement {
            prefix: *prefix,
            autonomous: *stateless,
            dns_servers: dns_servers.clone(),
        }),
    }
}

/// Networks of one VNI that say different route distinguishers: that of the first by name counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub vni: Vni,
    /// Whose route distinguisher counts.
    pub network: Arc<str>,
    pub rd: RouteDistinguisher,
    /// Whose does not.
    pub other: Arc<str>,
    pub other_rd: RouteDistinguisher,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vni,
            network,
            rd,
            other,
            other_rd,
        } = self;
        write!(
            f,
            "VNI {vni}: Logical_Switch {other} says external_ids:neutron_bgpvpn:rd {other_rd} and {network} says {rd}, \
             which counts: give networks of one VNI one route distinguisher"
        )
    }
}

/// What networks of one VNI say differently, in the order of the VNIs and names.
pub fn conflicts(inputs: Inputs<'_>) -> Vec<Conflict> {
    let vnis: BTreeSet<_> = inputs.northbound.vnis().collect();
    let mut conflicts = Vec::new();
    for vni in vnis {
        let members = members(inputs, vni).into_iter();
        let mut said = members.filter_map(|(name, member)| Some((name, member.rd?)));
        let Some((network, rd)) = said.next() else {
            continue;
        };
        conflicts.extend(
            said.filter(|(_, other)| *other != rd)
                .map(|(other, other_rd)| Conflict {
                    vni,
                    network: network.clone(),
                    rd,
                    other: other.clone(),
                    other_rd,
                }),
        );
    }
    conflicts
}

/// Why networks that are mapped here, and say something of a VPN, are not exposed: for each its row and what to do, by
/// name.
pub fn left_out(inputs: Inputs<'_>) -> Vec<String> {
    let nb = inputs.northbound;
    let said = nb
        .switches()
        .filter(|switch| switch.vpn.membership().is_some());
    let names: BTreeSet<_> = said.map(|switch| &switch.name).collect();
    let here = names
        .into_iter()
        .filter(|name| place::localnet(inputs, name).is_some());
    here.filter_map(|name| Some(vpn::table_of(inputs, name).err()?.1))
        .collect()
}
