//! Who makes the changes: Neutron's, Nova's and an operator's hands on a living cloud.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::change::Change;
use super::world::{Forwarded, World};
use crate::cloud::objects::{Fip, Port, Router};
use crate::cloud::{Cloud, Forwarding, HOSTS, Way};
use crate::ovn::Vm;

pub(super) struct Hands {
    /// Before the cloud: a VM is unplugged from a switch that is there.
    vms: BTreeMap<String, (usize, Vm)>,
    pub(super) cloud: Cloud,
    without_agent: Vec<usize>,
    without_northd: bool,
}

impl Hands {
    pub(super) fn new(cloud: Cloud) -> Self {
        Self {
            vms: BTreeMap::new(),
            cloud,
            without_agent: Vec::new(),
            without_northd: false,
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
            Change::KillAgent(_)
            | Change::StopAgent(_)
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
                )
            }
            Change::Detach(router, network) => neutron.detach(router, network),
            Change::SetGateway(router, gateway) => {
                neutron.set_gateway(router, gateway, &inside(world, router))
            }
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
                self.cloud.neutron.create_port(port, HOSTS[*node].0)?;
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
            Change::CreateBalancer(balancer, router) => neutron.create_balancer(balancer, router),
            Change::EnableBalancer(id, true) => neutron.enable_balancer(&known(id)?.balancer),
            Change::EnableBalancer(id, false) => neutron.disable_balancer(&known(id)?.balancer),
            Change::ExposeBalancer(id, fip) => {
                let balancer = &known(id)?.balancer;
                neutron.expose_balancer(balancer, fip, &way(world, &balancer.vip)?)
            }
            Change::WithdrawBalancer(id) => {
                let known = known(id)?;
                let fip = known.fip.as_ref().context("no floating IP")?;
                neutron.withdraw_balancer(&known.balancer, fip, &known.router)
            }
            Change::DeleteBalancer(id) => {
                neutron.delete_balancer(&known(id)?.balancer, &known(id)?.router)
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
    pub(super) fn give_back(&mut self) -> Result<()> {
        if std::mem::take(&mut self.without_northd) {
            self.cloud.neutron.central.start_northd()?;
        }
        let mut nodes = std::mem::take(&mut self.without_agent);
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            self.cloud.nodes[node].start_agent()?;
        }
        self.cloud.neutron.central.sync()
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

fn inside<'a>(world: &'a World, router: &Router) -> Vec<&'a crate::cloud::objects::Network> {
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
