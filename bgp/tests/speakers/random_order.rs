//! Whatever the order of events: no panic, no timer lost, and what the peer knows is what was originated.

use std::collections::BTreeSet;
use std::time::Duration;

use bgp::{Event, State};
use ipnet::IpNet;
use proptest::prelude::*;

use crate::pair::{A, B, Pair, Setup, Side, host};
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
    /// Every TCP connection breaks.
    Cut,
    BfdDown(bool),
    Reset(Side),
    Refresh(Side),
    Shutdown(bool),
    /// The neighbour is on its link, or is not.
    OnLink(bool),
    Drain(bool),
    /// Offered hold time in seconds, and whether messages may be extended.
    Reconfigure(u64, bool),
}

fn route_or_time() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u16..20).prop_map(Step::Originate),
        (0u16..20).prop_map(Step::Withdraw),
        (0u64..30_000).prop_map(Step::Pass),
    ]
}

fn trouble() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::Stall),
        any::<bool>().prop_map(Step::Mute),
        any::<bool>().prop_map(Step::Listen),
        Just(Step::Restart),
        Just(Step::Cut),
        any::<bool>().prop_map(Step::BfdDown),
        (0usize..2).prop_map(Step::Reset),
        (0usize..2).prop_map(Step::Refresh),
        any::<bool>().prop_map(Step::Shutdown),
        any::<bool>().prop_map(Step::OnLink),
        any::<bool>().prop_map(Step::Drain),
        (3u64..90, any::<bool>()).prop_map(|(hold, extended)| Step::Reconfigure(hold, extended)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![2 => route_or_time(), 1 => trouble()]
}

/// Two speakers, and what the first should have told the second.
struct Trial {
    pair: Pair,
    model: BTreeSet<IpNet>,
}

impl Trial {
    fn new(chunk: usize) -> Self {
        let mut pair = Pair::new(Setup::default());
        pair.chunk = chunk;
        Self {
            pair,
            model: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        let pair = &mut self.pair;
        let (now, peer) = (pair.now, pair.peers[A]);
        match step {
            Step::Originate(number) => {
                self.model.insert(host(number));
                pair.originate(A, [host(number)]);
            }
            Step::Withdraw(number) => {
                self.model.remove(&host(number));
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
            Step::Cut => pair.cut(),
            Step::BfdDown(independent) => pair.speakers[A].bfd_down(peer, independent, now),
            Step::Reset(side) => pair.speakers[side].reset(pair.peers[side], "reset", now),
            Step::Refresh(side) => {
                pair.speakers[side].refresh(pair.peers[side], now);
            }
            Step::Shutdown(down) => {
                pair.speakers[A].set_shutdown(peer, down.then(|| "away".into()), now);
            }
            Step::OnLink(there) => {
                let remote = pair.peer_config(A).remote_address.filter(|_| there);
                pair.speakers[A].set_remote(peer, remote, now);
            }
            Step::Drain(true) => pair.speakers[A].drain(now),
            Step::Drain(false) => pair.speakers[A].undrain(now),
            Step::Reconfigure(hold, extended) => {
                let mut config = pair.peer_config(A);
                config.hold_time = Duration::from_secs(hold);
                config.extended_messages = extended;
                pair.speakers[A].reconfigure(peer, config, now);
            }
        }
        self.pair.drain(A);
        self.pair.drain(B);
    }

    /// What holds at any moment.
    fn check(&self) -> Result<(), TestCaseError> {
        let pair = &self.pair;
        for side in [A, B] {
            let status = pair.status(side);
            let waits_for_ever = status.idle.is_some_and(|idle| idle.until().is_none());
            let timeout = pair.timeout(side);
            prop_assert!(
                timeout.is_some() || waits_for_ever || status.state == State::Active,
                "{:?} without a timer",
                status.state
            );
            prop_assert!(pair.unsent_octets(side) < 1 << 20);
            prop_assert_eq!(
                status.negotiated.is_some(),
                status.state == State::Established
            );
            check_order(&pair.events[side])?;
        }
        prop_assert!(pair.connections() <= 2, "one from either side at most");
        Ok(())
    }

    /// All trouble ends, and time passes.
    fn settle(&mut self) {
        for step in [
            Step::Stall(false),
            Step::Mute(false),
            Step::Shutdown(false),
            Step::OnLink(true),
            Step::Drain(false),
        ] {
            self.take(step);
        }
        self.pair.listening = [true; 2];
        self.pair.run(Duration::from_secs(600));
    }
}

/// A session is established once at a time, and ends before it begins again.
fn check_order(events: &[(std::time::Instant, Event)]) -> Result<(), TestCaseError> {
    let mut state = None;
    for (_, event) in events {
        if let Event::StateChanged { from, to, .. } = event {
            prop_assert!(
                state.is_none_or(|state| state == *from),
                "{state:?} to {from}"
            );
            prop_assert_ne!(from, to);
            if *to == State::Established {
                prop_assert_eq!(*from, State::OpenConfirm);
            }
            state = Some(*to);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_peer_ends_with_what_is_originated(
        steps in proptest::collection::vec(step(), 0..60),
        chunk in 1usize..100,
    ) {
        let mut trial = Trial::new(chunk);
        for step in steps {
            if matches!(step, Step::Restart) {
                // Another process: its events begin anew.
                trial.pair.events[B].clear();
            }
            trial.take(step);
            trial.check()?;
        }
        trial.settle();
        trial.check()?;
        let pair = &trial.pair;
        prop_assert_eq!(pair.states(), [State::Established; 2]);
        prop_assert_eq!(pair.connections(), 1);
        let model: Vec<_> = trial.model.iter().copied().collect();
        prop_assert_eq!(pair.learned(B), model.clone());
        prop_assert_eq!(pair.status(B).stale, 0);
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
