use std::time::Duration;

use bgp::wire::Asn;
use bgp::{Filter, Filters, OtherOrigin, PrefixList, Route, RouteAttributes};

use crate::pair::{A, B, Pair, Setup, host, net};

const SOON: Duration = Duration::from_secs(1);

fn both_originate(asns: [u32; 2]) -> Vec<OtherOrigin> {
    let mut pair = Pair::established(Setup {
        asns,
        configure: |_, config| {
            config.import = Filters::both(Filter::prefixes(PrefixList::default()));
        },
        ..Setup::default()
    });
    pair.originate(A, [host(1), host(2)]);
    pair.originate(B, [host(1)]);
    pair.run(SOON);
    assert!(
        pair.learned(A).is_empty(),
        "the import filter lets nothing in"
    );
    assert_eq!(pair.speakers[A].other_origins(&host(2)).count(), 0);
    pair.speakers[A].other_origins(&host(1)).collect()
}

#[test]
fn another_router_of_our_as_is_told_by_its_identifier_whatever_the_import_filter() {
    let others = both_originate([65001, 65001]);
    let [other] = others.as_slice() else {
        panic!("{others:?}");
    };
    assert_eq!(other.asn, Asn(65001));
    assert!(other.router.is_some());
}

#[test]
fn another_as_is_told_by_its_number() {
    let others = both_originate([65001, 65002]);
    let [other] = others.as_slice() else {
        panic!("{others:?}");
    };
    assert_eq!((other.asn, other.router), (Asn(65002), None));
}

#[test]
fn b169_a_network_that_is_offered_as_such_passes_the_filter_of_host_prefixes_and_no_other() {
    let offered = |configure: fn(usize, &mut bgp::PeerConfig)| {
        let mut pair = Pair::established(Setup {
            configure,
            ..Setup::default()
        });
        let network = Route {
            prefix: net("10.1.0.0/24"),
            attributes: RouteAttributes {
                as_network: true,
                ..RouteAttributes::default()
            }
            .into(),
        };
        let now = pair.now;
        pair.speakers[A].originate([network, Route::new(net("10.2.0.0/24"))], now);
        pair.run(SOON);
        pair.learned(B)
    };
    assert_eq!(offered(|_, _| {}), [net("10.1.0.0/24")]);
    let none = offered(|_, config| {
        config.export = Filters::both(Filter::prefixes(PrefixList::default()));
    });
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn b161_an_explicit_next_hop_is_kept_towards_both_kinds_of_peers() {
    for asns in [[65001, 65001], [65001, 65002]] {
        let mut pair = Pair::established(Setup {
            asns,
            ..Setup::default()
        });
        let route = Route {
            prefix: host(1),
            attributes: RouteAttributes {
                next_hop: Some("10.0.0.99".parse().unwrap()),
                ..RouteAttributes::default()
            }
            .into(),
        };
        let now = pair.now;
        pair.speakers[A].originate([route], now);
        pair.run(SOON);
        let (_, paths) = pair.speakers[B].learned().next().unwrap();
        assert_eq!(paths[0].next_hop.to_string(), "10.0.0.99");
    }
}
