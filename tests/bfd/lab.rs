//! Our BFD in one namespace, a router in another; between them a switch that can fail without a word.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use interop::netns::{Cable, Namespace};
use interop::{Generation, PATIENCE, Place, wait_until};
use ovn_bgp_agent::bfd::{
    Bfd, Change, Event, Events, SessionConfig, SessionKey, SessionSnapshot, Snapshot,
};

pub(crate) const OURS_V4: &str = "10.9.0.1";
pub(crate) const THEIRS_V4: &str = "10.9.0.2";
pub(crate) const OURS_V6: &str = "fd00:9::1";
pub(crate) const THEIRS_V6: &str = "fd00:9::2";
pub(crate) const OURS_LINK: &str = "fe80::1";
pub(crate) const THEIRS_LINK: &str = "fe80::2";
/// Addresses that are a hop away from each other: on the loopbacks.
pub(crate) const OURS_FAR: &str = "10.99.0.1";
pub(crate) const THEIRS_FAR: &str = "10.99.0.2";

pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ours: Namespace,
    pub(crate) theirs: Namespace,
    cable: Cable,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let ours = Namespace::new("bfd-us").unwrap();
        let theirs = Namespace::new("bfd-peer").unwrap();
        let cable = Cable::new((&ours, "eth0"), (&theirs, "eth0")).unwrap();
        for (namespace, addresses, far, via) in [
            (
                &ours,
                [OURS_V4, OURS_V6, OURS_LINK],
                [OURS_FAR, THEIRS_FAR],
                THEIRS_V4,
            ),
            (
                &theirs,
                [THEIRS_V4, THEIRS_V6, THEIRS_LINK],
                [THEIRS_FAR, OURS_FAR],
                OURS_V4,
            ),
        ] {
            for address in addresses {
                let length = if address.contains(':') { 64 } else { 24 };
                namespace
                    .address("eth0", &format!("{address}/{length}"))
                    .unwrap();
            }
            namespace.address("lo", &format!("{}/32", far[0])).unwrap();
            namespace
                .ip(&format!("route add {}/32 via {via} src {}", far[1], far[0]))
                .unwrap();
        }
        Self {
            dir: interop::scratch().unwrap(),
            ours,
            theirs,
            cable,
        }
    }

    pub(crate) fn place(&self, generation: Generation) -> Place {
        Place::inside(&self.theirs).with(generation)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("peer")
    }

    /// From now on no frame gets through, and nobody's link goes down.
    pub(crate) fn cut(&self) {
        self.cable.cut().unwrap();
    }

    pub(crate) fn mend(&self) {
        self.cable.mend().unwrap();
    }

    pub(crate) fn start(&self) -> Ours {
        Ours::start(&self.ours)
    }
}

/// Our side.
pub(crate) struct Ours {
    pub(crate) bfd: Bfd,
    events: Events,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    pub(crate) fn start(namespace: &Namespace) -> Self {
        let (bfd, events) = namespace.inside(Bfd::spawn).unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self {
            bfd,
            events,
            runtime,
        }
    }

    pub(crate) fn add(&self, key: &SessionKey, config: SessionConfig) {
        self.bfd.add(key.clone(), config).unwrap();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.runtime.block_on(self.bfd.snapshot()).unwrap()
    }

    /// The one session there is.
    pub(crate) fn session(&self) -> SessionSnapshot {
        let mut peers = self.snapshot().peers;
        assert_eq!(peers.len(), 1, "{peers:#?}");
        peers.remove(0)
    }

    pub(crate) fn status(&self) -> String {
        self.session().status
    }

    pub(crate) fn wait_up(&self) {
        let up = wait_until(PATIENCE, "up", || self.status() == "up");
        assert!(up.is_ok(), "{:#?}", self.snapshot());
    }

    /// The next change that fits, with the time it was noticed.
    pub(crate) fn next_change(&mut self, fits: impl Fn(&Change) -> bool) -> Change {
        let Self {
            events, runtime, ..
        } = self;
        let told = async {
            loop {
                match events.recv().await.expect("the thread runs") {
                    Event::Changed(change) if fits(&change) => return change,
                    _ => {}
                }
            }
        };
        let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, told).await });
        found.expect("a change")
    }

    /// What was told so far.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv()).collect()
    }

    pub(crate) fn shutdown(self) {
        self.runtime.block_on(self.bfd.shutdown()).unwrap();
    }
}

pub(crate) fn every(millis: u64) -> SessionConfig {
    SessionConfig::every(Duration::from_millis(millis), 3)
}

pub(crate) fn single_hop(remote: &str) -> SessionKey {
    SessionKey::single_hop(remote.parse().unwrap())
}

/// `since` was just after the failure, which took processes a moment to make: the detection time began before.
pub(crate) fn assert_within(change: &Change, since: Instant, detection: Duration) {
    let took = change.at.saturating_duration_since(since);
    // What the kernel may take to wake a thread on a busy machine is no fault of the protocol's.
    assert!(took < detection + Duration::from_millis(150), "{took:?}");
}
