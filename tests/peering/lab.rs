//! Our speaker in one namespace, a router in another, a veth between them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use bgp::wire::Asn;
use bgp::{PeerConfig, RemoteAs, Route};
use interop::netns::{Namespace, connect};
use interop::{PATIENCE, Place, wait_until};
use ovn_bgp_agent::peering::{NeighborSnapshot, Neighbour, Password, Peering, Settings, Snapshot};

pub(crate) const OURS_V4: &str = "10.9.0.1";
pub(crate) const THEIRS_V4: &str = "10.9.0.2";
pub(crate) const OURS_V6: &str = "fd00:9::1";
pub(crate) const THEIRS_V6: &str = "fd00:9::2";
pub(crate) const HOST_V4: &str = "198.51.100.7/32";
pub(crate) const HOST_V6: &str = "2001:db8:7::1/128";

pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ours: Namespace,
    pub(crate) theirs: Namespace,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let (ours, theirs) = (
            Namespace::new("bgp-us").unwrap(),
            Namespace::new("bgp-peer").unwrap(),
        );
        connect((&ours, "eth0"), (&theirs, "eth0")).unwrap();
        for (namespace, v4, v6) in [(&ours, OURS_V4, OURS_V6), (&theirs, THEIRS_V4, THEIRS_V6)] {
            namespace.address("eth0", &format!("{v4}/24")).unwrap();
            namespace.address("eth0", &format!("{v6}/64")).unwrap();
        }
        Self {
            dir: interop::scratch().unwrap(),
            ours,
            theirs,
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place::inside(&self.theirs)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("peer")
    }

    /// Our speaker, AS 65001, with one neighbour at `address`.
    pub(crate) fn speak(
        &self,
        address: &str,
        remote_as: RemoteAs,
        configure: impl FnOnce(&mut Neighbour),
    ) -> Speaker {
        let address: IpAddr = address.parse().unwrap();
        let mut peer = PeerConfig::new("leaf", address, remote_as);
        peer.connect_retry = Duration::from_secs(2);
        let mut neighbour = Neighbour::new(peer);
        configure(&mut neighbour);
        Speaker::start(&self.ours, vec![neighbour])
    }
}

pub(crate) struct Speaker {
    pub(crate) peering: Peering,
    runtime: tokio::runtime::Runtime,
}

impl Speaker {
    /// Our speaker, AS 65001, with these neighbours.
    pub(crate) fn start(namespace: &Namespace, neighbours: Vec<Neighbour>) -> Self {
        let peering = namespace
            .inside(|| Peering::spawn(settings(), neighbours))
            .unwrap()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self { peering, runtime }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.runtime.block_on(self.peering.status()).unwrap()
    }

    pub(crate) fn neighbor(&self) -> NeighborSnapshot {
        self.snapshot().neighbors.remove(0)
    }

    pub(crate) fn wait_established(&self) {
        let up = wait_until(PATIENCE, "established", || {
            self.neighbor().state == "Established"
        });
        assert!(up.is_ok(), "{:#?}", self.neighbor());
    }

    /// What peers taught it.
    pub(crate) fn learned(&self) -> Vec<String> {
        let learned = self.snapshot().learned;
        learned
            .iter()
            .map(|route| route.prefix.to_string())
            .collect()
    }

    pub(crate) fn originate(&self, prefixes: &[&str]) {
        self.peering.originate(
            prefixes
                .iter()
                .map(|prefix| Route::new(prefix.parse().unwrap())),
        );
    }

    pub(crate) fn withdraw(&self, prefix: &str) {
        self.peering.withdraw([prefix.parse().unwrap()]);
    }

    pub(crate) fn set_password(&self, name: &str, password: Option<Password>) {
        let handle = self.peering.handle().unwrap();
        self.runtime
            .block_on(handle.set_password(name, password))
            .unwrap();
    }

    /// A reload to these neighbours.
    pub(crate) fn reconfigure(&self, neighbours: Vec<Neighbour>) {
        let reloaded = self.peering.reconfigure(settings(), neighbours);
        self.runtime.block_on(reloaded).unwrap();
    }

    pub(crate) fn add_neighbour(&self, neighbour: Neighbour) {
        let handle = self.peering.handle().unwrap();
        self.runtime
            .block_on(handle.add_neighbour(neighbour))
            .unwrap();
    }

    pub(crate) fn remove_neighbour(&self, name: &str) {
        let handle = self.peering.handle().unwrap();
        self.runtime
            .block_on(handle.remove_neighbour(name))
            .unwrap();
    }

    pub(crate) fn shutdown(self, words: &str) {
        self.runtime.block_on(self.peering.shutdown(words)).unwrap();
    }
}

fn settings() -> Settings {
    Settings::new(65001, Ipv4Addr::new(10, 9, 0, 1))
}

pub(crate) fn asn(number: u32) -> RemoteAs {
    RemoteAs::Number(Asn(number))
}
