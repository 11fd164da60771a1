//! Switch ports, and the networks they are on.

use std::sync::Arc;

use bgp::evpn::Vni;
use uuid::Uuid;

use crate::ovn::index::{self, difference};
use crate::ovn::northbound::network::OnNetwork;
use crate::ovn::northbound::{Interface, Network, Northbound, PortKind, Switch, SwitchPort};
use crate::ovn::{Annotations, Vpn};

impl Northbound {
    pub(super) fn replace_port(&mut self, uuid: Uuid, new: Option<SwitchPort>) {
        let old = self.ports.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(old) = old {
            self.unlink_port(&old);
            self.ports.remove(&uuid);
        }
        if let Some(mut new) = new {
            new.network = new.network.map(|name| self.shared(name));
            let new = Arc::new(new);
            self.ports.insert(uuid, new.clone());
            self.link_port(&new);
        }
    }

    fn link_port(&mut self, port: &SwitchPort) {
        self.ports_by_name.insert(port.name.clone(), port.uuid);
        for parent in port.parents() {
            self.children.insert(parent.clone(), port.uuid);
        }
        if let Some(interface) = &port.interface {
            self.link_interface(port.uuid, interface);
        }
        if let Some(network) = self.network_of(port).cloned() {
            self.join(port, &network);
        }
        self.affect_namesakes(port);
    }

    fn unlink_port(&mut self, port: &SwitchPort) {
        self.affect_namesakes(port);
        if let Some(network) = self.network_of(port).cloned() {
            self.leave(port, &network);
        }
        if let Some(interface) = &port.interface {
            self.unlink_interface(port.uuid, interface);
        }
        for parent in port.parents() {
            self.children.remove(parent, port.uuid);
        }
        self.ports_by_name.remove(&port.name, port.uuid);
    }

    fn link_interface(&mut self, port: Uuid, interface: &Interface) {
        if let Some(router) = &interface.router {
            self.interfaces_by_router.insert(router.clone(), port);
        }
        if let Some(peer) = &interface.peer {
            self.interfaces_by_peer.insert(peer.clone(), port);
        }
    }

    fn unlink_interface(&mut self, port: Uuid, interface: &Interface) {
        if let Some(router) = &interface.router {
            self.interfaces_by_router.remove(router, port);
        }
        if let Some(peer) = &interface.peer {
            self.interfaces_by_peer.remove(peer, port);
        }
    }

    /// The port itself, its subports, and whoever else has its name.
    fn affect_namesakes(&mut self, port: &SwitchPort) {
        let mut ports = vec![port.uuid];
        ports.extend(self.children.get(&port.name));
        ports.extend(self.ports_by_name.get(&port.name));
        for uuid in ports {
            self.affect_port(uuid);
        }
    }

    /// A port, and what is decided by where it is or by its addresses.
    pub(super) fn affect_port(&mut self, uuid: Uuid) {
        let affected = &mut self.affected;
        affected.ports.insert(uuid);
        let Some(port) = self.ports.get(&uuid) else {
            return;
        };
        affected.nats.extend(self.nats_by_port.get(&port.name));
        let balancers = self.balancers_by_port.get(&port.name);
        affected.balancers.extend(balancers);
        if self.balancers_by_member.is_empty() {
            return;
        }
        for (ip, _) in port.ips() {
            let rows = self.balancers_by_member.get(&ip).iter();
            for row in rows.filter_map(|uuid| self.balancers.get(uuid)) {
                affected.balancers.insert(row.uuid);
                // Of the rows with one VIP each goes by the members of all.
                let port = row.octavia().map(|octavia| &octavia.port);
                let same = port.map(|port| self.balancers_by_port.get(port));
                affected.balancers.extend(same.unwrap_or_default());
            }
        }
    }

    fn join(&mut self, port: &SwitchPort, name: &Arc<str>) {
        let network = self.networks.entry(name.clone()).or_default();
        index::insert(&mut network.ports, port.uuid);
        let matters = network.note(port, true);
        if network.note_dhcp(&port.dhcp, true) {
            self.affected.vpn_networks.insert(name.clone());
        }
        if port.is_inner() {
            index::insert(&mut network.interfaces, port.uuid);
            self.affected.routed.insert(name.clone());
        }
        if port.kind == PortKind::Localnet {
            index::insert(&mut network.localnets, port.uuid);
            self.affect_localnets(name);
        }
        self.affect_network(name, matters || self.is_ipv6_gateway(port));
    }

    fn leave(&mut self, port: &SwitchPort, name: &Arc<str>) {
        let Some(network) = self.networks.get_mut(name) else {
            return;
        };
        index::remove(&mut network.ports, port.uuid);
        let matters = network.note(port, false);
        if network.note_dhcp(&port.dhcp, false) {
            self.affected.vpn_networks.insert(name.clone());
        }
        if port.is_inner() {
            index::remove(&mut network.interfaces, port.uuid);
            self.affected.routed.insert(name.clone());
        }
        if port.kind == PortKind::Localnet {
            index::remove(&mut network.localnets, port.uuid);
            self.affect_localnets(name);
        }
        self.affect_network(name, matters || self.is_ipv6_gateway(port));
        self.forget_if_empty(name);
    }

    /// Where a network is attached: itself, and all that is behind the gateways on it.
    fn affect_localnets(&mut self, name: &Arc<str>) {
        self.affected.localnets = true;
        self.affected.vpn_networks.insert(name.clone());
        self.affect_network_and_gateways(name);
    }

    fn affect_network_and_gateways(&mut self, name: &Arc<str>) {
        self.affect_network(name, true);
        let gateways = self.networks.get(name).map(|n| n.router_ports.clone());
        for router_port in gateways.unwrap_or_default() {
            self.affect_gateway(router_port);
        }
    }

    pub(super) fn affect_network(&mut self, name: &Arc<str>, matters: bool) {
        if matters && !self.affected.networks.contains(name) {
            self.affected.networks.insert(name.clone());
        }
    }

    pub(super) fn is_ipv6_gateway(&self, port: &impl OnNetwork) -> bool {
        !self.ipv6_gateways.is_empty()
            && port
                .addresses()
                .any(|address| !self.ipv6_gateways.get(&address).is_empty())
    }

    pub(super) fn forget_if_empty(&mut self, name: &Arc<str>) {
        if self.networks.get(name).is_some_and(Network::is_empty) {
            self.networks.remove(name);
        }
    }

    /// One copy of a network's name, however many rows have it.
    pub(super) fn shared(&self, name: Arc<str>) -> Arc<str> {
        let known = self.networks.get_key_value(&name);
        known.map_or(name, |(known, _)| known.clone())
    }

    pub(super) fn replace_switch(&mut self, uuid: Uuid, new: Option<Switch>) {
        let old = self.switches.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        let renamed = old.as_ref().map(|s| &s.name) != new.as_ref().map(|s| &s.name);
        let (gone, come) = match (&old, &new) {
            (Some(old), Some(new)) if !renamed => difference(&old.ports, &new.ports),
            (old, new) => (
                old.as_ref().map(|s| s.ports.clone()).unwrap_or_default(),
                new.as_ref().map(|s| s.ports.clone()).unwrap_or_default(),
            ),
        };
        // A port is moved in steps, so that it leaves the network it joined.
        self.relist(&gone, |nb, port| nb.switches_of_port.remove(&port, uuid));
        let said = |row: &Switch| {
            let (annotations, vpn) = (row.annotations.clone(), row.vpn.clone());
            // How large packets are matters for the devices of a VNI alone.
            let mtu = vpn.vni().and_then(|_| row.mtu.octets());
            (row.name.clone(), annotations, vpn, mtu)
        };
        let other = old.as_deref().map(said) != new.as_ref().map(said);
        if let Some(old) = &old {
            if other {
                self.affect_named(old);
            }
            self.switches_by_name.remove(&old.name, uuid);
            if let Some(vni) = old.vpn.vni() {
                self.switches_by_vni.remove(&vni, uuid);
            }
            self.switches.remove(&uuid);
        }
        if let Some(new) = new.map(Arc::new) {
            self.switches.insert(uuid, new.clone());
            self.switches_by_name.insert(new.name.clone(), uuid);
            if let Some(vni) = new.vpn.vni() {
                self.switches_by_vni.insert(vni, uuid);
            }
            if other {
                self.affect_named(&new);
            }
        }
        self.relist(&come, |nb, port| nb.switches_of_port.insert(port, uuid));
    }

    /// What is reached on a network that says something of routes: itself, and all that is behind the gateways
    /// on it. Others say the same whether their row is there or not, unless another row has their name.
    fn affect_named(&mut self, switch: &Switch) {
        let rows = self.switches_by_name.get(&switch.name).iter();
        let rows = rows.filter_map(|uuid| self.switches.get(uuid));
        let rows: Vec<_> = rows.cloned().collect();
        let rows = || std::iter::once(switch).chain(rows.iter().map(|row| &**row));
        let none = Annotations::default();
        if rows().any(|row| row.annotations != none) {
            self.affect_network_and_gateways(&switch.name);
        }
        if rows().any(|row| row.vpn != Vpn::default()) {
            self.affected.memberships = true;
            self.affect_vpn_network(&switch.name);
            for vni in rows().filter_map(|row| row.vpn.vni()) {
                self.affect_vni(vni);
            }
        }
    }

    /// Whose the prefixes of a network are.
    fn affect_vpn_network(&mut self, name: &Arc<str>) {
        self.affected.vpn_networks.insert(name.clone());
        self.affect_network_and_gateways(name);
    }

    /// The networks of a VNI, which have to agree.
    fn affect_vni(&mut self, vni: Vni) {
        self.affected.vnis.insert(vni);
        let networks = self.switches_by_vni.get(&vni).iter();
        let networks = networks.filter_map(|uuid| Some(self.switches.get(uuid)?.name.clone()));
        for name in networks.collect::<Vec<_>>() {
            self.affect_vpn_network(&name);
        }
    }

    /// Changes which switches list some ports, moving those whose network that decides.
    fn relist(&mut self, ports: &[Uuid], change: impl Fn(&mut Self, Uuid)) {
        for uuid in ports {
            let port = self
                .ports
                .get(uuid)
                .filter(|p| p.network.is_none())
                .cloned();
            if let Some(port) = &port {
                self.unlink_port(port);
            }
            change(self, *uuid);
            if let Some(port) = &port {
                self.link_port(port);
            }
        }
    }
}
