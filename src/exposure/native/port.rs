//! The ports of a router through which the fabric reaches it, on this chassis.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;
use uuid::Uuid;

use super::{Inputs, Why};
use crate::exposure::southbound::place::{self, Place};
use crate::exposure::{Attachment, Code, is_routable};
use crate::mac::MacAddr;
use crate::ovn::southbound::Gateway;

/// A port that this chassis hosts.
#[derive(Clone, Debug)]
pub(super) struct Port<'a> {
    pub(super) gateway: Gateway<'a>,
    /// The provider switch.
    pub(super) switch: Uuid,
    pub(super) network: Arc<str>,
    /// The tenant that it is of; `None` is the default table.
    pub(super) tenant: Option<Tenancy>,
}

/// What makes a port a tenant's.
#[derive(Clone, Debug)]
pub(super) struct Tenancy {
    pub(super) vni: Vni,
    pub(super) asn: Option<u32>,
    /// Where its traffic enters OVN.
    pub(super) attachment: Attachment,
}

impl Port<'_> {
    /// Its first address of the prefix's family, and the MAC that answers for it.
    pub(super) fn leading_to(&self, prefix: IpNet) -> Option<(IpAddr, MacAddr)> {
        let mut nets = self
            .gateway
            .nets()
            .filter(|(net, _)| is_routable(net.addr()));
        let same_family = |net: &IpNet| net.addr().is_ipv4() == prefix.addr().is_ipv4();
        let found = nets.find(|(net, _)| same_family(net));
        found.map(|(net, mac)| (net.addr(), mac))
    }
}

/// The ports of a router that this chassis hosts, by name; else why there is none.
pub(super) fn hosted<'a>(inputs: Inputs<'a>, router: Uuid) -> Result<Vec<Port<'a>>, Why> {
    let mut gateways: Vec<_> = facing(inputs, router).collect();
    gateways.sort_by_key(|gateway| gateway.lrp);
    let mut ports = Vec::new();
    let mut refusals = Vec::new();
    for gateway in gateways {
        match port(inputs, gateway) {
            Ok(port) => ports.push(port),
            Err(why) => refusals.push(why),
        }
    }
    if !ports.is_empty() {
        return Ok(ports);
    }
    // What is wrong here says more than that another chassis hosts it.
    let here = |(code, _): &Why| *code != Code::GatewayElsewhere;
    let told = refusals.iter().position(here).unwrap_or_default();
    Err(refusals.into_iter().nth(told).unwrap_or_else(|| {
        let router = inputs.southbound.network_name(router);
        let why = format!(
            "router {router} has no port with options:dynamic-routing on a provider network that is bound to a chassis"
        );
        (Code::NoGateway, why)
    }))
}

/// The ports with dynamic routing on provider networks: that is where the fabric is. All ports of a gateway router
/// have dynamic routing, also those of its tenants' networks.
fn facing<'a>(inputs: Inputs<'a>, router: Uuid) -> impl Iterator<Item = Gateway<'a>> {
    let sb = inputs.southbound;
    let pinned = sb.pinned(router);
    pinned.filter(move |gateway| {
        let switch = gateway.switch();
        let on_provider = switch.is_some_and(|switch| sb.localnets_on(switch).next().is_some());
        on_provider && gateway.redirect.routing.is_enabled()
    })
}

fn port<'a>(inputs: Inputs<'a>, gateway: Gateway<'a>) -> Result<Port<'a>, Why> {
    let sb = inputs.southbound;
    let name = &gateway.redirect.logical_port;
    let because = |code, why: String| (code, format!("Port_Binding {name}: {why}"));
    match sb.chassis_name(gateway.redirect) {
        Some(chassis) if *chassis == inputs.node.chassis => {}
        Some(chassis) => {
            let why = format!("chassis is {chassis}");
            return Err(because(Code::GatewayElsewhere, why));
        }
        None => {
            let why = "chassis is not set".to_owned();
            return Err(because(Code::GatewayElsewhere, why));
        }
    }
    let switch = gateway.switch().ok_or_else(|| {
        let why = format!("there is no switch port whose peer is {}", gateway.lrp);
        because(Code::NoGateway, why)
    })?;
    Ok(Port {
        tenant: tenancy(inputs, &gateway, switch)?,
        network: sb.network_name(switch),
        gateway,
        switch,
    })
}

/// Whose the port is. A VNI that cannot be read keeps the tenant's prefixes out of the default table.
fn tenancy(
    inputs: Inputs<'_>,
    gateway: &Gateway<'_>,
    switch: Uuid,
) -> Result<Option<Tenancy>, Why> {
    let ends = [Some(gateway.redirect), gateway.switch_port];
    let given = ends.into_iter().flatten().find(|end| end.bgpvpn.is_given());
    let Some(end) = given else {
        return Ok(None);
    };
    let vni = end.bgpvpn.vni().map_err(|why| {
        let why = format!("Port_Binding {}: {why}", end.logical_port);
        (Code::NoVni, why)
    })?;
    let Some((vni, asn)) = vni else {
        return Ok(None);
    };
    match place::network(inputs, switch) {
        Place::Attached(attachment) => Ok(Some(Tenancy {
            vni,
            asn,
            attachment,
        })),
        Place::NotMapped | Place::Tenant => {
            let (_, why) = place::not_mapped(inputs, switch);
            Err((Code::NoGateway, why))
        }
    }
}
