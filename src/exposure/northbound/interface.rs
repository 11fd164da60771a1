//! Router interfaces of a network, and what of the network is let out through them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::router::{self, WayIn};
use super::{Inputs, Refusal};
use crate::exposure::{Code, is_routable};
use crate::ovn::northbound::{Router, RouterPort, SwitchPort};

/// A router's interface to a network: the switch port, and the router port it peers with.
#[derive(Clone, Copy)]
pub(super) struct Interface<'a> {
    pub(super) port: &'a SwitchPort,
    router_port: Option<&'a Arc<RouterPort>>,
    router: Option<&'a Arc<Router>>,
}

/// The router interfaces of a network, in the order of the rows' ids.
pub(super) fn on<'a>(
    inputs: Inputs<'a>,
    network: &str,
) -> impl Iterator<Item = Interface<'a>> + use<'a> {
    let ports: Vec<_> = inputs.northbound.interfaces(network).collect();
    ports.into_iter().filter_map(move |port| of(inputs, port))
}

/// The interface behind a switch port, if it is one and not a gateway.
pub(super) fn of<'a>(inputs: Inputs<'a>, port: &'a SwitchPort) -> Option<Interface<'a>> {
    let nb = inputs.northbound;
    let router_port = nb.peer_of(port);
    // Without Neutron nothing else tells a gateway from an interface.
    let owned = port.interface.as_ref()?.owner.is_some();
    let gateway = router_port.is_some_and(|peer| router::is_gateway(inputs, peer));
    (port.is_inner() && (owned || !gateway)).then(|| Interface {
        port,
        router_port,
        router: nb.router_behind(port),
    })
}

impl<'a> Interface<'a> {
    /// The router's addresses on the network, with their subnets. What the router has is what counts;
    /// `neutron:cidrs` of the switch port stands for a router port that is not there.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpNet> + use<'a> {
        let addresses = match self.router_port {
            Some(peer) => &peer.networks,
            None => &self.port.cidrs,
        };
        let addresses = addresses.iter().copied();
        addresses.filter(|address| is_routable(address.addr()))
    }

    /// The router's address whose subnet has this one in it.
    pub(super) fn covering(&self, ip: IpAddr) -> Option<IpNet> {
        self.addresses().find(|address| address.contains(&ip))
    }

    /// The way to a host or subnet of the network through this interface; else why it is not let out.
    /// `prefix` is judged by the options, `hidden` by the router's SNAT.
    pub(super) fn admit(
        &self,
        inputs: Inputs<'a>,
        prefix: IpNet,
        hidden: IpAddr,
    ) -> Result<WayIn<'a>, Refusal> {
        let scopes = self.port.interface.as_ref().map(|i| &i.scopes);
        let unscoped = Default::default();
        let scopes = scopes.unwrap_or(&unscoped);
        inputs.options.admit(prefix, scopes)?;
        let router = self.connected()?;
        let way = router::way_in(inputs, router, prefix)?;
        if inputs.options.require_snat_disabled {
            let mut snats = inputs.northbound.snats_of(router);
            if let Some(snat) = snats.find(|snat| snat.logical_ip.contains(&hidden)) {
                let why = format!(
                    "NAT {} hides {} behind the router, and \
                     require_snat_disabled_for_tenant_networks is on",
                    snat.uuid, snat.logical_ip
                );
                return Err((Code::BehindSnat, why));
            }
        }
        Ok(way)
    }

    /// The router, if the interface works.
    fn connected(&self) -> Result<&'a Arc<Router>, Refusal> {
        let Self { port, .. } = self;
        let refuse = |code, why: &str| {
            let why = format!("router interface {}: {why}", port.name);
            Err((code, why))
        };
        if !port.enabled {
            return refuse(Code::PortDisabled, "enabled is false");
        }
        if !port.up {
            return refuse(Code::PortDown, "up is not true");
        }
        if self.router_port.is_some_and(|peer| !peer.enabled) {
            let why = "enabled of its Logical_Router_Port is false";
            return refuse(Code::RouterDisabled, why);
        }
        match self.router {
            Some(router) => Ok(router),
            None => refuse(Code::NotRouted, "its router is not in the database"),
        }
    }

    /// Whether the interface is this router's.
    pub(super) fn is_of(&self, router: &Router) -> bool {
        self.router.is_some_and(|own| own.uuid == router.uuid)
    }
}
