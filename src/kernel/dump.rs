//! The dumps that fill a [`State`], narrowed in the kernel where it can (strict checking, Linux 4.20).

use std::io;

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, address::AddressMessage};

use super::KernelError;
use super::connection::Refusal;
use super::reading::Reading;
use super::said::Said;
use super::state::{State, Touched};
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::Scope;

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// How often a dump is repeated that changes interrupted; the last one is good enough, because
/// the changes are announced as well.
const ATTEMPTS: usize = 3;

/// Reads everything in scope. `known` is what the last reading of `said` came to, if that is still all that is
/// known; `None` when this one says the same.
pub(super) async fn state(
    scope: Scope,
    known: Option<&State>,
    said: &mut Said,
) -> Result<Option<State>, KernelError> {
    let reading = &mut Reading::open()?;
    said.begin();
    fill(reading, said, "interfaces", links()).await?;
    fill(reading, said, "addresses", addresses()).await?;
    // The rest is told by them.
    let there = match known.filter(|_| said.is_same()) {
        Some(known) => There::of(known),
        None => There::of(&filled(scope.clone(), said)),
    };
    let There {
        mut tables,
        indexes,
        forwarding,
    } = there;
    tables.sort_unstable();
    tables.dedup();
    for family in FAMILIES {
        for table in &tables {
            fill(reading, said, "routes", routes(family, *table)).await?;
        }
        fill(reading, said, "rules", rules(family)).await?;
        for index in &indexes {
            fill(reading, said, "neighbours", neighbours(family, *index)).await?;
        }
    }
    for index in forwarding {
        let entries = neighbours(AddressFamily::Bridge, index);
        fill(reading, said, "forwarding tables", entries).await?;
    }
    fill(reading, said, "proxies", proxies()).await?;
    Ok(match known.is_some() && said.is_same() {
        true => None,
        false => Some(filled(scope, said)),
    })
}

/// What interfaces tell of what else is to be read.
struct There {
    tables: Vec<TableId>,
    indexes: Vec<u32>,
    forwarding: Vec<u32>,
}

impl There {
    fn of(state: &State) -> Self {
        Self {
            tables: state.tables(),
            indexes: state.device_indexes(),
            forwarding: state.forwarding_indexes(),
        }
    }
}

fn filled(scope: Scope, said: &Said) -> State {
    let (mut state, mut touched) = (State::new(scope), Touched::default());
    for object in said.objects() {
        touched.keys.clear();
        state.handle(&object, &mut touched);
    }
    state
}

async fn fill(
    reading: &mut Reading,
    said: &mut Said,
    what: &'static str,
    message: RouteNetlinkMessage,
) -> Result<(), KernelError> {
    for attempt in 1.. {
        let visit = |kind, body: &[u8]| said.take(kind, body);
        match reading.dump(message.clone(), visit).await? {
            Ok(()) => break,
            // A table without any route does not exist.
            Err(refusal) if refusal.errno == libc::ENOENT => break,
            Err(refusal) if refusal.errno == libc::EINTR => {
                if attempt >= ATTEMPTS {
                    break;
                }
                said.rewind();
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
    said.end_dump();
    Ok(())
}

/// The interfaces alone.
pub(super) async fn interfaces(scope: Scope) -> Result<State, KernelError> {
    let mut said = Said::default();
    said.begin();
    fill(&mut Reading::open()?, &mut said, "interfaces", links()).await?;
    Ok(filled(scope, &said))
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
