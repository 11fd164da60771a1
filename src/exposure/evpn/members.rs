//! The tenants: gateways that this chassis hosts, by the VNI they are of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::{Inputs, Why};
use crate::exposure::southbound::proxied;
use crate::exposure::southbound::router::{self, Host};
use crate::exposure::{Code, Entry, Layer, ProviderNetwork, Tenant, TenantGateway, is_routable};
use crate::ovn::southbound::{BindingKind, Gateway, Interface, Membership};

/// The gateways here that are of a tenant, by their chassis-redirect port.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(FxHashMap<Uuid, Member>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    lrp: Arc<str>,
    membership: Membership,
    network: Arc<str>,
    provider: ProviderNetwork,
}

/// What each VNI is here. Its devices lead from one provider network and its targets follow from one AS: those of its
/// first gateway, by name.
pub(super) type Elected = BTreeMap<Vni, Choice>;

/// See [`Elected`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    asn: u32,
    network: Arc<str>,
    lrp: Arc<str>,
}

impl Members {
    /// Looks again at a binding. True if what it is a member of, or with, has changed.
    pub(super) fn replace(&mut self, inputs: Inputs<'_>, uuid: Uuid) -> bool {
        let new = member(inputs, uuid);
        if self.0.get(&uuid) == new.as_ref() {
            return false;
        }
        match new {
            Some(new) => drop(self.0.insert(uuid, new)),
            None => drop(self.0.remove(&uuid)),
        }
        true
    }

    /// The bindings that are members.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Uuid> {
        self.0.keys()
    }

    pub(super) fn elect(&self) -> Elected {
        let mut elected = Elected::new();
        for member in self.by_name() {
            let choice = || Choice {
                asn: member.membership.asn,
                network: member.network.clone(),
                lrp: member.lrp.clone(),
            };
            elected.entry(member.membership.vni).or_insert_with(choice);
        }
        elected
    }

    pub(super) fn tenants(&self, elected: &Elected) -> BTreeMap<Vni, Arc<Tenant>> {
        let mut tenants: BTreeMap<Vni, Tenant> = BTreeMap::new();
        for member in self.by_name() {
            let Membership { vni, asn } = member.membership;
            if admit(elected, member.membership, &member.network).is_err() {
                continue;
            }
            let tenant = tenants.entry(vni).or_insert_with(|| tenant(vni, asn));
            match tenant.networks.get_mut(&member.network) {
                Some(network) => network.gateways.extend(member.provider.gateways.clone()),
                None => {
                    let (name, network) = (member.network.clone(), member.provider.clone());
                    tenant.networks.insert(name, network);
                }
            }
        }
        let shared = |(vni, tenant)| (vni, Arc::new(tenant));
        tenants.into_iter().map(shared).collect()
    }

    fn by_name(&self) -> Vec<&Member> {
        let mut members: Vec<_> = self.0.values().collect();
        members.sort_by_key(|member| &member.lrp);
        members
    }
}

/// Whether a gateway on a network is of its VNI as that is here; else why not.
pub(super) fn admit(
    elected: &Elected,
    Membership { vni, asn }: Membership,
    network: &str,
) -> Result<(), Why> {
    let Some(choice) = elected.get(&vni) else {
        let why = format!("no gateway of VNI {vni} is hosted by this chassis");
        return Err((Code::GatewayElsewhere, why));
    };
    if choice.asn == asn && *choice.network == *network {
        return Ok(());
    }
    let why = format!(
        "AS {asn} on network {network}: VNI {vni} is AS {} on network {} here, as its first gateway port {} says; \
         give the other tenant a VNI of its own",
        choice.asn, choice.network, choice.lrp
    );
    Err((Code::VniMismatch, why))
}

fn tenant(vni: Vni, asn: u32) -> Tenant {
    Tenant {
        vni,
        layer: Layer::Routed,
        entry: Entry::PerGateway,
        asn: Some(asn),
        rd: None,
        import: BTreeSet::new(),
        export: BTreeSet::new(),
        networks: BTreeMap::new(),
    }
}

fn member(inputs: Inputs<'_>, uuid: Uuid) -> Option<Member> {
    let sb = inputs.southbound;
    let redirect = sb.binding(uuid)?;
    if !matches!(redirect.kind, BindingKind::ChassisRedirect { .. }) {
        return None;
    }
    let gateway = sb.gateway(redirect)?;
    let (host, membership) = hosted(inputs, &gateway).ok()?;
    let described = describe(inputs, &gateway, &host, membership)?;
    Some(Member {
        lrp: gateway.lrp.clone(),
        membership,
        network: host.network,
        provider: ProviderNetwork {
            localnet: sb.binding_named(&host.attachment.localnet)?.uuid,
            attachment: host.attachment,
            routers: BTreeSet::new(),
            advertisements: BTreeSet::new(),
            gateways: BTreeMap::from([(gateway.lrp.clone(), described)]),
        },
    })
}

/// Where a gateway is attached here, and whose it is; else why it is not.
pub(super) fn hosted(inputs: Inputs<'_>, gateway: &Gateway<'_>) -> Result<(Host, Membership), Why> {
    let host = router::hosted(inputs, gateway)?;
    let port = gateway.switch_port.ok_or_else(|| {
        let why = format!("there is no switch port whose peer is {}", gateway.lrp);
        (Code::NoVni, why)
    })?;
    let membership = port.bgpvpn.membership().map_err(|why| {
        let why = format!(
            "Port_Binding {}, of gateway port {}: {why}",
            port.logical_port, gateway.lrp
        );
        (Code::NoVni, why)
    })?;
    Ok((host, membership))
}

/// `None` for a gateway without MAC address: nothing can be sent to it.
fn describe(
    inputs: Inputs<'_>,
    gateway: &Gateway<'_>,
    host: &Host,
    membership: Membership,
) -> Option<TenantGateway> {
    let own: Vec<_> = gateway
        .nets()
        .filter(|(net, _)| is_routable(net.addr()))
        .collect();
    let (_, mac) = *own.first()?;
    let interfaces = inputs.southbound.interfaces(gateway.redirect.datapath?);
    let inside = interfaces.filter(|interface| same(interface, membership));
    let subnets = inside.flat_map(|interface| subnets(&interface));
    let leads = |subnet: IpNet| Some((subnet, leading_to(subnet, &own)?));
    Some(TenantGateway {
        mac,
        addresses: own.iter().map(|(net, _)| net.addr()).collect(),
        subnets: subnets.filter_map(leads).collect(),
        proxied: proxied::of(inputs, host.switch, own.iter().map(|(net, _)| *net)),
    })
}

fn same(interface: &Interface<'_>, membership: Membership) -> bool {
    interface.switch_port.bgpvpn.membership() == Ok(membership)
}

/// The networks of a router's port, masked.
pub(super) fn subnets(interface: &Interface<'_>) -> Vec<IpNet> {
    let nets = interface.nets().filter(|net| is_routable(net.addr()));
    nets.map(|net| net.trunc()).collect()
}

fn leading_to<M>(subnet: IpNet, own: &[(IpNet, M)]) -> Option<IpAddr> {
    let mut addresses = own.iter().map(|(net, _)| net.addr());
    addresses.find(|ip| ip.is_ipv4() == subnet.addr().is_ipv4())
}
