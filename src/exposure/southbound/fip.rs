//! Floating IPs: `nat_addresses` of the switch's end of a gateway port. Each entry names the port where
//! it is answered for: a VM's, or the gateway itself.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::place::{self, Place};
use super::{Inputs, Verdict, Why, forwarding, on_link, router};
use crate::exposure::{Attachment, Code, Kind, Reason, Withheld, is_routable};
use crate::ovn::southbound::{BindingKind, Gateway, Patch, PortBinding};

/// Decides about the floating IPs of a patch port.
pub(super) fn decide(inputs: Inputs<'_>, port: &PortBinding, patch: &Patch, verdict: &mut Verdict) {
    let Some(switch) = port.datapath.filter(|_| !patch.nat_addresses.is_empty()) else {
        return;
    };
    for entry in &patch.nat_addresses {
        let answerer = Answerer::of(inputs, entry.resident.as_deref());
        for ip in entry.ips.iter().copied().filter(|ip| is_routable(*ip)) {
            if !answerer.is_own(ip) {
                one(inputs, (port, switch), &answerer, ip, verdict);
            }
        }
    }
}

/// Who answers for an entry.
enum Answerer<'a> {
    Port(&'a PortBinding),
    Gateway(Gateway<'a>),
    Nobody(Why),
}

impl<'a> Answerer<'a> {
    fn of(inputs: Inputs<'a>, resident: Option<&str>) -> Self {
        let nobody = |why| Self::Nobody((Code::NotBound, why));
        let Some(name) = resident else {
            return nobody("nat_addresses name no port with is_chassis_resident".to_owned());
        };
        let binding = inputs.southbound.binding_named(name);
        match binding.map(|binding| (binding, &binding.kind)) {
            Some((binding, BindingKind::Vif | BindingKind::Virtual)) => Self::Port(binding),
            Some((binding, BindingKind::ChassisRedirect { .. })) => {
                let gateway = inputs.southbound.gateway(binding);
                gateway.map_or_else(
                    || nobody(format!("{name} is no gateway of a router")),
                    Self::Gateway,
                )
            }
            Some(_) => nobody(format!("{name} is neither a VM's port nor a gateway")),
            None => nobody(format!("there is no port binding {name}")),
        }
    }

    /// Whether it is the gateway's own address, which OVN lists among the others.
    fn is_own(&self, ip: IpAddr) -> bool {
        matches!(self, Self::Gateway(gateway) if gateway.has(ip))
    }

    /// The port that the operator will look for.
    fn port(&self) -> Arc<str> {
        match self {
            Self::Port(port) => port.logical_port.clone(),
            Self::Gateway(gateway) => gateway.lrp.clone(),
            Self::Nobody(_) => Arc::from(""),
        }
    }
}

fn one(
    inputs: Inputs<'_>,
    (patch, switch): (&PortBinding, Uuid),
    answerer: &Answerer<'_>,
    ip: IpAddr,
    verdict: &mut Verdict,
) {
    let kind = match answerer {
        Answerer::Gateway(gateway) if is_vip(inputs, gateway, ip) => Kind::LbFip,
        _ => Kind::Fip,
    };
    let decided = reason(inputs, patch, answerer)
        .and_then(|reason| Ok((reason, attachment(inputs, switch)?)));
    match decided {
        Ok((reason, attachment)) => {
            let network = inputs.southbound.network_name(switch);
            let port = answerer.port();
            verdict.expose(on_link(ip.into(), kind, &port, network, attachment, reason));
        }
        Err((code, why)) => verdict.withhold(|| Withheld {
            prefix: ip.into(),
            kind,
            port: answerer.port(),
            code,
            reason: format!("Port_Binding {}: nat_addresses: {why}", patch.logical_port),
        }),
    }
}

/// Why it is answered for here; else why not.
fn reason(inputs: Inputs<'_>, patch: &PortBinding, answerer: &Answerer<'_>) -> Result<Reason, Why> {
    match answerer {
        Answerer::Port(port) => Ok(Reason::NatAddressOfPortHere {
            patch: patch.logical_port.clone(),
            port: port.logical_port.clone(),
            chassis: place::here(inputs, port)?.clone(),
        }),
        Answerer::Gateway(gateway) => {
            router::hosted(inputs, gateway)?;
            Ok(Reason::FipOnGatewayHere {
                nat: patch.logical_port.clone(),
                lrp: gateway.lrp.clone(),
            })
        }
        Answerer::Nobody(why) => Err(why.clone()),
    }
}

fn attachment(inputs: Inputs<'_>, switch: Uuid) -> Result<Attachment, Why> {
    match place::network(inputs, switch) {
        Place::Attached(attachment) => Ok(attachment),
        Place::NotMapped => Err(place::not_mapped(inputs, switch)),
        Place::Tenant => {
            let network = inputs.southbound.network_name(switch);
            let why = format!("network {network} has no localnet port");
            Err((Code::FipWithoutNetwork, why))
        }
    }
}

/// Whether it is a key of a load balancer on the gateway's router: then it is a VIP's floating IP.
fn is_vip(inputs: Inputs<'_>, gateway: &Gateway<'_>, ip: IpAddr) -> bool {
    let Some(router) = gateway.redirect.datapath else {
        return false;
    };
    let mut balancers = inputs.southbound.balancers_on(router);
    balancers.any(|balancer| {
        let mut vips = balancer.vips.iter();
        !balancer.name.starts_with(forwarding::PREFIX) && vips.any(|vip| vip.address == ip)
    })
}
