//! `ovn-bgp-agent speaker` in one namespace, FRR in another, a veth between them.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use interop::frr::Frr;
use interop::netns::{Namespace, connect};
use interop::{Daemon, Need, PATIENCE, Place, wait_until};
use serde_json::Value;

pub(crate) const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");
pub(crate) const OURS: &str = "10.9.0.1";
pub(crate) const THEIRS: &str = "10.9.0.2";
pub(crate) const METRICS: &str = "127.0.0.1:9469";

pub(crate) struct Lab {
    speaker: Option<Daemon>,
    pub(crate) frr: Frr,
    ours: Namespace,
    _theirs: Namespace,
    config: PathBuf,
    pub(crate) dir: tempfile::TempDir,
    starts: u32,
}

impl Lab {
    /// Our speaker in AS 65001, FRR in AS `asn`, the session up.
    pub(crate) fn new(asn: u32) -> Self {
        Self::with(asn, "", "")
    }

    /// The same with more lines about the neighbour, and for FRR.
    pub(crate) fn with(asn: u32, neighbour: &str, for_frr: &str) -> Self {
        let dir = interop::scratch().unwrap();
        let (ours, theirs) = (
            Namespace::new("tool").unwrap(),
            Namespace::new("leaf").unwrap(),
        );
        connect((&ours, "eth0"), (&theirs, "eth0")).unwrap();
        for (namespace, v4, v6) in [
            (&ours, OURS, "fd00:9::1/64"),
            (&theirs, THEIRS, "fd00:9::2/64"),
        ] {
            namespace.address("eth0", &format!("{v4}/24")).unwrap();
            namespace.address("eth0", v6).unwrap();
        }
        let place = Place::inside(&theirs);
        let frr_config = frr_config(asn) + for_frr;
        let frr = Frr::start(&place, &dir.path().join("frr"), &frr_config).unwrap();
        let config = dir.path().join("bgp-agent.conf");
        let text = format!(
            "[DEFAULT]\ncontrol_socket = {}\n[bgp]\nas = 65001\nmetrics_listen = {METRICS}\nhold_time = 9\nconnect_retry_time = 1\n\
             [bgp_neighbor leaf]\naddress = {THEIRS}\nremote_as = {asn}\ndescription = uplink 1\n{neighbour}",
            dir.path().join("control.sock").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut lab = Self {
            speaker: None,
            frr,
            ours,
            _theirs: theirs,
            config,
            dir,
            starts: 0,
        };
        lab.start();
        lab
    }

    /// Starts the speaker and waits for the session.
    pub(crate) fn start(&mut self) {
        self.starts += 1;
        let name = format!("speaker-{}", self.starts);
        let mut command = self.command(&["speaker"]);
        let speaker = Daemon::spawn(&name, self.dir.path(), &mut command).unwrap();
        self.speaker = Some(speaker);
        self.wait_established();
    }

    pub(crate) fn wait_established(&self) {
        let up = wait_until(PATIENCE, "established", || {
            self.output(&["show", "neighbors"]).status.success()
                && self.json(&["show", "neighbors"])["leaf"]["bgpState"] == "Established"
        });
        assert!(up.is_ok(), "{}", self.log());
        self.frr.wait_established(OURS).unwrap();
    }

    pub(crate) fn configuration(&self) -> String {
        std::fs::read_to_string(&self.config).unwrap()
    }

    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(&self.config, text).unwrap();
    }

    /// Runs `act` on a thread in our namespace.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        self.ours.inside(act).unwrap()
    }

    /// Runs a subcommand that knows nothing of the configuration but the socket.
    pub(crate) fn output_with_socket(&self, words: &[&str]) -> Output {
        let file = self.dir.path().join("socket.conf");
        let socket = self.dir.path().join("control.sock");
        std::fs::write(
            &file,
            format!("[DEFAULT]\ncontrol_socket = {}\n", socket.display()),
        )
        .unwrap();
        let place = Place::inside(&self.ours);
        let mut command = place.command(env!("CARGO_BIN_EXE_ovn-bgp-agent")).unwrap();
        command.arg("--config-file").arg(file).args(words);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(&mut self) {
        drop(self.speaker.take());
    }

    pub(crate) fn log(&self) -> String {
        self.speaker
            .as_ref()
            .map(Daemon::log_text)
            .unwrap_or_default()
    }

    /// A command of the program on this node.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let place = Place::inside(&self.ours);
        let mut command = place.command(env!("CARGO_BIN_EXE_ovn-bgp-agent")).unwrap();
        command.arg("--config-file").arg(&self.config).args(words);
        command
    }

    /// Runs a subcommand to its end.
    pub(crate) fn output(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    /// What a subcommand prints; it must succeed.
    pub(crate) fn says(&self, words: &[&str]) -> String {
        let output = self.output(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[words, &["--json"]].concat())).unwrap()
    }

    /// FRR's best path to a prefix; null while there is none.
    pub(crate) fn path(&self, prefix: &str) -> Value {
        let route = self.frr.json(&format!("show bgp ipv4 unicast {prefix}"));
        route.map_or(Value::Null, |route| route["paths"][0].clone())
    }

    /// How many IPv4 prefixes FRR has from us.
    pub(crate) fn prefixes_at_leaf(&self) -> u64 {
        let summary = self.frr.json("show bgp ipv4 unicast summary").unwrap();
        summary["peers"][OURS]["pfxRcd"].as_u64().unwrap_or(0)
    }
}

fn frr_config(asn: u32) -> String {
    format!(
        "router bgp {asn}\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         no bgp network import-check\n timers bgp 3 9\n bgp graceful-restart\n \
         neighbor {OURS} remote-as 65001\n neighbor {OURS} timers connect 1\n \
         address-family ipv4 unicast\n  neighbor {OURS} activate\n  neighbor {OURS} soft-reconfiguration inbound\n  \
         network 192.0.2.0/24\n exit-address-family\n \
         address-family ipv6 unicast\n  neighbor {OURS} activate\n exit-address-family\n"
    )
}
