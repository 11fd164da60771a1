use bgp::wire::{Family, Message, RefreshSubtype, RouteRefresh};

use ipnet::IpNet;

use crate::pair::{host, net};
use crate::raw_peer::RawPeer;

fn request(family: Family) -> Message {
    Message::RouteRefresh(RouteRefresh {
        family,
        subtype: RefreshSubtype::Request,
    })
}

#[test]
fn a_refresh_brings_every_route_of_the_family_again() {
    let mut raw = RawPeer::established(|_| {});
    let v6 = net("2001:db8:7::1/128");
    raw.speaker
        .originate([host(1), host(2), v6].map(bgp::Route::new), raw.now);
    raw.drain();
    raw.received();
    raw.send(&request(Family::IPV4_UNICAST));
    let again: Vec<IpNet> = raw
        .received()
        .iter()
        .flat_map(|message| match message {
            Message::Update(update) => update
                .update
                .nlri
                .iter()
                .map(|nlri| nlri.prefix)
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(again, [host(1), host(2)]);
}

#[test]
fn a_refresh_of_a_family_not_negotiated_is_ignored() {
    let mut raw = RawPeer::established(|_| {});
    raw.send(&request(Family::L2VPN_EVPN));
    assert!(raw.received().is_empty());
    assert_eq!(raw.state(), bgp::State::Established);
}
