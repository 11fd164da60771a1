use std::time::Duration;

use bgp::wire::Asn;
use bgp::{LocalAs, RemoteAs, State};

use crate::pair::{A, B, Pair, Setup};

fn states(asns: [u32; 2], remote_as: [RemoteAs; 2]) -> ([State; 2], Pair) {
    let mut pair = Pair::new(Setup {
        asns,
        remote_as,
        ..Setup::default()
    });
    pair.run(Duration::from_millis(500));
    (pair.states(), pair)
}

#[test]
fn every_way_to_name_the_right_as_works() {
    for (asns, remote_as) in [
        (
            [65001, 65002],
            [RemoteAs::Number(Asn(65002)), RemoteAs::External],
        ),
        (
            [65001, 65001],
            [RemoteAs::Internal, RemoteAs::Number(Asn(65001))],
        ),
        (
            [65001, 4_200_000_000],
            [RemoteAs::Number(Asn(4_200_000_000)), RemoteAs::Auto],
        ),
    ] {
        assert_eq!(
            states(asns, remote_as).0,
            [State::Established; 2],
            "{asns:?}"
        );
    }
}

#[test]
fn the_wrong_as_is_told_so_and_held_off() {
    for (asns, remote_as, words) in [
        (
            [65001, 65002],
            RemoteAs::Number(Asn(65003)),
            "AS 65003 is configured",
        ),
        ([65001, 65002], RemoteAs::Internal, "remote_as is internal"),
        ([65001, 65001], RemoteAs::External, "remote_as is external"),
    ] {
        let (states, pair) = states(asns, [remote_as, RemoteAs::Auto]);
        assert_eq!(states[A], State::Idle);
        let ours = &pair.reasons(A)[0];
        assert!(
            ours.contains("bad peer AS (2/2)") && ours.contains(words),
            "{ours}"
        );
        let theirs = pair.reasons(B);
        let told = theirs
            .iter()
            .any(|reason| reason == "peer sent NOTIFICATION OPEN message error, bad peer AS (2/2)");
        assert!(told, "{theirs:?}");
    }
}

#[test]
fn local_as_is_what_the_peer_sees() {
    let setup = Setup {
        remote_as: [RemoteAs::Auto, RemoteAs::Number(Asn(65099))],
        configure: |side, config| {
            config.local_as = (side == A).then_some(LocalAs {
                asn: Asn(65099),
                prepend_received: true,
                replace: true,
            })
        },
        ..Setup::default()
    };
    let pair = Pair::established(setup);
    assert_eq!(pair.status(B).negotiated.unwrap().remote_as, Asn(65099));
}
