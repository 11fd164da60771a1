//! The node's interfaces as the kernel announces them: which are up, and which link-local address they have.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use bgp::discovery::Link;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::MulticastGroup;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::kernel::connection::{Announcements, Reader};
use crate::kernel::socket::Interest;
use crate::kernel::{KernelError, LinkFacts, message};

/// What is listened for.
const GROUPS: [MulticastGroup; 2] = [MulticastGroup::Link, MulticastGroup::Ipv6Ifaddr];

/// After an error of netlink's, before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// All interfaces, by the kernel's number.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Links(BTreeMap<u32, Interface>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    facts: LinkFacts,
    mtu: Option<u32>,
    addresses: Vec<LinkLocal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LinkLocal {
    address: Ipv6Addr,
    /// Duplicate address detection has not ended (RFC 4862 §5.4).
    tentative: bool,
    /// It has, badly.
    duplicate: bool,
}

impl Links {
    /// The interface of that name, with whichever link-local address it has.
    pub(crate) fn link(&self, name: &str) -> Link {
        self.link_where(name, |_| true)
    }

    /// The interface of that name, with this link-local address or none.
    pub(crate) fn link_with(&self, name: &str, local: Ipv6Addr) -> Link {
        self.link_where(name, |address| address == local)
    }

    /// The MTU of the interface of that name.
    pub(crate) fn mtu(&self, name: &str) -> Option<u32> {
        self.interface(name)?.mtu
    }

    fn interface(&self, name: &str) -> Option<&Interface> {
        let mut interfaces = self.0.values();
        interfaces.find(|interface| &*interface.facts.name == name)
    }

    fn link_where(&self, name: &str, fits: impl Fn(Ipv6Addr) -> bool) -> Link {
        let Some(interface) = self.interface(name) else {
            return Link::Missing;
        };
        if !(interface.facts.up && interface.facts.carrier) {
            return Link::Down;
        }
        let fitting = || {
            interface
                .addresses
                .iter()
                .filter(|known| fits(known.address))
        };
        match fitting().find(|address| !address.tentative && !address.duplicate) {
            Some(found) => Link::Ready {
                index: interface.facts.index,
                local: found.address,
                link_address: interface.facts.mac.map(|mac| mac.0),
            },
            None => Link::NoAddress {
                duplicate: fitting().any(|address| address.duplicate),
            },
        }
    }

    /// Takes in what was dumped or announced.
    fn handle(&mut self, object: &RouteNetlinkMessage) {
        match object {
            RouteNetlinkMessage::NewLink(link) => self.set_link(link),
            // A port that leaves its bridge is announced as deleted, in the bridge's family.
            RouteNetlinkMessage::DelLink(link) if message::link(link).is_some() => {
                self.0.remove(&link.header.index);
            }
            RouteNetlinkMessage::NewAddress(address) => self.set_address(address, true),
            RouteNetlinkMessage::DelAddress(address) => self.set_address(address, false),
            _ => {}
        }
    }

    fn set_link(&mut self, message: &LinkMessage) {
        let Some(facts) = message::link(message) else {
            return;
        };
        let mtu = message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                LinkAttribute::Mtu(mtu) => Some(*mtu),
                _ => None,
            });
        let known = self.0.remove(&facts.index);
        let interface = Interface {
            mtu: mtu.or_else(|| known.as_ref()?.mtu),
            addresses: known.map_or_else(Vec::new, |known| known.addresses),
            facts,
        };
        self.0.insert(interface.facts.index, interface);
    }

    fn set_address(&mut self, message: &AddressMessage, present: bool) {
        let Some(interface) = self.0.get_mut(&message.header.index) else {
            return;
        };
        let Some(local) = link_local(message) else {
            return;
        };
        let known = interface.addresses.iter_mut();
        match known
            .into_iter()
            .find(|known| known.address == local.address)
        {
            Some(known) if present => *known = local,
            None if present => interface.addresses.push(local),
            _ => interface
                .addresses
                .retain(|known| known.address != local.address),
        }
    }
}

fn link_local(message: &AddressMessage) -> Option<LinkLocal> {
    let mut address = None;
    // The header has but eight flags; the attribute, where there is one, has all.
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(IpAddr::V6(found)) => address = Some(*found),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    address
        .filter(Ipv6Addr::is_unicast_link_local)
        .map(|address| LinkLocal {
            address,
            tentative: flags.contains(AddressFlags::Tentative)
                && !flags.contains(AddressFlags::Optimistic),
            duplicate: flags.contains(AddressFlags::Dadfailed),
        })
}

/// The node's interfaces, watched for as long as this lives.
#[derive(Debug)]
pub(crate) struct LinkMonitor {
    links: watch::Receiver<Links>,
    _task: AbortOnDropHandle<()>,
}

impl LinkMonitor {
    /// In the namespace of the calling thread, on its runtime.
    pub(crate) fn start() -> Self {
        let (sender, links) = watch::channel(Links::default());
        let task = tokio::spawn(follow(sender));
        Self {
            links,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The interfaces, and news of them.
    pub(crate) fn links(&self) -> watch::Receiver<Links> {
        self.links.clone()
    }
}

/// Keeps `links` up to date.
async fn follow(links: watch::Sender<Links>) {
    loop {
        // Never Ok.
        let Err(error) = follow_until_error(&links).await;
        tracing::warn!(%error, "the node's interfaces are not known: unnumbered neighbours and router advertisements wait");
        links.send_replace(Links::default());
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow_until_error(
    links: &watch::Sender<Links>,
) -> Result<std::convert::Infallible, KernelError> {
    loop {
        // What changes while it is dumped is announced.
        let mut announcements =
            Announcements::of(&GROUPS, Interest::in_tables(std::iter::empty()))?;
        let dumped = dump().await?;
        links.send_if_modified(|links| {
            let changed = *links != dumped;
            *links = dumped;
            changed
        });
        let mut complete = true;
        while complete {
            let mut objects = Vec::new();
            complete = announcements.receive(|object| objects.push(object)).await?;
            links.send_if_modified(|links| {
                let before = links.clone();
                objects.iter().for_each(|object| links.handle(object));
                *links != before
            });
        }
    }
}

async fn dump() -> Result<Links, KernelError> {
    let mut links = Links::default();
    let mut addresses = AddressMessage::default();
    addresses.header.family = AddressFamily::Inet6;
    let questions = [
        (
            "links",
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
        ),
        ("addresses", RouteNetlinkMessage::GetAddress(addresses)),
    ];
    for (what, question) in questions {
        let mut reader = Reader::open()?;
        let answered = reader
            .dump(question, |object| links.handle(&object))
            .await?;
        answered.map_err(|refusal| KernelError::Dump {
            what,
            error: std::io::Error::from_raw_os_error(refusal.errno),
            text: refusal.text,
        })?;
    }
    Ok(links)
}

#[cfg(test)]
#[path = "links/tests.rs"]
mod tests;
