//! Who makes the changes: Neutron's, Nova's and an operator's hands on a living cloud.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::Tenants;
use super::change::Change;
use super::world::{Forwarded, Placed, Virtual, World};
use crate::cloud::objects::{Fip, Network, Port, Router};
use crate::cloud::{Cloud, Forwarding, HOSTS, Way};
use crate::ovn::Vm;
use crate::{PATIENCE, wait_until};

/// The address scopes that are exposed with [`Tenants::Scopes`], one for each family.
pub(super) const EXPOSED_SCOPES: [&str; 2] = [
    "6e32f9f4-d68c-4dab-9cc5-94715eb3d243",
    "0a40ad42-2315-465f-9fdc-09294d615980",
];
const OTHER_SCOPE: &str = "bbb9e2f3-f751-443d-b968-98ca5a0298c1";

pub(super) struct Hands {
    /// Before the cloud: a VM is unplugged from a switch that is there.
    vms: BTreeMap<String, (usize, Vm)>,
    pub(super) cloud: Cloud,
    without_agent: Vec<usize>,
    without_controller: Vec<usize>,
    without_northd: bool,
    /// The virtual ports to be taken, as soon as all are there who have a part in it, and by whom.
    takes: Vec<(Port, Port)>,
    /// What Neutron has said of the hosts of virtual ports, by their ids.
    holders: BTreeMap<String, Option<usize>>,
}

impl Hands {
    pub(super) fn new(cloud: Cloud) -> Self {
        Self {
            vms: BTreeMap::new(),
            cloud,
            without_agent: Vec::new(),
            without_controller: Vec::new(),
            without_northd: false,
            takes: Vec::new(),
            holders: BTreeMap::new(),
        }
    }

    /// Makes a change that is legal in `world`, as it is before.
    pub(super) fn make(&mut self, change: &Change, world: &World) -> Result<()> {
        match change {
            Change::Boot(..)
            | Change::Delete(..)
            | Change::Plug(_)
            | Change::Unplug(_)
            | Change::Enable(..)
            | Change::Migrate(..) => self.change_guest(change, world),
            Change::Associate(..) | Change::MoveFip(..) | Change::Disassociate(_) => {
                self.change_fip(change, world)
            }
            Change::CreateBalancer(..)
            | Change::EnableBalancer(..)
            | Change::ExposeBalancer(..)
            | Change::WithdrawBalancer(_)
            | Change::DeleteBalancer(_)
            | Change::Forward(_)
            | Change::StopForwarding(_) => self.change_balancer(change, world),
            Change::CreateVirtual(..) | Change::Take(..) | Change::DeleteVirtual(_) => {
                self.change_virtual(change)
            }
            Change::KillAgent(_)
            | Change::StopAgent(_)
            | Change::KillController(_)
            | Change::StopController(_)
            | Change::StopNorthd
            | Change::RestartNorthbound
            | Change::RestartSouthbound => self.take_away(change),
            _ => self.change_network(change, world),
        }
    }

    fn change_network(&mut self, change: &Change, world: &World) -> Result<()> {
        let neutron = &self.cloud.neutron;
        match change {
            Change::CreateNetwork(network) => neutron.create_network(network),
            Change::DeleteNetwork(network) => {
                neutron.delete_network(network)?;
                let guests = world
                    .guests
                    .iter()
                    .filter(|guest| guest.port.network == *network);
                guests
                    .map(|guest| &guest.port)
                    .try_for_each(|port| self.unplug(port))
            }
            Change::CreateRouter(router) => neutron.create_router(router),
            Change::DeleteRouter(router) => neutron.delete_router(router),
            Change::Attach(router, network) => {
                let joint = world.joints.iter().find(|joint| joint.router == *router);
                neutron.attach(
                    router,
                    network,
                    joint.and_then(|joint| joint.gateway.as_ref()),
                )?;
                self.scope(network, world, world.in_scope(network))
            }
            Change::Detach(router, network) => neutron.detach(router, network),
            Change::SetGateway(router, gateway) => {
                neutron.set_gateway(router, gateway, &inside(world, router))?;
                let outside = &gateway.network;
                self.scope(outside, world, world.in_scope(outside))
            }
            Change::Rescope(network, within) => self.scope(network, world, *within),
            Change::ClearGateway(router) => {
                let joint = world.joints.iter().find(|joint| joint.router == *router);
                let gateway = joint
                    .and_then(|joint| joint.gateway.as_ref())
                    .context("no gateway")?;
                neutron.clear_gateway(router, gateway, &inside(world, router))
            }
            Change::PreferGateways(nodes) => {
                neutron.prefer_gateways(&nodes.map(|node| HOSTS[node].1))
            }
            other => anyhow::bail!("{other} is no change of networks"),
        }
    }

    fn change_guest(&mut self, change: &Change, world: &World) -> Result<()> {
        match change {
            Change::Boot(port, node) => {
                let scopes = scopes(world, world.in_scope(&port.network));
                let host = HOSTS[*node].0;
                self.cloud.neutron.create_port_in(port, host, scopes)?;
                self.plug(port, *node)
            }
            Change::Delete(port, fip_first) => {
                let guest = world.guests.iter().find(|guest| guest.port == *port);
                let fip = guest.and_then(|guest| guest.fip.as_ref());
                if *fip_first {
                    self.let_go(fip, port, world)?;
                }
                self.cloud.neutron.delete_port(port)?;
                if !*fip_first {
                    self.let_go(fip, port, world)?;
                }
                self.forget_parent(port, world)?;
                self.unplug(port)
            }
            Change::Plug(port) => {
                let guest = world.guests.iter().find(|guest| guest.port == *port);
                self.plug(port, guest.context("no such port")?.node)
            }
            Change::Unplug(port) => self.unplug(port),
            Change::Enable(port, enabled) => self.cloud.neutron.enable(port, *enabled),
            Change::Migrate(port, node) => {
                let guest = world.guests.iter().find(|guest| guest.port == *port);
                let from = HOSTS[guest.context("no such port")?.node].0;
                self.cloud.neutron.bind(port, &[from, HOSTS[*node].0])?;
                let source = self.vms.remove(&port.id);
                self.plug(port, *node)?;
                if let Some((node, vm)) = source {
                    self.cloud.nodes[node].chassis.unplug(vm)?;
                }
                self.cloud.neutron.bind(port, &[HOSTS[*node].0])
            }
            other => anyhow::bail!("{other} is no change of ports"),
        }
    }

    fn change_fip(&mut self, change: &Change, world: &World) -> Result<()> {
        let fip_of = |port: &Port| {
            let guest = world.guests.iter().find(|guest| guest.port == *port);
            guest.and_then(|guest| guest.fip.as_ref())
        };
        match change {
            Change::Associate(fip, port) => {
                let way = way(world, port)?;
                self.cloud.neutron.associate(fip, port, &way, None)
            }
            Change::MoveFip(from, to) => {
                let fip = fip_of(from).context("no floating IP")?;
                self.cloud
                    .neutron
                    .associate(fip, to, &way(world, to)?, Some(from))
            }
            Change::Disassociate(port) => self.let_go(fip_of(port), port, world),
            other => anyhow::bail!("{other} is no change of floating IPs"),
        }
    }

    fn change_balancer(&mut self, change: &Change, world: &World) -> Result<()> {
        let neutron = &self.cloud.neutron;
        let known = |id: &str| {
            let found = world.balancers.iter().find(|b| b.balancer.id == id);
            found.context("no such load balancer")
        };
        match change {
            Change::CreateBalancer(balancer, router) => {
                neutron.create_balancer(balancer, router.as_ref())
            }
            Change::EnableBalancer(id, true) => neutron.enable_balancer(&known(id)?.balancer),
            Change::EnableBalancer(id, false) => neutron.disable_balancer(&known(id)?.balancer),
            Change::ExposeBalancer(id, fip) => {
                let balancer = &known(id)?.balancer;
                neutron.expose_balancer(balancer, fip, &way(world, &balancer.vip)?)
            }
            Change::WithdrawBalancer(id) => {
                let known = known(id)?;
                let fip = known.fip.as_ref().context("no floating IP")?;
                let router = known.router.as_ref().context("no router")?;
                neutron.withdraw_balancer(&known.balancer, fip, router)
            }
            Change::DeleteBalancer(id) => {
                neutron.delete_balancer(&known(id)?.balancer, known(id)?.router.as_ref())
            }
            Change::Forward(row) => neutron.forward(&forwarding(row)),
            Change::StopForwarding(row) => neutron.stop_forwarding(&forwarding(row)),
            other => anyhow::bail!("{other} is no change of load balancers"),
        }
    }

    fn take_away(&mut self, change: &Change) -> Result<()> {
        let central = &mut self.cloud.neutron.central;
        match change {
            Change::KillAgent(node) => {
                self.cloud.nodes[*node].kill_agent();
                self.without_agent.push(*node);
            }
            Change::StopAgent(node) => {
                self.cloud.nodes[*node].stop_agent();
                self.without_agent.push(*node);
            }
            Change::KillController(node) => {
                self.cloud.nodes[*node].chassis.kill_controller();
                self.without_controller.push(*node);
            }
            Change::StopController(node) => {
                self.cloud.nodes[*node].chassis.stop_controller();
                self.without_controller.push(*node);
            }
            Change::StopNorthd => {
                central.stop_northd();
                self.without_northd = true;
            }
            Change::RestartNorthbound => central.northbound.restart()?,
            Change::RestartSouthbound => central.southbound.restart()?,
            other => anyhow::bail!("{other} takes nothing away"),
        }
        Ok(())
    }

    /// Starts again what was taken away, and waits until OVN has taken every change.
    pub(super) fn give_back(&mut self, world: &World) -> Result<()> {
        if std::mem::take(&mut self.without_northd) {
            self.cloud.neutron.central.start_northd()?;
        }
        for node in numbers(&mut self.without_controller) {
            self.cloud.nodes[node].chassis.start_controller()?;
        }
        for node in numbers(&mut self.without_agent) {
            self.cloud.nodes[node].start_agent()?;
        }
        self.cloud.neutron.central.sync()?;
        for (port, by) in std::mem::take(&mut self.takes) {
            let mut virtuals = world.virtuals.iter();
            let still = virtuals.find(|v| v.port == port && v.taken_by.as_ref() == Some(&by));
            // A later change of the same moment may have disabled it: OVN drops what it says then.
            let mut guests = world.guests.iter();
            let can = guests.any(|guest| guest.port == by && guest.plugged && guest.enabled);
            if let Some(shared) = still.filter(|_| can) {
                self.take(shared, &by)?;
            }
        }
        Ok(())
    }

    fn change_virtual(&mut self, change: &Change) -> Result<()> {
        let neutron = &self.cloud.neutron;
        match change {
            Change::CreateVirtual(port, parents) => {
                neutron.create_virtual(port, &parents.iter().collect::<Vec<_>>())
            }
            Change::Take(port, by) => {
                self.takes.push((port.clone(), by.clone()));
                Ok(())
            }
            Change::DeleteVirtual(port) => {
                self.holders.remove(&port.id);
                neutron.delete_port(port)
            }
            other => anyhow::bail!("{other} is no change of virtual ports"),
        }
    }

    /// A VM takes a virtual port and says so until ovn-controller has heard it.
    fn take(&self, shared: &Virtual, by: &Port) -> Result<()> {
        let address = shared.port.v4();
        for parent in shared.parents.iter().filter(|parent| *parent != by) {
            if let Some((_, vm)) = self.vms.get(&parent.id) {
                vm.leave(&address);
            }
        }
        let (node, vm) = self.vms.get(&by.id).context("no such VM")?;
        let mut last = Ok(());
        let what = format!("{} to have taken {address}", by.v4());
        wait_until(PATIENCE, &what, || {
            let holder = self.cloud.neutron.holder(&shared.port);
            let taken = holder.is_ok_and(|holder| {
                holder.is_some_and(|(parent, at)| parent == by.id && at == HOSTS[*node].1)
            });
            if !taken {
                last = vm.take(&address);
            }
            taken
        })?;
        last
    }

    /// Neutron tells the host of every virtual port that has changed hands, as its handler of binding events does.
    pub(super) fn follow_virtuals(&mut self, world: &World) -> Result<()> {
        for shared in &world.virtuals {
            let neutron = &self.cloud.neutron;
            let holder = neutron.holder(&shared.port)?;
            let node = holder.and_then(|(_, chassis)| number(&chassis));
            let told = self.holders.get(&shared.port.id).copied().flatten();
            if node != told {
                neutron.tell_holder(&shared.port, node.map(|node| HOSTS[node].0))?;
                self.holders.insert(shared.port.id.clone(), node);
            }
        }
        Ok(())
    }

    /// Where OVN has put gateways and virtual ports.
    pub(super) fn placed(&self, world: &World) -> Result<Placed> {
        let (neutron, mut placed) = (&self.cloud.neutron, Placed::default());
        for joint in world.joints.iter().filter(|joint| joint.gateway.is_some()) {
            let (router, public) = (&joint.router, &world.public);
            let claimed = neutron.claimed_by(router, public)?;
            if let Some(node) = claimed.and_then(|chassis| number(&chassis)) {
                placed.gateways.insert(router.id.clone(), node);
            }
            if let Some(node) = number(&neutron.hosting_chassis(router, public)?) {
                placed.copied.insert(router.id.clone(), node);
            }
        }
        for shared in &world.virtuals {
            let holder = neutron.holder(&shared.port)?;
            if let Some(node) = holder.and_then(|(_, chassis)| number(&chassis)) {
                placed.virtuals.insert(shared.port.id.clone(), node);
            }
        }
        Ok(placed)
    }

    fn forget_parent(&self, port: &Port, world: &World) -> Result<()> {
        let virtuals = world.virtuals.iter();
        for shared in virtuals.filter(|v| v.parents.contains(port)) {
            let left: Vec<_> = shared.parents.iter().filter(|p| *p != port).collect();
            self.cloud
                .neutron
                .set_virtual_parents(&shared.port, &left)?;
        }
        Ok(())
    }

    fn scope(&self, network: &Network, world: &World, within: [bool; 2]) -> Result<()> {
        if world.rules.tenants != Tenants::Scopes {
            return Ok(());
        }
        let scopes = scopes(world, within);
        self.cloud.neutron.set_scopes(network, scopes)
    }

    fn let_go(&self, fip: Option<&Fip>, port: &Port, world: &World) -> Result<()> {
        match fip {
            Some(fip) => {
                let router = way(world, port)?.router;
                self.cloud.neutron.disassociate(fip, port, router)
            }
            None => Ok(()),
        }
    }

    fn plug(&mut self, port: &Port, node: usize) -> Result<()> {
        let vm = self.cloud.nodes[node].plug(port)?;
        self.vms.insert(port.id.clone(), (node, vm));
        Ok(())
    }

    fn unplug(&mut self, port: &Port) -> Result<()> {
        match self.vms.remove(&port.id) {
            Some((node, vm)) => self.cloud.nodes[node].chassis.unplug(vm),
            None => Ok(()),
        }
    }
}

/// What was noted, each once.
fn numbers(noted: &mut Vec<usize>) -> std::collections::BTreeSet<usize> {
    std::mem::take(noted).into_iter().collect()
}

/// The number of the node with this system id.
fn number(chassis: &str) -> Option<usize> {
    HOSTS.iter().position(|(_, id)| *id == chassis)
}

/// The address scopes of a network's subnets.
fn scopes(world: &World, within: [bool; 2]) -> [&'static str; 2] {
    if world.rules.tenants != Tenants::Scopes {
        return ["", ""];
    }
    let [v4, v6] = within;
    let of = |exposed: bool, scope| if exposed { scope } else { OTHER_SCOPE };
    [of(v4, EXPOSED_SCOPES[0]), of(v6, EXPOSED_SCOPES[1])]
}

fn inside<'a>(world: &'a World, router: &Router) -> Vec<&'a Network> {
    let joint = world.joints.iter().find(|joint| joint.router == *router);
    joint.into_iter().flat_map(|joint| &joint.inside).collect()
}

fn way<'a>(world: &'a World, port: &Port) -> Result<Way<'a>> {
    let joint = world.joint_of(&port.network);
    Ok(Way {
        router: &joint.context("no router")?.router,
        public: &world.public,
        distributed: true,
    })
}

fn forwarding(row: &Forwarded) -> Forwarding<'_> {
    Forwarding {
        fip: &row.fip,
        router: &row.router,
        inside: &row.inside,
        protocol: row.protocol,
        port: 2222,
        target: &row.target,
    }
}
