//! Gateways that this chassis hosts, each with the VNI it is of and the subnets behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use uuid::Uuid;

use super::{Inputs, Why};
use crate::exposure::members::Member;
use crate::exposure::southbound::proxied;
use crate::exposure::southbound::router::{self, Host};
use crate::exposure::{Code, ProviderNetwork, TenantGateway, is_routable};
use crate::ovn::southbound::{BindingKind, Gateway, Interface, Membership};

/// A tenant's gateway, if the binding is one.
pub(super) fn member(inputs: Inputs<'_>, uuid: Uuid) -> Option<Member> {
    let sb = inputs.southbound;
    let redirect = sb.binding(uuid)?;
    if !matches!(redirect.kind, BindingKind::ChassisRedirect { .. }) {
        return None;
    }
    let gateway = sb.gateway(redirect)?;
    let (host, membership) = hosted(inputs, &gateway).ok()?;
    let described = describe(inputs, &gateway, &host, membership)?;
    let localnet = sb.binding_named(&host.attachment.localnet)?;
    Some(Member {
        lrp: gateway.lrp.clone(),
        vni: membership.vni,
        asn: Some(membership.asn),
        network: host.network,
        provider: ProviderNetwork {
            localnet: localnet.uuid,
            attachment: host.attachment,
            mtu: sb.mtu_at(localnet),
            routers: BTreeSet::new(),
            advertisements: BTreeSet::new(),
            stations: BTreeSet::new(),
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
        learning: BTreeSet::new(),
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
