//! The dumps that fill a [`State`], narrowed in the kernel where it can (strict checking, Linux 4.20).

use std::io;

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, address::AddressMessage};

use super::KernelError;
use super::request::short_table;
use super::socket::{self, Refusal, Requests};
use super::state::{State, Touched};
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::Scope;

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// How often a dump is repeated that changes interrupted; the last one is good enough, because
/// the changes are announced as well.
const ATTEMPTS: usize = 3;

/// Everything in scope. Links come first: the rest is told by them.
pub(super) async fn state(requests: &mut Requests, scope: Scope) -> Result<State, KernelError> {
    let mut state = State::new(scope);
    fill(requests, &mut state, "interfaces", links()).await?;
    fill(requests, &mut state, "addresses", addresses()).await?;
    let mut tables: Vec<TableId> = state.scope().bridges.values().copied().collect();
    tables.sort_unstable();
    tables.dedup();
    for family in FAMILIES {
        for table in &tables {
            fill(requests, &mut state, "routes", routes(family, *table)).await?;
        }
        fill(requests, &mut state, "rules", rules(family)).await?;
        for index in state.device_indexes() {
            fill(
                requests,
                &mut state,
                "neighbours",
                neighbours(family, index),
            )
            .await?;
        }
    }
    fill(requests, &mut state, "proxies", proxies()).await?;
    Ok(state)
}

async fn fill(
    requests: &mut Requests,
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
        match requests.dump(&message, visit).await? {
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
    message.header.table = short_table(table);
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

/// False for an announcement that cannot concern us, told by its fixed header alone: a node with a
/// full BGP table, or with thousands of neighbours elsewhere, announces many.
pub(super) fn concerns(state: &State, raw: &[u8]) -> bool {
    let Some((kind, body)) = socket::peek(raw) else {
        return false;
    };
    match kind {
        // struct rtmsg: the table is its fifth byte, 252 where it does not fit.
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => body.get(4).is_some_and(|table| {
            let short = |t: &TableId| short_table(*t) == *table;
            state.scope().bridges.values().any(short)
        }),
        // struct ndmsg: the interface is its second word.
        libc::RTM_NEWNEIGH | libc::RTM_DELNEIGH => body
            .get(4..8)
            .and_then(|bytes| bytes.try_into().ok())
            .is_some_and(|bytes| state.is_device_index(u32::from_ne_bytes(bytes))),
        _ => true,
    }
}
