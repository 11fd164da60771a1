//! One change: what it is, when it is legal, and what it makes of the world.

use std::fmt;

use fastrand::Rng;

use super::world::{Balanced, Forwarded, Guest, Joint, World};
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
    CreateBalancer(Balancer, Router),
    EnableBalancer(String, bool),
    ExposeBalancer(String, Fip),
    WithdrawBalancer(String),
    DeleteBalancer(String),
    Forward(Forwarded),
    StopForwarding(Forwarded),
    /// SIGKILL; it starts again before the next quiet moment.
    KillAgent(usize),
    /// SIGTERM; the same.
    StopAgent(usize),
    /// The same.
    StopNorthd,
    RestartNorthbound,
    RestartSouthbound,
}

/// So many VMs at once.
const GUESTS: usize = 9;
const HOSTS: std::ops::Range<u8> = 10..16;
const FIPS: std::ops::Range<u8> = 150..158;

/// A kind of change: everything of it that is legal now.
type Kind = fn(&World, &mut Rng, usize) -> Vec<Change>;

const KINDS: &[Kind] = &[
    boot, boot, lose, rest, migrate, associate, associate, let_go, networks, routers, gateways,
    balance, unbalance, forward, restart,
];

impl Change {
    /// One of those that are legal now, of a random kind.
    pub(super) fn random(world: &World, rng: &mut Rng, nodes: usize) -> Self {
        loop {
            let kind = KINDS[rng.usize(..KINDS.len())];
            let mut legal = kind(world, rng, nodes);
            if !legal.is_empty() {
                return legal.swap_remove(rng.usize(..legal.len()));
            }
        }
    }

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
            .chain(guests)
            .chain(joints)
            .chain(networks)
            .collect()
    }

    /// Makes it true in the world.
    pub(super) fn apply(&self, world: &mut World) {
        match self {
            Self::CreateNetwork(network) => world.networks.push(network.clone()),
            Self::DeleteNetwork(network) => {
                world.networks.retain(|other| other != network);
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
            Self::Delete(port, _) => world.guests.retain(|guest| guest.port != *port),
            Self::Plug(port) => with_guest(world, port, |guest| guest.plugged = true),
            Self::Unplug(port) => with_guest(world, port, |guest| guest.plugged = false),
            Self::Enable(port, enabled) => {
                with_guest(world, port, |guest| guest.enabled = *enabled)
            }
            Self::Migrate(port, node) => with_guest(world, port, |guest| guest.node = *node),
            Self::Associate(fip, port) => {
                with_guest(world, port, |guest| guest.fip = Some(fip.clone()))
            }
            Self::MoveFip(from, to) => {
                let mut fip = None;
                with_guest(world, from, |guest| fip = guest.fip.take());
                with_guest(world, to, |guest| guest.fip = fip);
            }
            Self::Disassociate(port) => with_guest(world, port, |guest| guest.fip = None),
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
            Self::PreferGateways(_)
            | Self::KillAgent(_)
            | Self::StopAgent(_)
            | Self::StopNorthd
            | Self::RestartNorthbound
            | Self::RestartSouthbound => {}
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

fn boot(world: &World, rng: &mut Rng, nodes: usize) -> Vec<Change> {
    if world.guests.len() >= GUESTS {
        return Vec::new();
    }
    let networks = world.networks.iter().chain([&world.public]);
    networks
        .filter_map(|network| {
            let host = HOSTS.clone().find(|host| !world.is_taken(network, *host))?;
            Some(Change::Boot(
                Port::again(network, host, world.born),
                rng.usize(..nodes),
            ))
        })
        .collect()
}

fn lose(world: &World, rng: &mut Rng, _: usize) -> Vec<Change> {
    // Neutron deletes the port forwardings first
    let is_target = |guest: &Guest| {
        world
            .forwardings
            .iter()
            .any(|f| f.target == guest.port.v4())
    };
    let guests = world.guests.iter().filter(|guest| !is_target(guest));
    guests
        .map(|guest| Change::Delete(guest.port.clone(), rng.bool()))
        .collect()
}

/// What may happen to a VM that stays.
fn rest(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let guests = world.guests.iter();
    guests
        .flat_map(|guest| {
            let port = guest.port.clone();
            let plug = if guest.plugged {
                Change::Unplug(port.clone())
            } else {
                Change::Plug(port.clone())
            };
            // what becomes of the floating IP of a disabled port is for the snapshots to say
            let enable = guest
                .fip
                .is_none()
                .then_some(Change::Enable(port, !guest.enabled));
            [Some(plug), enable].into_iter().flatten()
        })
        .collect()
}

fn migrate(world: &World, _: &mut Rng, nodes: usize) -> Vec<Change> {
    let guests = world
        .guests
        .iter()
        .filter(|guest| guest.plugged && guest.enabled);
    guests
        .flat_map(|guest| {
            (0..nodes)
                .filter(|node| *node != guest.node)
                .map(|node| Change::Migrate(guest.port.clone(), node))
        })
        .collect()
}

fn associate(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let Some(fip) = free_fip(world) else {
        return Vec::new();
    };
    let can = |guest: &&Guest| {
        let way = world.joint_of(&guest.port.network);
        guest.enabled && guest.fip.is_none() && way.is_some_and(|joint| joint.gateway.is_some())
    };
    let able: Vec<_> = world.guests.iter().filter(can).collect();
    let new = able
        .iter()
        .map(|guest| Change::Associate(fip.clone(), guest.port.clone()));
    let holders = world.guests.iter().filter(|guest| guest.fip.is_some());
    let moves = holders.flat_map(|holder| {
        let same_router = |guest: &&&Guest| {
            let routers = [holder, **guest]
                .map(|g| world.joint_of(&g.port.network).map(|joint| &joint.router));
            routers[0] == routers[1]
        };
        able.iter()
            .filter(same_router)
            .map(|guest| Change::MoveFip(holder.port.clone(), guest.port.clone()))
            .collect::<Vec<_>>()
    });
    new.chain(moves).collect()
}

fn let_go(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let holders = world.guests.iter().filter(|guest| guest.fip.is_some());
    holders
        .map(|guest| Change::Disassociate(guest.port.clone()))
        .collect()
}

fn networks(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let all = [
        Network::provider(2, "physnet2"),
        Network::tenant(8),
        Network::tenant(9),
    ];
    let (there, missing): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|network| world.networks.contains(network));
    let free = there
        .into_iter()
        .filter(|network| world.joint_of(network).is_none() && !world.needs_way(network));
    missing
        .into_iter()
        .map(Change::CreateNetwork)
        .chain(free.map(Change::DeleteNetwork))
        .collect()
}

fn routers(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let mut legal = Vec::new();
    for number in [1, 2] {
        let router = Router::new(number);
        let Some(joint) = world.joints.iter().find(|joint| joint.router == router) else {
            legal.push(Change::CreateRouter(router));
            continue;
        };
        if joint.inside.is_empty() && joint.gateway.is_none() {
            legal.push(Change::DeleteRouter(router.clone()));
        }
        let tenants = world
            .networks
            .iter()
            .filter(|network| !network.is_provider());
        for network in tenants {
            if joint.inside.contains(network) && !world.needs_way(network) {
                legal.push(Change::Detach(router.clone(), network.clone()));
            } else if world.joint_of(network).is_none() {
                legal.push(Change::Attach(router.clone(), network.clone()));
            }
        }
    }
    legal
}

fn gateways(world: &World, rng: &mut Rng, nodes: usize) -> Vec<Change> {
    let order = if rng.bool() { [0, 1] } else { [1, 0] };
    let mut legal = Vec::new();
    for joint in &world.joints {
        let router = joint.router.clone();
        if joint.gateway.is_none() {
            legal.push(Change::SetGateway(
                router,
                gateway(world, joint, rng.bool(), order.map(|n| n % nodes)),
            ));
        } else {
            legal.push(Change::PreferGateways(order));
            if !joint.inside.iter().any(|network| world.needs_way(network)) {
                legal.push(Change::ClearGateway(router));
            }
        }
    }
    legal
}

fn gateway(world: &World, joint: &Joint, snat: bool, nodes: [usize; 2]) -> Gateway {
    Gateway {
        network: world.public.clone(),
        host: 40 + joint.router.number + 10 * u8::from(snat),
        chassis: nodes
            .map(|node| crate::cloud::HOSTS[node].1.to_owned())
            .into(),
        snat,
    }
}

fn balance(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let mut legal = Vec::new();
    for joint in &world.joints {
        for network in &joint.inside {
            let members: Vec<_> = world
                .guests
                .iter()
                .filter(|guest| guest.port.network == *network)
                .map(|guest| &guest.port)
                .collect();
            let taken = world.is_taken(network, 200);
            if !members.is_empty() && !taken {
                legal.push(Change::CreateBalancer(
                    Balancer::new(network, 200, &members),
                    joint.router.clone(),
                ));
            }
        }
    }
    legal
}

/// What may happen to a load balancer.
fn unbalance(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let mut legal = Vec::new();
    for balanced in &world.balancers {
        let id = balanced.balancer.id.clone();
        let outside = world
            .joint_of(&balanced.balancer.vip.network)
            .is_some_and(|joint| joint.gateway.is_some());
        match (&balanced.fip, free_fip(world)) {
            (Some(_), _) => legal.push(Change::WithdrawBalancer(id)),
            (None, fip) => {
                let expose = fip.filter(|_| outside && balanced.enabled);
                legal.extend(expose.map(|fip| Change::ExposeBalancer(id.clone(), fip)));
                legal.push(Change::EnableBalancer(id.clone(), !balanced.enabled));
                legal.push(Change::DeleteBalancer(id));
            }
        }
    }
    legal
}

fn forward(world: &World, rng: &mut Rng, _: usize) -> Vec<Change> {
    let stop = world
        .forwardings
        .iter()
        .cloned()
        .map(Change::StopForwarding);
    let mut legal: Vec<_> = stop.collect();
    let protocol = if rng.bool() { "tcp" } else { "udp" };
    for guest in &world.guests {
        let network = &guest.port.network;
        let Some(joint) = world
            .joint_of(network)
            .filter(|joint| joint.gateway.is_some())
        else {
            continue;
        };
        // one that the router has already may be shared by both protocols
        let own = world
            .forwardings
            .iter()
            .filter(|f| f.router == joint.router)
            .map(|f| f.fip.clone());
        for fip in own.chain(free_fip(world)) {
            let row = Forwarded {
                fip,
                protocol,
                router: joint.router.clone(),
                inside: network.clone(),
                target: guest.port.v4(),
            };
            let there = world
                .forwardings
                .iter()
                .any(|f| f.fip == row.fip && f.protocol == protocol);
            if !there {
                legal.push(Change::Forward(row));
            }
        }
    }
    legal
}

fn restart(_: &World, rng: &mut Rng, nodes: usize) -> Vec<Change> {
    let node = rng.usize(..nodes);
    vec![
        Change::KillAgent(node),
        Change::StopAgent(node),
        Change::StopNorthd,
        Change::RestartNorthbound,
        Change::RestartSouthbound,
    ]
}

/// The first floating IP that nothing has: addresses are used again soon.
fn free_fip(world: &World) -> Option<Fip> {
    let mut all = FIPS.map(|host| Fip::new(&world.public, host));
    all.find(|fip| world.fips().all(|other| other != fip))
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
            Self::KillAgent(node) => write!(f, "kill the agent of {node}"),
            Self::StopAgent(node) => write!(f, "stop the agent of {node}"),
            Self::StopNorthd => write!(f, "stop northd"),
            Self::RestartNorthbound => write!(f, "restart Northbound"),
            Self::RestartSouthbound => write!(f, "restart Southbound"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No change may lead into a world from which none is legal, nor one that cannot be torn down.
    #[test]
    fn thousands_of_changes_are_legal_and_can_be_undone() {
        let mut rng = Rng::with_seed(7);
        let mut world = World::new(Network::provider(1, "physnet1"), true);
        let mut kinds = std::collections::BTreeSet::new();
        for _ in 0..5000 {
            let change = Change::random(&world, &mut rng, 3);
            kinds.insert(format!("{change:?}").split('(').next().map(str::to_owned));
            change.apply(&mut world);
            for fip in world.fips() {
                let shared = world.forwardings.iter().filter(|f| f.fip == *fip).count();
                assert_eq!(
                    world.fips().filter(|other| *other == fip).count(),
                    shared.max(1),
                    "{change}"
                );
            }
        }
        assert_eq!(kinds.len(), 30, "{kinds:?}");
        for change in Change::teardown(&world.clone()) {
            change.apply(&mut world);
        }
        let left = (
            world.guests.len(),
            world.joints.len(),
            world.networks.len(),
            world.balancers.len(),
        );
        assert_eq!(left, (0, 0, 0, 0));
    }

    #[test]
    fn a_seed_gives_the_same_changes() {
        let changes = |seed| {
            let (mut rng, mut world) = (
                Rng::with_seed(seed),
                World::new(Network::provider(1, "physnet1"), true),
            );
            let one = |_| {
                let change = Change::random(&world, &mut rng, 3);
                change.apply(&mut world);
                change.to_string()
            };
            (0..100).map(one).collect::<Vec<_>>()
        };
        assert_eq!(changes(3), changes(3));
        assert_ne!(changes(3), changes(4));
    }
}
