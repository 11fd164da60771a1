//! The dumps that fill a [`State`], narrowed in the kernel where it can (strict checking, Linux 4.20).

use std::io;

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, address::AddressMessage};

use super::KernelError;
use super::connection::{Reader, Refusal};
use super::state::{State, Touched};
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::Scope;

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// How often a dump is repeated that changes interrupted; the last one is good enough, because
/// the changes are announced as well.
const ATTEMPTS: usize = 3;

/// Everything in scope. Links come first: the rest is told by them.
pub(super) async fn state(scope: Scope) -> Result<State, KernelError> {
    let reader = &mut Reader::open()?;
    let mut state = State::new(scope);
    fill(reader, &mut state, "interfaces", links()).await?;
    fill(reader, &mut state, "addresses", addresses()).await?;
    let mut tables: Vec<TableId> = state.tables();
    tables.sort_unstable();
    tables.dedup();
    for family in FAMILIES {
        for table in &tables {
            fill(reader, &mut state, "routes", routes(family, *table)).await?;
        }
        fill(reader, &mut state, "rules", rules(family)).await?;
        for index in state.device_indexes() {
            fill(reader, &mut state, "neighbours", neighbours(family, index)).await?;
        }
    }
    for index in state.forwarding_indexes() {
        let entries = neighbours(AddressFamily::Bridge, index);
        fill(reader, &mut state, "forwarding tables", entries).await?;
    }
    fill(reader, &mut state, "proxies", proxies()).await?;
    Ok(state)
}

async fn fill(
    reader: &mut Reader,
    state: &mut State,
    what: &'static str,
    message: RouteNetlinkMessage,
) -> Result<(), KernelError> {
    for attempt in 1.. {
        let mut touched = Touched::default();
        let visit = |object| {
            touched.keys.clear();
            state.handle(&object, &mut touched);
        };
        match reader.dump(message.clone(), visit).await? {
            Ok(()) => break,
            // A table without any route does not exist.
            Err(refusal) if refusal.errno == libc::ENOENT => break,
            // Rules are counted, so a second dump of them would count them twice.
            Err(refusal) if refusal.errno == libc::EINTR && what != "rules" => {
                if attempt >= ATTEMPTS {
                    break;
                }
            }
            Err(Refusal { errno, text }) => {
                return Err(KernelError::Dump {
                    what,
                    error: io::Error::from_raw_os_error(errno),
                    text,
                });
            }
        }
    }
    Ok(())
}

fn links() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    let mask = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
    message.attributes = vec![mask];
    RouteNetlinkMessage::GetLink(message)
}

fn addresses() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

fn routes(family: AddressFamily, table: TableId) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.attributes = vec![RouteAttribute::Table(table)];
    RouteNetlinkMessage::GetRoute(message)
}

fn rules(family: AddressFamily) -> RouteNetlinkMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    RouteNetlinkMessage::GetRule(message)
}

fn neighbours(family: AddressFamily, index: u32) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    message.attributes = vec![NeighbourAttribute::IfIndex(index)];
    RouteNetlinkMessage::GetNeighbour(message)
}

fn proxies() -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.flags = NeighbourFlags::Proxy;
    RouteNetlinkMessage::GetNeighbour(message)
}
