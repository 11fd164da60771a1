//! VIPs of load balancers. A VIP is an address among the keys of `vips` that the load balancer's own port
//! reserves; the port's further addresses do not count, and a key that it does not have is a VIP's
//! floating IP, for which `nat_addresses` decide.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::place::{self, Place};
use super::{Inputs, Verdict, Why, on_link, router, tenant};
use crate::exposure::{Code, Exposure, Kind, Reason, TenantExposure, Withheld, is_routable};
use crate::mac::MacAddr;
use crate::ovn::Southbound;
use crate::ovn::southbound::{Gateway, LoadBalancer, PortBinding};

/// Decides about the VIPs of a load balancer, over all its rows.
pub(super) fn decide(inputs: Inputs<'_>, name: &str, verdict: &mut Verdict) {
    let rows: Vec<_> = inputs.southbound.balancers_named(name).collect();
    for address in addresses(&rows) {
        let mut ports = inputs.southbound.vip_ports(name);
        match ports.find(|port| reserves(port, address)) {
            Some(port) => Vip {
                name,
                address,
                rows: &rows,
                port,
            }
            .decide(inputs, verdict),
            None if verdict.explains() => without_port(inputs, name, &rows, address, verdict),
            None => {}
        }
    }
    if verdict.explains() && rows.iter().all(|row| row.vips.is_empty()) {
        without_vips(inputs, name, verdict);
    }
}

/// The addresses among the keys of `vips`.
pub(super) fn addresses(rows: &[&Arc<LoadBalancer>]) -> BTreeSet<IpAddr> {
    let vips = rows.iter().flat_map(|row| &row.vips);
    let addresses = vips.map(|vip| vip.address);
    addresses.filter(|ip| is_routable(*ip)).collect()
}

/// The routers of a load balancer: those that have it, else (old servers do not say) those with an
/// interface on its switches, of which `except` does not count.
pub(super) fn routers(
    sb: &Southbound,
    rows: &[&Arc<LoadBalancer>],
    except: Option<Uuid>,
) -> BTreeSet<Uuid> {
    let datapaths = rows.iter().flat_map(|row| sb.datapaths_of(row));
    let (routers, switches): (BTreeSet<_>, BTreeSet<_>) =
        datapaths.partition(|datapath| sb.is_router(*datapath));
    if !routers.is_empty() {
        return routers;
    }
    let switches = switches.into_iter().filter(|dp| Some(*dp) != except);
    let interfaces = switches.flat_map(|switch| sb.interfaces_on(switch));
    interfaces.map(|interface| interface.router).collect()
}

/// One VIP.
struct Vip<'a> {
    name: &'a str,
    address: IpAddr,
    /// All rows of the load balancer.
    rows: &'a [&'a Arc<LoadBalancer>],
    /// The port that reserves it.
    port: &'a PortBinding,
}

impl Vip<'_> {
    fn decide(&self, inputs: Inputs<'_>, verdict: &mut Verdict) {
        let sb = inputs.southbound;
        let Some(switch) = self.port.datapath else {
            return;
        };
        let provider = sb.localnets_on(switch).next().is_some();
        let routers = routers(sb, self.rows, provider.then_some(switch));
        if provider && routers.is_empty() {
            return self.without_router(inputs, switch, verdict);
        }
        let gateways = routers.iter().flat_map(|router| sb.gateways(*router));
        let gateways = gateways.filter(|gateway| gateway.switch() == Some(switch));
        let on_gateway = router::first(gateways, |gateway| self.on_gateway(inputs, gateway));
        let mut decided = on_gateway.is_some();
        match on_gateway {
            Some(Ok(exposure)) => verdict.expose(exposure),
            Some(Err(why)) => self.withhold(why, verdict),
            None => {}
        }
        let interfaces = sb.interfaces_on(switch);
        for interface in interfaces.filter(|interface| routers.contains(&interface.router)) {
            if let Some(way) = tenant::way(inputs, &interface, self.address) {
                let reason = |way: &router::Way<'_>| self.behind(way.lrp);
                let candidate = (self.address, Kind::LbVip, &self.port.logical_port);
                tenant::conclude(candidate, vec![way], reason, verdict);
                decided = true;
            }
        }
        if !decided {
            self.withhold(not_routed(inputs, switch, provider), verdict);
        }
    }

    /// A router's gateway on the VIP's own network answers for it.
    fn on_gateway(&self, inputs: Inputs<'_>, gateway: &Gateway<'_>) -> Result<Exposure, Why> {
        let host = router::hosted(inputs, gateway)?;
        Ok(on_link(
            self.address.into(),
            Kind::LbVip,
            &self.port.logical_port,
            host.network,
            host.attachment,
            self.behind(gateway.lrp),
        ))
    }

    /// Nobody answers for the address on the network, and the switch does not rewrite the MAC: frames
    /// must be sent to the one member.
    fn without_router(&self, inputs: Inputs<'_>, switch: Uuid, verdict: &mut Verdict) {
        match self.member(inputs, switch) {
            Ok((member, mac, attachment)) => {
                let reason = Reason::VipOfMemberHere {
                    balancer: self.name.into(),
                    member: member.logical_port.clone(),
                };
                verdict.expose(Exposure {
                    mac: Some(mac),
                    ..on_link(
                        self.address.into(),
                        Kind::LbVip,
                        &self.port.logical_port,
                        inputs.southbound.network_name(switch),
                        attachment,
                        reason,
                    )
                });
            }
            Err(why) => self.withhold(why, verdict),
        }
    }

    /// The one member, if it is up here, with its MAC.
    fn member<'a>(
        &self,
        inputs: Inputs<'a>,
        switch: Uuid,
    ) -> Result<(&'a PortBinding, MacAddr, crate::exposure::Attachment), Why> {
        let because = |why| (Code::NoSingleMemberHere, why);
        let vips = self.rows.iter().flat_map(|row| &row.vips);
        let members: BTreeSet<_> = vips.flat_map(|vip| &vip.members).collect();
        let count = members.len();
        let one = members.into_iter().next().filter(|_| count == 1);
        let one = one.ok_or_else(|| {
            because(format!(
                "it has no router, and {count} members in place of one"
            ))
        })?;
        let mut ports = inputs.southbound.ports_on(switch);
        let found = ports.find_map(|port| {
            let (_, mac) = port.nets().find(|(net, _)| net.addr() == *one)?;
            Some((port, mac))
        });
        let (port, mac) = found
            .ok_or_else(|| because(format!("its one member {one} is no port of the network")))?;
        place::here(inputs, port).map_err(|(_, why)| because(format!("its one member: {why}")))?;
        match place::network(inputs, switch) {
            Place::Attached(attachment) => Ok((port, mac, attachment)),
            Place::NotMapped | Place::Tenant => Err(place::not_mapped(inputs, switch)),
        }
    }

    fn behind(&self, lrp: &Arc<str>) -> Reason {
        Reason::VipBehindGateway {
            balancer: self.name.into(),
            lrp: lrp.clone(),
        }
    }

    fn withhold(&self, (code, why): Why, verdict: &mut Verdict) {
        verdict.withhold(|| Withheld {
            prefix: IpNet::from(self.address),
            kind: Kind::LbVip,
            port: self.port.logical_port.clone(),
            code,
            reason: format!("Load_Balancer {}: {why}", self.name),
        });
    }
}

fn reserves(port: &PortBinding, address: IpAddr) -> bool {
    let cidrs = port.cidrs.iter().copied();
    let mut nets = cidrs.chain(port.nets().map(|(net, _)| net));
    nets.any(|net| net.addr() == address)
}

fn not_routed(inputs: Inputs<'_>, switch: Uuid, provider: bool) -> Why {
    let network = inputs.southbound.network_name(switch);
    if provider {
        let why = format!("none of its routers has a gateway on network {network}");
        (Code::NoGateway, why)
    } else if inputs.options.tenants == TenantExposure::Nothing {
        let why = "expose_tenant_networks is off".to_owned();
        (Code::TenantNetworksDisabled, why)
    } else {
        let why = format!("no interface of its routers covers the VIP on network {network}");
        (Code::NotRouted, why)
    }
}

/// A key that no port of the load balancer has: a floating IP, unless there is no such port at all.
fn without_port(
    inputs: Inputs<'_>,
    name: &str,
    rows: &[&Arc<LoadBalancer>],
    address: IpAddr,
    verdict: &mut Verdict,
) {
    let sb = inputs.southbound;
    let routers = routers(sb, rows, None);
    let gateways = routers.iter().flat_map(|router| sb.gateways(*router));
    let mut patches = gateways.filter_map(|gateway| gateway.switch_port?.patch());
    let answered = patches.any(|patch| {
        let mut entries = patch.nat_addresses.iter();
        entries.any(|entry| entry.ips.contains(&address))
    });
    if !answered {
        verdict.withhold(|| Withheld {
            prefix: IpNet::from(address),
            kind: Kind::LbVip,
            port: Arc::from(""),
            code: Code::VipPortMissing,
            reason: format!(
                "Load_Balancer {name}: no port whose name is ovn-lb-vip-{name} reserves it, and no gateway \
                 answers for it as a floating IP"
            ),
        });
    }
}

/// What a disabled load balancer reserves.
fn without_vips(inputs: Inputs<'_>, name: &str, verdict: &mut Verdict) {
    for port in inputs.southbound.vip_ports(name) {
        for cidr in port.cidrs.iter().filter(|cidr| is_routable(cidr.addr())) {
            verdict.withhold(|| Withheld {
                prefix: IpNet::from(cidr.addr()),
                kind: Kind::LbVip,
                port: port.logical_port.clone(),
                code: Code::BalancerDisabled,
                reason: format!(
                    "Load_Balancer {name}: vips is empty: it is disabled, or has no listener with members"
                ),
            });
        }
    }
}
