use std::sync::Arc;

use netlink_packet_route::link::{LinkAttribute, LinkFlags};

use super::*;

const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);

fn eth1(index: u32, name: &str, flags: LinkFlags) -> RouteNetlinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = flags;
    link.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 0xa]),
    ];
    RouteNetlinkMessage::NewLink(link)
}

fn address(index: u32, address: Ipv6Addr, flags: AddressFlags) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.family = AddressFamily::Inet6;
    message.attributes = vec![
        AddressAttribute::Address(address.into()),
        AddressAttribute::Flags(flags),
    ];
    message
}

fn new(index: u32, local: Ipv6Addr, flags: AddressFlags) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewAddress(address(index, local, flags))
}

fn running() -> LinkFlags {
    LinkFlags::Up | LinkFlags::LowerUp
}

fn ready(index: u32) -> Link {
    Link::Ready {
        index,
        local: LOCAL,
        link_address: Some([2, 0, 0, 0, 0, 0xa]),
    }
}

fn after(history: &[RouteNetlinkMessage]) -> Link {
    let mut links = Links::default();
    history.iter().for_each(|object| links.handle(object));
    links.link("eth1")
}

#[test]
fn a_link_is_ready_when_it_is_up_and_its_address_is_settled() {
    let tentative = AddressFlags::Tentative | AddressFlags::Permanent;
    let settled = AddressFlags::Permanent;
    assert_eq!(after(&[]), Link::Missing);
    let up = eth1(3, "eth1", running());
    let duplicate = false;
    assert_eq!(
        after(std::slice::from_ref(&up)),
        Link::NoAddress { duplicate }
    );
    let pending = new(3, LOCAL, tentative);
    assert_eq!(
        after(&[up.clone(), pending.clone()]),
        Link::NoAddress { duplicate }
    );
    let settled = new(3, LOCAL, settled);
    assert_eq!(after(&[up.clone(), pending, settled.clone()]), ready(3));
    for flags in [LinkFlags::empty(), LinkFlags::Up, LinkFlags::LowerUp] {
        let down = eth1(3, "eth1", flags);
        assert_eq!(after(&[up.clone(), settled.clone(), down]), Link::Down);
    }
}

#[test]
fn an_optimistic_address_may_be_used() {
    let flags = AddressFlags::Tentative | AddressFlags::Optimistic;
    let history = [eth1(3, "eth1", running()), new(3, LOCAL, flags)];
    assert_eq!(after(&history), ready(3));
}

#[test]
fn an_address_of_another_node_is_named_as_such() {
    let flags = AddressFlags::Tentative | AddressFlags::Dadfailed;
    let history = [eth1(3, "eth1", running()), new(3, LOCAL, flags)];
    assert_eq!(after(&history), Link::NoAddress { duplicate: true });
}

#[test]
fn global_addresses_do_not_count() {
    let global = "2001:db8::1".parse().unwrap();
    let history = [
        eth1(3, "eth1", running()),
        new(3, global, AddressFlags::Permanent),
    ];
    assert_eq!(after(&history), Link::NoAddress { duplicate: false });
}

#[test]
fn an_interface_made_again_or_renamed_is_another() {
    let settled = |index| new(index, LOCAL, AddressFlags::Permanent);
    let mut gone = LinkMessage::default();
    gone.header.index = 3;
    gone.attributes = vec![LinkAttribute::IfName("eth1".to_owned())];
    let mut history = vec![eth1(3, "eth1", running()), settled(3)];
    history.push(RouteNetlinkMessage::DelLink(gone));
    assert_eq!(after(&history), Link::Missing);
    history.extend([eth1(4, "eth1", running()), settled(4)]);
    assert_eq!(after(&history), ready(4));
    history.push(eth1(4, "uplink", running()));
    assert_eq!(after(&history), Link::Missing);
}

#[test]
fn an_address_that_goes_is_gone() {
    let mut links = Links::default();
    links.handle(&eth1(3, "eth1", running()));
    links.handle(&new(3, LOCAL, AddressFlags::Permanent));
    let gone = address(3, LOCAL, AddressFlags::Permanent);
    links.handle(&RouteNetlinkMessage::DelAddress(gone));
    assert_eq!(links.link("eth1"), Link::NoAddress { duplicate: false });
}

#[test]
fn the_kernel_is_followed() {
    let Ok(namespace) = interop::Namespace::new("links") else {
        return interop::requirement::skip("no network namespaces");
    };
    let (links, mut seen) = watch::channel(Links::default());
    let name: Arc<str> = "eth1".into();
    let follower = namespace.path();
    let thread = std::thread::spawn(move || {
        let file = std::fs::File::open(follower).unwrap();
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = follow(links.clone()) => {}
                () = links.closed() => {}
            }
        });
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut wait = |wanted: fn(Link) -> bool| {
        let waited = seen.wait_for(|links| wanted(links.link(&name)));
        let waited = async { tokio::time::timeout(interop::PATIENCE, waited).await };
        runtime.block_on(waited).expect("in time").unwrap();
    };
    namespace
        .ip("link add eth1 type veth peer name far")
        .unwrap();
    wait(|link| link == Link::Down);
    namespace.ip("link set far up").unwrap();
    namespace.ip("link set eth1 up").unwrap();
    wait(|link| matches!(link, Link::Ready { .. }));
    namespace.ip("link set far down").unwrap();
    wait(|link| link == Link::Down);
    namespace.ip("link delete eth1").unwrap();
    wait(|link| link == Link::Missing);
    drop(seen);
    thread.join().unwrap();
}
