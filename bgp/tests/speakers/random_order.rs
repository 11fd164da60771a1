//! Whatever the order of events: no panic, and what the peer knows is what was originated.

use std::collections::BTreeSet;
use std::time::Duration;

use bgp::State;
use proptest::prelude::*;

use crate::pair::{A, B, Pair, Setup, host};
use crate::raw_peer::RawPeer;

#[derive(Debug, Clone)]
enum Step {
    Originate(u16),
    Withdraw(u16),
    Pass(u64),
    Stall(bool),
    Mute(bool),
    Listen(bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u16..20).prop_map(Step::Originate),
        8 => (0u16..20).prop_map(Step::Withdraw),
        8 => (0u64..30_000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Stall),
        1 => any::<bool>().prop_map(Step::Mute),
        1 => any::<bool>().prop_map(Step::Listen),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_peer_ends_with_what_is_originated(
        steps in proptest::collection::vec(step(), 0..60),
        chunk in 1usize..100,
    ) {
        let mut pair = Pair::new(Setup::default());
        pair.chunk = chunk;
        let mut model = BTreeSet::new();
        for step in steps {
            match step {
                Step::Originate(number) => {
                    model.insert(host(number));
                    pair.originate(A, [host(number)]);
                }
                Step::Withdraw(number) => {
                    model.remove(&host(number));
                    pair.withdraw(A, [host(number)]);
                }
                Step::Pass(milliseconds) => pair.run(Duration::from_millis(milliseconds)),
                Step::Stall(true) => pair.stalled[A] = true,
                Step::Stall(false) => pair.unstall(A),
                Step::Mute(mute) => pair.mute[B] = mute,
                Step::Listen(listens) => pair.listening[A] = listens,
                Step::Restart => {
                    let config = pair.peer_config(B);
                    pair.replace(B, 65002, config);
                }
            }
        }
        pair.unstall(A);
        pair.mute[B] = false;
        pair.listening = [true; 2];
        pair.run(Duration::from_secs(600));
        prop_assert_eq!(pair.states(), [State::Established; 2]);
        let model: Vec<_> = model.into_iter().collect();
        prop_assert_eq!(pair.learned(B), model.clone());
        let mut sent: Vec<_> = pair.speakers[A].adj_rib_out(pair.peers[A]).map(|(prefix, _)| *prefix).collect();
        sent.sort();
        prop_assert_eq!(sent, model);
    }

    #[test]
    fn no_octets_make_it_panic(
        kinds in proptest::collection::vec((0u8..7, proptest::collection::vec(any::<u8>(), 0..80)), 0..20),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        established in any::<bool>(),
    ) {
        let mut raw = if established { RawPeer::established(|_| {}) } else { RawPeer::connected(|_| {}) };
        for (kind, body) in kinds {
            raw.send_raw(kind, &body);
        }
        raw.send_octets(&noise);
        raw.wait(Duration::from_secs(300));
    }
}
