//! One change: what it is, and what it makes of the world.

use std::fmt;

use super::world::{Balanced, Forwarded, Guest, Joint, Virtual, World};
use crate::cloud::objects::{Balancer, Fip, Gateway, Network, Port, Router};

/// A change that Neutron, Octavia, Nova or an operator could make next.
#[derive(Clone, Debug)]
pub(super) enum Change {
    CreateNetwork(Network),
    /// With the ports that are on it, which go after it.
    DeleteNetwork(Network),
    CreateRouter(Router),
    DeleteRouter(Router),
    Attach(Router, Network),
    Detach(Router, Network),
    SetGateway(Router, Gateway),
    ClearGateway(Router),
    /// The priorities of every gateway: the nodes, the preferred one first.
    PreferGateways([usize; 2]),
    Boot(Port, usize),
    /// The port, and whether its floating IP is told first.
    Delete(Port, bool),
    Plug(Port),
    Unplug(Port),
    Enable(Port, bool),
    Migrate(Port, usize),
    Associate(Fip, Port),
    /// From one port to another in one transaction.
    MoveFip(Port, Port),
    Disassociate(Port),
    /// Behind a router, or on a provider network alone.
    CreateBalancer(Balancer, Option<Router>),
    EnableBalancer(String, bool),
    ExposeBalancer(String, Fip),
    WithdrawBalancer(String),
    DeleteBalancer(String),
    Forward(Forwarded),
    StopForwarding(Forwarded),
    /// A virtual port, and the ports that may take it.
    CreateVirtual(Port, Vec<Port>),
    /// The second takes the first.
    Take(Port, Port),
    DeleteVirtual(Port),
    /// Whether the IPv4 and the IPv6 subnet of a network are in the scopes that are exposed.
    Rescope(Network, [bool; 2]),
    /// SIGKILL; it starts again before the next quiet moment.
    KillAgent(usize),
    /// SIGTERM; the same.
    StopAgent(usize),
    /// The same for ovn-controller, whose rows stay.
    KillController(usize),
    /// It takes its chassis row along, and everything that it bound.
    StopController(usize),
    /// The same.
    StopNorthd,
    RestartNorthbound,
    RestartSouthbound,
}

impl Change {
    /// What ends everything, in an order that is legal.
    pub(super) fn teardown(world: &World) -> Vec<Self> {
        let balancers = world.balancers.iter().flat_map(|b| {
            let id = b.balancer.id.clone();
            let fip = b
                .fip
                .iter()
                .map(|_| Self::WithdrawBalancer(b.balancer.id.clone()));
            fip.chain([Self::DeleteBalancer(id)]).collect::<Vec<_>>()
        });
        let forwardings = world.forwardings.iter().cloned().map(Self::StopForwarding);
        let virtuals = world
            .virtuals
            .iter()
            .map(|v| Self::DeleteVirtual(v.port.clone()));
        let guests = world
            .guests
            .iter()
            .map(|g| Self::Delete(g.port.clone(), true));
        let joints = world.joints.iter().flat_map(|joint| {
            let router = &joint.router;
            let gateway = joint
                .gateway
                .iter()
                .map(|_| Self::ClearGateway(router.clone()));
            let inside = joint
                .inside
                .iter()
                .map(|n| Self::Detach(router.clone(), n.clone()));
            gateway
                .chain(inside)
                .chain([Self::DeleteRouter(router.clone())])
                .collect::<Vec<_>>()
        });
        let networks = world.networks.iter().cloned().map(Self::DeleteNetwork);
        balancers
            .chain(forwardings)
            .chain(virtuals)
            .chain(guests)
            .chain(joints)
            .chain(networks)
            .collect()
    }

    /// Makes it true in the world.
    pub(super) fn apply(&self, world: &mut World) {
        self.apply_to_networks(world);
        self.apply_to_guests(world);
        self.apply_to_services(world);
    }

    fn apply_to_networks(&self, world: &mut World) {
        match self {
            Self::CreateNetwork(network) => world.networks.push(network.clone()),
            Self::DeleteNetwork(network) => {
                world.networks.retain(|other| other != network);
                world.out_of_scope.remove(&network.id);
                world.guests.retain(|guest| guest.port.network != *network);
            }
            Self::CreateRouter(router) => world.joints.push(Joint {
                router: router.clone(),
                gateway: None,
                inside: Vec::new(),
            }),
            Self::DeleteRouter(router) => world.joints.retain(|joint| joint.router != *router),
            Self::Attach(router, network) => {
                with_joint(world, router, |joint| joint.inside.push(network.clone()))
            }
            Self::Detach(router, network) => with_joint(world, router, |joint| {
                joint.inside.retain(|other| other != network)
            }),
            Self::SetGateway(router, gateway) => {
                with_joint(world, router, |joint| joint.gateway = Some(gateway.clone()))
            }
            Self::ClearGateway(router) => with_joint(world, router, |joint| joint.gateway = None),
            Self::Rescope(network, within) => {
                let out = within.map(|within| !within);
                world.out_of_scope.insert(network.id.clone(), out);
            }
            _ => {}
        }
    }

    fn apply_to_guests(&self, world: &mut World) {
        match self {
            Self::Boot(port, node) => {
                world.born += 1;
                world.guests.push(Guest {
                    port: port.clone(),
                    node: *node,
                    plugged: true,
                    enabled: true,
                    fip: None,
                });
            }
            Self::Delete(port, _) => {
                world.free_of(|guest| guest.port == *port);
                for shared in &mut world.virtuals {
                    shared.parents.retain(|parent| parent != port);
                }
                world.guests.retain(|guest| guest.port != *port);
            }
            Self::Plug(port) => with_guest(world, port, |guest| guest.plugged = true),
            Self::Unplug(port) => {
                world.free_of(|guest| guest.port == *port);
                with_guest(world, port, |guest| guest.plugged = false);
            }
            Self::Enable(port, enabled) => {
                with_guest(world, port, |guest| guest.enabled = *enabled)
            }
            Self::Migrate(port, node) => {
                world.free_of(|guest| guest.port == *port);
                with_guest(world, port, |guest| guest.node = *node);
            }
            Self::Associate(fip, port) => {
                with_guest(world, port, |guest| guest.fip = Some(fip.clone()))
            }
            Self::MoveFip(from, to) => {
                let mut fip = None;
                with_guest(world, from, |guest| fip = guest.fip.take());
                with_guest(world, to, |guest| guest.fip = fip);
            }
            Self::Disassociate(port) => with_guest(world, port, |guest| guest.fip = None),
            Self::StopController(node) => world.free_of(|guest| guest.node == *node),
            _ => {}
        }
    }

    /// What is in front of VMs, or taken by them.
    fn apply_to_services(&self, world: &mut World) {
        match self {
            Self::CreateBalancer(balancer, router) => world.balancers.push(Balanced {
                balancer: balancer.clone(),
                router: router.clone(),
                enabled: true,
                fip: None,
            }),
            Self::EnableBalancer(id, enabled) => with_balancer(world, id, |b| b.enabled = *enabled),
            Self::ExposeBalancer(id, fip) => {
                with_balancer(world, id, |b| b.fip = Some(fip.clone()))
            }
            Self::WithdrawBalancer(id) => with_balancer(world, id, |b| b.fip = None),
            Self::DeleteBalancer(id) => world.balancers.retain(|b| b.balancer.id != *id),
            Self::Forward(forwarded) => world.forwardings.push(forwarded.clone()),
            Self::StopForwarding(forwarded) => world.forwardings.retain(|other| other != forwarded),
            Self::CreateVirtual(port, parents) => world.virtuals.push(Virtual {
                port: port.clone(),
                parents: parents.clone(),
                taken_by: None,
            }),
            Self::Take(port, by) => {
                let mut virtuals = world.virtuals.iter_mut();
                if let Some(shared) = virtuals.find(|v| v.port == *port) {
                    shared.taken_by = Some(by.clone());
                }
            }
            Self::DeleteVirtual(port) => world.virtuals.retain(|v| v.port != *port),
            _ => {}
        }
    }
}

fn with_joint(world: &mut World, router: &Router, change: impl FnOnce(&mut Joint)) {
    if let Some(joint) = world
        .joints
        .iter_mut()
        .find(|joint| joint.router == *router)
    {
        change(joint);
    }
}

fn with_guest(world: &mut World, port: &Port, change: impl FnOnce(&mut Guest)) {
    if let Some(guest) = world.guests.iter_mut().find(|guest| guest.port == *port) {
        change(guest);
    }
}

fn with_balancer(world: &mut World, id: &str, change: impl FnOnce(&mut Balanced)) {
    if let Some(balanced) = world.balancers.iter_mut().find(|b| b.balancer.id == id) {
        change(balanced);
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork(network) => write!(f, "create network {}", network.v4(0)),
            Self::DeleteNetwork(network) => write!(f, "delete network {}", network.v4(0)),
            Self::CreateRouter(router) => write!(f, "create router {}", router.id),
            Self::DeleteRouter(router) => write!(f, "delete router {}", router.id),
            Self::Attach(router, network) => write!(f, "attach {} to {}", network.v4(0), router.id),
            Self::Detach(router, network) => {
                write!(f, "detach {} from {}", network.v4(0), router.id)
            }
            Self::SetGateway(router, gateway) => write!(
                f,
                "gateway {} of {}, SNAT {}",
                gateway.network.v4(gateway.host),
                router.id,
                gateway.snat
            ),
            Self::ClearGateway(router) => write!(f, "no gateway of {}", router.id),
            Self::PreferGateways(nodes) => write!(f, "prefer gateways on {nodes:?}"),
            Self::Boot(port, node) => write!(f, "boot {} on {node}", port.v4()),
            Self::Delete(port, fip_first) => {
                write!(f, "delete {}, floating IP first: {fip_first}", port.v4())
            }
            Self::Plug(port) => write!(f, "plug {}", port.v4()),
            Self::Unplug(port) => write!(f, "unplug {}", port.v4()),
            Self::Enable(port, enabled) => write!(f, "enable {}: {enabled}", port.v4()),
            Self::Migrate(port, node) => write!(f, "migrate {} to {node}", port.v4()),
            Self::Associate(fip, port) => write!(f, "{} to {}", fip.address, port.v4()),
            Self::MoveFip(from, to) => write!(f, "the floating IP of {} to {}", from.v4(), to.v4()),
            Self::Disassociate(port) => write!(f, "no floating IP of {}", port.v4()),
            Self::CreateBalancer(balancer, _) => {
                write!(f, "create load balancer {}", balancer.vip.v4())
            }
            Self::EnableBalancer(id, enabled) => write!(f, "enable load balancer {id}: {enabled}"),
            Self::ExposeBalancer(id, fip) => write!(f, "{} to load balancer {id}", fip.address),
            Self::WithdrawBalancer(id) => write!(f, "no floating IP of load balancer {id}"),
            Self::DeleteBalancer(id) => write!(f, "delete load balancer {id}"),
            Self::Forward(row) => write!(
                f,
                "forward {} of {} to {}",
                row.protocol, row.fip.address, row.target
            ),
            Self::StopForwarding(row) => {
                write!(f, "stop forwarding {} of {}", row.protocol, row.fip.address)
            }
            Self::CreateVirtual(port, parents) => {
                let parents: Vec<_> = parents.iter().map(Port::v4).collect();
                write!(
                    f,
                    "create virtual port {} of {}",
                    port.v4(),
                    parents.join(", ")
                )
            }
            Self::Take(port, by) => write!(f, "{} takes {}", by.v4(), port.v4()),
            Self::DeleteVirtual(port) => write!(f, "delete virtual port {}", port.v4()),
            Self::Rescope(network, within) => write!(f, "{} in scope: {within:?}", network.v4(0)),
            Self::KillController(node) => write!(f, "kill ovn-controller of {node}"),
            Self::StopController(node) => write!(f, "stop ovn-controller of {node}"),
            Self::KillAgent(node) => write!(f, "kill the agent of {node}"),
            Self::StopAgent(node) => write!(f, "stop the agent of {node}"),
            Self::StopNorthd => write!(f, "stop northd"),
            Self::RestartNorthbound => write!(f, "restart Northbound"),
            Self::RestartSouthbound => write!(f, "restart Southbound"),
        }
    }
}
