//! One FRR in a namespace, and a vtysh that keeps a list of what it was asked.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use interop::frr::Frr;
use interop::netns::connect;
use interop::requirement::is_met;
use interop::{Generation, Namespace, Need, Place, scratch};
use ovn_bgp_agent::advertise::frr::{Leaking, Redistribute, Settings, Upkeep, Vtysh, Wanted};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

pub(crate) const HOURLY: Duration = Duration::from_secs(3600);

/// Of a node whose FRR carries its sessions.
pub(crate) const FRR_CONFIG: &str = "\
router bgp 64999
 bgp router-id 172.30.1.1
 no bgp default ipv4-unicast
 neighbor 100.65.1.1 remote-as internal
 address-family ipv4 unicast
  redistribute connected
  neighbor 100.65.1.1 activate
 exit-address-family
";

pub(crate) fn leaking() -> Wanted {
    Wanted::Leak(Leaking {
        asn: 64999,
        vrf: "bgp-vrf".into(),
        redistribute: Redistribute {
            connected: true,
            kernel: false,
        },
        attributes: None,
    })
}

pub(crate) struct Lab {
    runtime: Arc<Runtime>,
    /// Ends the thread that drives the runtime.
    _end: oneshot::Sender<()>,
    place: Place,
    pub(crate) node: Namespace,
    pub(crate) leaf: Namespace,
    pub(crate) dir: tempfile::TempDir,
}

impl Lab {
    /// `None`, with a word about it, where this machine lacks what it needs.
    pub(crate) fn new(generation: Generation) -> Option<Self> {
        let needs = match generation {
            Generation::Bookworm => [Need::Root, Need::Program("/usr/lib/frr/bgpd")],
            Generation::Trixie => [Need::Root, Need::Trixie],
        };
        if !is_met(&needs) {
            return None;
        }
        let node = Namespace::new("node").unwrap();
        let leaf = Namespace::new("leaf").unwrap();
        connect((&node, "up0"), (&leaf, "down0")).unwrap();
        node.address("up0", "100.65.1.2/30").unwrap();
        leaf.address("down0", "100.65.1.1/30").unwrap();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.unwrap());
        let (end, ended) = oneshot::channel();
        let driven = Arc::clone(&runtime);
        std::thread::spawn(move || driven.block_on(ended));
        let dir = scratch().unwrap();
        let frr = dir.path().join("frr");
        std::fs::create_dir_all(&frr).unwrap();
        let mut place = Place::inside(&node).with(generation);
        if generation == Generation::Trixie {
            // mgmtd and its clients meet there, whatever they are told of their sockets.
            place = place.mount(&frr, "/run/frr");
        }
        let lab = Self {
            runtime,
            _end: end,
            place,
            node,
            leaf,
            dir,
        };
        lab.write_vtysh();
        Some(lab)
    }

    fn frr_dir(&self) -> PathBuf {
        self.dir.path().join("frr")
    }

    pub(crate) fn start(&self, config: &str) -> Frr {
        Frr::start_daemons(&self.place, &self.frr_dir(), config, &["zebra", "bgpd"]).unwrap()
    }

    /// With all that EVPN needs: from FRR 10.1 on, mgmtd has the configuration of VRFs and interfaces.
    pub(crate) fn start_evpn(&self, config: &str) -> Frr {
        let daemons: &[&str] = match self.place.generation() {
            Generation::Bookworm => &["zebra", "bgpd"],
            Generation::Trixie => &["mgmtd", "zebra", "bgpd"],
        };
        Frr::start_daemons(&self.place, &self.frr_dir(), config, daemons).unwrap()
    }

    /// With a VRF that is a namespace: this kernel has no other.
    pub(crate) fn start_in_vrf(&self, config: &str, vrf: (&str, &Namespace)) -> Frr {
        Frr::start_with_namespaces(&self.place, &self.frr_dir(), config, &[vrf]).unwrap()
    }

    /// The generation's vtysh, which first notes its arguments, and once leaves out a command ([`Self::forget`]).
    fn write_vtysh(&self) {
        let command = self.place.command("vtysh").unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")))
            .collect();
        let text = format!(
            r#"#!/bin/bash
cd {}
echo "$*" >> asked
if [ -e forget ]; then
  forgotten=$(cat forget) words=()
  for word in "$@"; do
    # with the -c before it
    if [ "$word" = "$forgotten" ]; then unset 'words[-1]'; rm -f forget; else words+=("$word"); fi
  done
  set -- "${{words[@]}}"
fi
exec {} "$@"
"#,
            self.dir.path().display(),
            quoted.join(" ")
        );
        let program = self.dir.path().join("vtysh");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// The next conversation that has this command is without it, and nobody is told.
    pub(crate) fn forget(&self, command: &str) {
        std::fs::write(self.dir.path().join("forget"), command).unwrap();
    }

    /// A file that is no program.
    pub(crate) fn plain_file(&self) -> PathBuf {
        let file = self.dir.path().join("plain");
        std::fs::write(&file, "").unwrap();
        file
    }

    pub(crate) fn vtysh(&self) -> Vtysh {
        Vtysh {
            program: self.dir.path().join("vtysh"),
            sockets: self.frr_dir(),
        }
    }

    pub(crate) fn settings(&self, wanted: Wanted, interval: Duration) -> Settings {
        Settings {
            wanted,
            tenants: None,
            vtysh: self.vtysh(),
            router_id: None,
            interval,
        }
    }

    pub(crate) fn keep(&self, wanted: Wanted, interval: Duration) -> Upkeep {
        self.spawn(self.settings(wanted, interval))
    }

    pub(crate) fn spawn(&self, settings: Settings) -> Upkeep {
        let _inside = self.runtime.enter();
        Upkeep::spawn(settings)
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn conversations(&self, with: &str) -> usize {
        let text = std::fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default();
        text.lines().filter(|line| line.contains(with)).count()
    }

    /// How often FRR was asked anything.
    pub(crate) fn asked(&self) -> usize {
        self.conversations("")
    }

    /// How often FRR was told anything.
    pub(crate) fn told(&self) -> usize {
        self.conversations("configure terminal")
    }
}
