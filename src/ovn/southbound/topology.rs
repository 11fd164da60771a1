//! How routers hang together with switches. A router's port and a switch's port are two patch
//! bindings that name each other as `options:peer`; a gateway port has a third, its
//! chassis-redirect half, which says where it is hosted.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::{BindingKind, PortBinding, Southbound};
use crate::mac::MacAddr;
use crate::ovn::AddressScopes;

/// A gateway port of a router.
#[derive(Clone, Copy, Debug)]
pub struct Gateway<'a> {
    /// The chassis-redirect half (`cr-lrp-…`): bound to the chassis that hosts it.
    pub redirect: &'a PortBinding,
    /// The router's end (`lrp-…`), as `options:distributed-port` names it.
    pub lrp: &'a Arc<str>,
    /// The end on the provider switch; `None` if it is not in the database.
    pub switch_port: Option<&'a PortBinding>,
}

/// A router's port on a switch that is no gateway.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// The router's end.
    pub port: &'a PortBinding,
    /// The switch's end.
    pub switch_port: &'a PortBinding,
    /// The router's datapath.
    pub router: Uuid,
    /// The switch's datapath.
    pub switch: Uuid,
}

impl<'a> Gateway<'a> {
    /// The datapath of the provider switch.
    pub fn switch(&self) -> Option<Uuid> {
        self.switch_port?.datapath
    }

    /// Its addresses with their prefix lengths, each with its MAC.
    pub fn nets(&self) -> impl Iterator<Item = (IpNet, MacAddr)> + use<'a> {
        self.redirect.nets()
    }

    /// Whether it has this address.
    pub fn has(&self, ip: IpAddr) -> bool {
        self.nets().any(|(net, _)| net.addr() == ip)
    }

    /// Address scopes, as its switch's end has them.
    pub fn scopes(&self) -> Option<&'a AddressScopes> {
        Some(&self.switch_port?.patch()?.scopes)
    }
}

impl<'a> Interface<'a> {
    /// The router's addresses there, with their prefix lengths.
    pub fn nets(&self) -> impl Iterator<Item = IpNet> + use<'a> {
        self.port.nets().map(|(net, _)| net)
    }

    /// Address scopes, as its switch's end has them; `None` only if that is no patch port.
    pub fn scopes(&self) -> Option<&'a AddressScopes> {
        Some(&self.switch_port.patch()?.scopes)
    }
}

impl Southbound {
    /// The datapaths known to be routers, in no particular order.
    pub fn routers(&self) -> impl Iterator<Item = Uuid> {
        let rows = self.datapaths.values();
        rows.filter(|row| row.is_router).map(|row| row.uuid)
    }

    /// The gateway ports of a router. Chassis-redirect ports that switches have since OVN 24.03 are none.
    pub fn gateways(&self, router: Uuid) -> impl Iterator<Item = Gateway<'_>> {
        let is_router = self.is_router(router);
        let redirects = self.rows(router, |on| &on.redirects);
        redirects
            .filter(move |_| is_router)
            .filter_map(|redirect| self.gateway(redirect))
    }

    /// The gateway port whose chassis-redirect half this is, if it is one of a router.
    pub fn gateway<'a>(&'a self, redirect: &'a PortBinding) -> Option<Gateway<'a>> {
        let router = redirect.datapath.filter(|dp| self.is_router(*dp))?;
        let BindingKind::ChassisRedirect {
            distributed_port: Some(lrp),
        } = &redirect.kind
        else {
            return None;
        };
        let port = self.binding_named(lrp);
        let port = port.filter(|port| port.datapath == Some(router));
        Some(Gateway {
            redirect,
            lrp,
            switch_port: port.and_then(|port| self.switch_end(port)),
        })
    }

    /// The interfaces of a router.
    pub fn interfaces(&self, router: Uuid) -> impl Iterator<Item = Interface<'_>> {
        let patches = self.rows(router, |on| &on.patches);
        patches.filter_map(|port| self.interface(port))
    }

    /// The router interfaces on a switch.
    pub fn interfaces_on(&self, switch: Uuid) -> impl Iterator<Item = Interface<'_>> {
        let patches = self.rows(switch, |on| &on.patches);
        patches.filter_map(|port| self.interface(self.router_end(port)?))
    }

    /// The interface whose router's end this is.
    pub fn interface<'a>(&'a self, port: &'a PortBinding) -> Option<Interface<'a>> {
        if port.patch()?.is_gateway() {
            return None;
        }
        let switch_port = self.switch_end(port)?;
        Some(Interface {
            port,
            switch_port,
            router: port.datapath?,
            switch: switch_port.datapath?,
        })
    }

    /// The switch's end of the link whose router's end this is.
    pub fn switch_end(&self, port: &PortBinding) -> Option<&PortBinding> {
        let peer = self.peer(port)?;
        let linked = self.is_router(port.datapath?) && !self.is_router(peer.datapath?);
        linked.then_some(peer)
    }

    /// The router's end of the link whose switch's end this is.
    pub fn router_end(&self, port: &PortBinding) -> Option<&PortBinding> {
        let peer = self.peer(port)?;
        let linked = !self.is_router(port.datapath?) && self.is_router(peer.datapath?);
        linked.then_some(peer)
    }

    /// The other end of a link: each must name the other.
    fn peer(&self, port: &PortBinding) -> Option<&PortBinding> {
        let peer = self.binding_named(port.patch()?.peer.as_ref()?)?;
        let mutual = peer.patch()?.peer.as_ref() == Some(&port.logical_port);
        mutual.then_some(peer)
    }

    /// Whether a datapath is known to be a router.
    pub fn is_router(&self, datapath: Uuid) -> bool {
        let row = self.datapaths.get(&datapath);
        row.is_some_and(|row| row.is_router)
    }
}
