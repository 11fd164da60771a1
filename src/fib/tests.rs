//! The table against a kernel that is a map.

mod laws;
mod lessons;
mod next_hops;
mod places;
mod routers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::wire::{Family, NextHop, PathAttributes, RouterId};
use bgp::{LearnedPath, PathSource, PrefixList, PrefixRule};
use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteMessage, RouteProtocol, RouteScope};

use super::connected;
use super::message::{self, Put};
use super::observe::Dump;
use super::route::{Hop, KernelRoute, PROTOCOL, Place};
use super::settings::Settings;
use super::snapshot::{RouteState, Snapshot};
use super::table::{Step, Table};
use crate::kernel::connection::Refusal;
use crate::peering::LearnedNews;
use crate::reconcile::object::TableId;

const STATIC: u8 = libc::RTPROT_STATIC;
const KERNEL: u8 = libc::RTPROT_KERNEL;
const DEFAULT: &str = "0.0.0.0/0";
const DEFAULT6: &str = "::/0";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Everything is imported.
pub(super) fn all() -> PrefixList {
    let any = [net(DEFAULT), net(DEFAULT6)].map(|prefix| PrefixRule {
        permit: true,
        prefix,
        ge: Some(0),
        le: None,
    });
    PrefixList {
        name: "all".into(),
        rules: any.into(),
    }
}

fn hop(via: &str, link: u32) -> Hop {
    Hop {
        via: Some(ip(via)),
        link,
        onlink: false,
    }
}

fn next_hop(text: &str) -> NextHop {
    match ip(text) {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// A path to `next_hop`, over a session on `link` where that is given.
fn path(next_hop: NextHop, link: Option<&str>) -> LearnedPath {
    let source = PathSource {
        peer: "leaf".into(),
        address: ip("192.0.2.254"),
        link: link.map(Arc::from),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 254)),
        external: true,
    };
    LearnedPath::new(
        Arc::new(source),
        next_hop,
        Arc::new(PathAttributes::default()),
    )
}

/// A kernel in which eth1 has 10.1.0.1/24 and fd00:1::1/64, eth2 the same with a 2.
struct Kernel {
    links: BTreeMap<u32, (String, bool)>,
    addresses: Vec<(u32, IpNet)>,
    /// With the protocol and the metric.
    routes: BTreeMap<(IpNet, u32), (u8, KernelRoute)>,
}

impl Kernel {
    fn new() -> Self {
        let mut this = Self {
            links: BTreeMap::from([(1, ("lo".to_owned(), true))]),
            addresses: vec![(1, net("127.0.0.1/8")), (1, net("192.0.2.77/32"))],
            routes: BTreeMap::new(),
        };
        for n in 1..=2 {
            let link = n + 1;
            this.links.insert(link, (format!("eth{n}"), true));
            for (address, metric) in [
                (format!("10.{n}.0.1/24"), 0),
                (format!("fd00:{n}::1/64"), 256),
            ] {
                this.addresses.push((link, net(&address)));
                let connected = Hop {
                    via: None,
                    link,
                    onlink: false,
                };
                let route = KernelRoute::new(vec![connected], None);
                this.routes
                    .insert((net(&address).trunc(), metric), (KERNEL, route));
            }
        }
        this
    }

    fn link(&self, index: u32) -> LinkMessage {
        let (name, up) = &self.links[&index];
        let mut message = LinkMessage::default();
        message.header.index = index;
        if *up {
            message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        }
        message.attributes = vec![LinkAttribute::IfName(name.clone())];
        message
    }

    fn dump(&self, place: Place) -> Dump {
        let mut dump = Dump::new(place);
        for message in self.messages(254) {
            dump.take(&message);
        }
        dump
    }

    /// Everything, with these routes in this table.
    fn messages(&self, table: TableId) -> Vec<RouteNetlinkMessage> {
        let links = self.links.keys();
        let links = links.map(|index| RouteNetlinkMessage::NewLink(self.link(*index)));
        let addresses = self.addresses.iter();
        let addresses =
            addresses.map(|(index, net)| RouteNetlinkMessage::NewAddress(address(*index, *net)));
        let routes = self.routes.iter();
        let routes = routes.map(|((prefix, metric), (protocol, route))| {
            let place = Place {
                table,
                metric: *metric,
            };
            RouteNetlinkMessage::NewRoute(route_message_in(*prefix, place, *protocol, route))
        });
        links.chain(addresses).chain(routes).collect()
    }

    /// Takes steps as the kernel does.
    fn take(&mut self, change: &super::table::Change) -> Result<(), Refusal> {
        let key = (change.prefix, change.place.metric_of(&change.prefix));
        let refuse = |errno| Err(Refusal { errno, text: None });
        match &change.step {
            Step::Put(route, put) => {
                if *put == Put::New && self.routes.contains_key(&key) {
                    return refuse(libc::EEXIST);
                }
                if !route.hops.iter().all(|hop| self.links[&hop.link].1) {
                    return refuse(libc::ENETDOWN);
                }
                let there = self.routes.get(&key).map(|(protocol, _)| *protocol);
                assert!(
                    there.is_none_or(|protocol| protocol == PROTOCOL),
                    "a route of others is overwritten"
                );
                self.routes
                    .insert(key, (PROTOCOL, KernelRoute::clone(route)));
                Ok(())
            }
            Step::Remove => match self.routes.get(&key) {
                Some((PROTOCOL, _)) => {
                    self.routes.remove(&key);
                    Ok(())
                }
                _ => refuse(libc::ESRCH),
            },
        }
    }

    fn ours(&self) -> BTreeMap<IpNet, KernelRoute> {
        let ours = self
            .routes
            .iter()
            .filter(|(_, (protocol, _))| *protocol == PROTOCOL);
        ours.map(|((prefix, _), (_, route))| (*prefix, route.clone()))
            .collect()
    }
}

fn address(index: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.attributes = vec![AddressAttribute::Address(net.addr())];
    message
}

fn route_message(prefix: IpNet, metric: u32, protocol: u8, route: &KernelRoute) -> RouteMessage {
    route_message_in(prefix, Place { table: 254, metric }, protocol, route)
}

fn route_message_in(
    prefix: IpNet,
    place: Place,
    protocol: u8,
    route: &KernelRoute,
) -> RouteMessage {
    let RouteNetlinkMessage::NewRoute(mut message) =
        message::put(&prefix, place, route, Put::New).message
    else {
        panic!("a route is put by RTM_NEWROUTE");
    };
    message.header.protocol = RouteProtocol::from(protocol);
    message.header.scope = RouteScope::Universe;
    message
}

/// A table and its kernel.
struct Lab {
    table: Table,
    kernel: Kernel,
    now: Instant,
    steps: usize,
}

impl Lab {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(Kernel::new(), change)
    }

    fn on(kernel: Kernel, change: impl FnOnce(&mut Settings)) -> Self {
        let now = Instant::now();
        let mut settings = Settings {
            import: Some(all()),
            ..Settings::default()
        };
        change(&mut settings);
        let mut table = Table::new(settings, now);
        table.read(kernel.dump(table.place()));
        Self {
            table,
            kernel,
            now,
            steps: 0,
        }
    }

    fn learn(&mut self, prefix: &str, paths: impl IntoIterator<Item = LearnedPath>) {
        let paths: Vec<LearnedPath> = paths.into_iter().collect();
        let paths = (!paths.is_empty()).then(|| Arc::from(paths));
        let mut news = LearnedNews::default();
        news.routes.insert(net(prefix), paths);
        self.table.learn(news);
    }

    fn teach(&mut self, prefix: &str, next_hops: &[&str]) {
        self.learn(
            prefix,
            next_hops.iter().map(|text| path(next_hop(text), None)),
        );
    }

    fn converge(&mut self, family: Family) {
        self.table.learn(LearnedNews {
            converged: vec![family],
            ..LearnedNews::default()
        });
    }

    fn set_link(&mut self, index: u32, up: bool) {
        self.kernel.links.get_mut(&index).unwrap().1 = up;
        if !up {
            // As the kernel does, without a word for IPv4: next hops go, and routes with their last one.
            for (_, route) in self.kernel.routes.values_mut() {
                route.hops.retain(|hop| hop.link != index);
            }
            self.kernel
                .routes
                .retain(|_, (_, route)| !route.hops.is_empty());
        }
        let message = RouteNetlinkMessage::NewLink(self.kernel.link(index));
        self.table.observe(&message);
    }

    fn foreign(&mut self, prefix: &str, metric: u32, protocol: u8, hops: Vec<Hop>) {
        let route = KernelRoute::new(hops, None);
        let message = route_message(net(prefix), metric, protocol, &route);
        self.kernel
            .routes
            .insert((net(prefix), metric), (protocol, route));
        self.table.observe(&RouteNetlinkMessage::NewRoute(message));
    }

    fn remove_foreign(&mut self, prefix: &str, metric: u32) {
        if let Some((protocol, route)) = self.kernel.routes.remove(&(net(prefix), metric)) {
            let message = route_message(net(prefix), metric, protocol, &route);
            self.table.observe(&RouteNetlinkMessage::DelRoute(message));
        }
    }

    fn add_address(&mut self, index: u32, text: &str) {
        self.kernel.addresses.push((index, net(text)));
        let message = address(index, net(text));
        self.table
            .observe(&RouteNetlinkMessage::NewAddress(message));
    }

    fn remove_address(&mut self, index: u32, text: &str) {
        self.kernel
            .addresses
            .retain(|known| *known != (index, net(text)));
        let message = address(index, net(text));
        self.table
            .observe(&RouteNetlinkMessage::DelAddress(message));
    }

    /// Takes all steps, reading again when that is asked for. No step takes away what is wanted.
    fn settle(&mut self) {
        for _ in 0..100 {
            let batch = self.table.next(3);
            for change in &batch {
                self.steps += 1;
                let outcome = self.kernel.take(change);
                self.table.settle(change, outcome);
            }
            if batch.is_empty() && self.table.doubtful {
                self.table.read(self.kernel.dump(self.table.place()));
            } else if batch.is_empty() {
                return;
            }
        }
        panic!("the table does not come to rest: {:?}", self.table);
    }

    fn hops(&self, prefix: &str) -> Vec<Hop> {
        let ours = self.kernel.ours();
        ours.get(&net(prefix))
            .map_or_else(Vec::new, |route| route.hops.clone())
    }

    fn state(&mut self, prefix: &str) -> (RouteState, String) {
        let snapshot = Snapshot::of(&mut self.table);
        let route = snapshot
            .routes
            .into_iter()
            .find(|route| route.prefix == net(prefix));
        let route = route.unwrap();
        let unused = route.unused.first().map(|path| path.reason.clone());
        (route.state, unused.or(route.reason).unwrap_or_default())
    }
}
