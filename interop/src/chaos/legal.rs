//! When a change is legal, and the choice of the next one.

use fastrand::Rng;

use super::Tenants;
use super::change::Change;
use super::world::{Balanced, Forwarded, Guest, Joint, World};
use crate::cloud::objects::{Balancer, Fip, Gateway, Network, Port, Router};

/// So many VMs at once.
const GUESTS: usize = 9;
const HOSTS: std::ops::Range<u8> = 10..16;
const FIPS: std::ops::Range<u8> = 150..158;

/// A kind of change: everything of it that is legal now.
type Kind = fn(&World, &mut Rng, usize) -> Vec<Change>;

const KINDS: &[Kind] = &[
    boot, boot, lose, rest, migrate, associate, associate, let_go, networks, routers, gateways,
    balance, unbalance, forward, share, take, rescope, restart,
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
    let is_last_parent = |guest: &Guest| {
        world
            .virtuals
            .iter()
            .any(|v| v.parents == [guest.port.clone()])
    };
    let guests = world.guests.iter();
    let guests = guests.filter(|guest| !is_target(guest) && !is_last_parent(guest));
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
        .filter(|network| world.joint_of(network).is_none() && !world.needs_way(network))
        .filter(|network| !world.has_virtual(network));
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
        let balances = |b: &Balanced| b.router.as_ref() == Some(&router);
        if joint.inside.is_empty()
            && joint.gateway.is_none()
            && !world.balancers.iter().any(balances)
        {
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

/// VIPs are inside, outside before members inside, or outside before one that is outside too.
fn balance(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let mut legal = Vec::new();
    let mut create = |network: &Network, host, members: &[&Port], router: Option<&Router>| {
        if !members.is_empty() && !world.is_taken(network, host) {
            let balancer = Balancer::new(network, host, members);
            legal.push(Change::CreateBalancer(balancer, router.cloned()));
        }
    };
    for joint in &world.joints {
        for network in &joint.inside {
            let members = ports_on(world, network);
            create(network, 200, &members, Some(&joint.router));
            if joint.gateway.is_some() {
                let host = 200 + joint.router.number;
                create(&world.public, host, &members, Some(&joint.router));
            }
        }
    }
    for member in ports_on(world, &world.public) {
        create(&world.public, 205, &[member], None);
    }
    legal
}

fn ports_on<'a>(world: &'a World, network: &Network) -> Vec<&'a Port> {
    let ports = world.guests.iter().map(|guest| &guest.port);
    ports.filter(|port| port.network == *network).collect()
}

/// Virtual ports come and go, with the first VMs of their network for parents.
fn share(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let gone = world
        .virtuals
        .iter()
        .map(|v| Change::DeleteVirtual(v.port.clone()));
    let networks = world.networks.iter().chain([&world.public]);
    let new = networks.filter(|network| !world.is_taken(network, 210));
    let new = new.filter_map(|network| {
        let parents: Vec<_> = ports_on(world, network)
            .into_iter()
            .take(2)
            .cloned()
            .collect();
        let port = Port::again(network, 210, world.born);
        (!parents.is_empty()).then_some(Change::CreateVirtual(port, parents))
    });
    gone.chain(new).collect()
}

/// A parent that is well takes a virtual port, whoever has it.
fn take(world: &World, _: &mut Rng, _: usize) -> Vec<Change> {
    let well = |port: &Port| {
        let mut guests = world.guests.iter();
        guests.any(|guest| guest.port == *port && guest.plugged && guest.enabled)
    };
    let virtuals = world.virtuals.iter();
    virtuals
        .flat_map(|v| {
            let able = v.parents.iter().filter(|parent| well(parent));
            let others = able.filter(|parent| v.taken_by.as_ref() != Some(parent));
            others.map(|parent| Change::Take(v.port.clone(), parent.clone()))
        })
        .collect()
}

/// One subnet of a network goes into or out of the scopes that are exposed.
fn rescope(world: &World, rng: &mut Rng, _: usize) -> Vec<Change> {
    if world.rules.tenants != Tenants::Scopes {
        return Vec::new();
    }
    let networks = world.networks.iter().chain([&world.public]);
    networks
        .map(|network| {
            let mut within = world.in_scope(network);
            let family = usize::from(rng.bool());
            within[family] = !within[family];
            Change::Rescope(network.clone(), within)
        })
        .collect()
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
        Change::KillController(node),
        Change::StopController(node),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::world::Rules;
    use crate::cloud::Driver;

    fn world(tenants: Tenants) -> World {
        let rules = Rules {
            driver: Driver::Northbound,
            tenants,
            nodes: 3,
        };
        World::new(Network::provider(1, "physnet1"), rules)
    }

    /// No change may lead into a world from which none is legal, nor one that cannot be torn down.
    #[test]
    fn thousands_of_changes_are_legal_and_can_be_undone() {
        let mut rng = Rng::with_seed(7);
        let mut world = world(Tenants::Scopes);
        let mut kinds = std::collections::BTreeSet::new();
        for _ in 0..8000 {
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
            for shared in &world.virtuals {
                let there = |port: &Port| world.guests.iter().any(|guest| guest.port == *port);
                assert!(
                    !shared.parents.is_empty() && shared.parents.iter().all(there),
                    "{change}"
                );
            }
        }
        assert_eq!(kinds.len(), 36, "{kinds:?}");
        for change in Change::teardown(&world.clone()) {
            change.apply(&mut world);
        }
        let left = (
            world.guests.len(),
            world.joints.len(),
            world.networks.len(),
            world.balancers.len(),
            world.virtuals.len(),
        );
        assert_eq!(left, (0, 0, 0, 0, 0));
    }

    #[test]
    fn a_seed_gives_the_same_changes() {
        let changes = |seed| {
            let (mut rng, mut world) = (Rng::with_seed(seed), world(Tenants::Hosts));
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
