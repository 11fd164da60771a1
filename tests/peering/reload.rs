//! The configuration of a running speaker, read again: only what differs is touched.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bgp::Route;
use interop::frr::Frr;
use interop::{Need, eventually, require};
use ovn_bgp_agent::advertise::{Embedded, Source as Origin};
use ovn_bgp_agent::config::{Config, Input, Loaded};
use ovn_bgp_agent::reload::{self, ReloadError, ReloadReport, Source};

use crate::lab::{HOST_V4, Lab, OURS_V4, OURS_V6, THEIRS_V4, THEIRS_V6};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");
const OTHER_HOST: &str = "203.0.113.9/32";

/// AS 65002, which knows us by both of our addresses.
fn leaf(lab: &Lab) -> Frr {
    let neighbour = |ours: &str| {
        format!(" neighbor {ours} remote-as 65001\n neighbor {ours} timers connect 1\n")
    };
    let config = format!(
        "router bgp 65002\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         timers bgp 30 90\n{}{} neighbor {OURS_V4} password one\n \
         address-family ipv4 unicast\n  neighbor {OURS_V4} activate\n  neighbor {OURS_V6} activate\n exit-address-family\n",
        neighbour(OURS_V4),
        neighbour(OURS_V6),
    );
    Frr::start(&lab.place(), &lab.path(), &config).unwrap()
}

/// Two sessions with the leaf: `four` with a password, `six` without.
fn both() -> String {
    format!("{}{}", four("one"), six(""))
}

fn four(password: &str) -> String {
    format!("[bgp_neighbor four]\naddress = {THEIRS_V4}\npassword = {password}\n")
}

fn six(more: &str) -> String {
    format!("[bgp_neighbor six]\naddress = {THEIRS_V6}\nnext_hop_ipv4 = {OURS_V4}\n{more}")
}

fn load(neighbours: &str) -> Loaded {
    let text = format!(
        "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n[bgp]\nas = 65001\nrouter_id = 10.9.0.1\nconnect_retry_time = 1\n\
         hold_time = 90\nfamilies = ipv4-unicast\nremote_as = external\nfib_import = none\n{neighbours}"
    );
    Loaded::read(&Input {
        files: vec![(PathBuf::from("bgp-agent.conf"), text)],
        ..Input::default()
    })
}

/// Our speaker, and the file it was started with.
struct Running {
    file: Arc<Mutex<String>>,
    source: Source,
    config: Arc<Config>,
    speaker: Embedded,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    fn start(lab: &Lab, neighbours: &str) -> Self {
        let loaded = load(neighbours);
        assert!(loaded.is_valid(), "{:#?}", loaded.problems);
        let config = Arc::new(loaded.config);
        let mut speaker = Embedded::new(Arc::clone(&config));
        let routes = [HOST_V4, OTHER_HOST].map(|prefix| Route::new(prefix.parse().unwrap()));
        speaker.origination().originate(Origin::Operator, routes);
        let started = lab.ours.inside(|| speaker.start().map(drop));
        started.unwrap().unwrap();
        let file = Arc::new(Mutex::new(neighbours.to_owned()));
        let read = Arc::clone(&file);
        let runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            file,
            source: Source::new(move || load(&read.lock().unwrap())),
            config,
            speaker,
            runtime: { runtime }.enable_all().build().unwrap(),
        }
    }

    fn reload(&mut self, neighbours: &str) -> Result<ReloadReport, ReloadError> {
        neighbours.clone_into(&mut self.file.lock().unwrap());
        let reload = reload::reload(&self.source, &mut self.config, &mut self.speaker);
        self.runtime.block_on(reload)
    }

    fn lines(&mut self, neighbours: &str) -> Vec<String> {
        self.reload(neighbours).unwrap().lines()
    }
}

/// How often FRR has seen this session come up.
fn times_up(frr: &Frr, ours: &str) -> u64 {
    let neighbor = frr.json(&format!("show bgp neighbors {ours}")).unwrap();
    neighbor[ours]["connectionsEstablished"]
        .as_u64()
        .unwrap_or_default()
}

/// Waits until both sessions are up; answers how often they have come up by then.
fn established(frr: &Frr) -> [u64; 2] {
    [OURS_V4, OURS_V6].map(|ours| {
        frr.wait_established(ours).unwrap();
        times_up(frr, ours)
    })
}

#[test]
fn another_password_concerns_its_neighbour_only() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = leaf(&lab);
    let mut running = Running::start(&lab, &both());
    let [four_up, six_up] = established(&frr);
    frr.configure(&[
        "router bgp 65002",
        &format!("neighbor {OURS_V4} password two"),
    ])
    .unwrap();
    let lines = running.lines(&format!("{}{}", four("two"), six("")));
    assert_eq!(
        lines,
        [
            "neighbor four: session restarted (password)",
            "1 neighbor unchanged"
        ]
    );
    eventually(true, || times_up(&frr, OURS_V4) > four_up);
    assert_eq!(established(&frr)[1], six_up);
}

#[test]
fn another_export_list_is_followed_without_a_flap() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = leaf(&lab);
    let mut running = Running::start(&lab, &both());
    let up = established(&frr);
    let told = |wanted: &[&str]| {
        eventually(
            wanted
                .iter()
                .copied()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
            || frr.prefixes("ipv4").unwrap(),
        )
    };
    told(&[HOST_V4, OTHER_HOST]);
    let list = "[bgp_prefix_list few]\nrules = permit 203.0.113.0/24 ge 32\n";
    let few = "export_prefixes = few\n";
    let lines = running.lines(&format!("{list}{}{few}{}", four("one"), six(few)));
    assert_eq!(
        lines,
        [
            "neighbor four: routes refreshed (export)",
            "neighbor six: routes refreshed (export)"
        ]
    );
    told(&[OTHER_HOST]);
    running.lines(&both());
    told(&[HOST_V4, OTHER_HOST]);
    assert_eq!(established(&frr), up);
}

#[test]
fn neighbours_come_and_go_while_the_others_stay() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = leaf(&lab);
    let mut running = Running::start(&lab, &six(""));
    frr.wait_established(OURS_V6).unwrap();
    let up = times_up(&frr, OURS_V6);
    assert_eq!(
        running.lines(&both()),
        ["neighbor four: added", "1 neighbor unchanged"]
    );
    frr.wait_established(OURS_V4).unwrap();
    assert_eq!(
        running.lines(&six("")),
        ["neighbor four: removed", "1 neighbor unchanged"]
    );
    eventually(false, || frr.is_established(OURS_V4));
    assert_eq!(times_up(&frr, OURS_V6), up);
}

#[test]
fn a_broken_file_changes_nothing() {
    require!(Need::Root, BGPD);
    let lab = Lab::new();
    let frr = leaf(&lab);
    let mut running = Running::start(&lab, &both());
    let up = established(&frr);
    let broken = format!(
        "{}export_prefixes = nowhere\n{}hold_time = 1\n",
        four("two"),
        six("")
    );
    let error = running.reload(&broken).unwrap_err().to_string();
    assert_eq!(
        error,
        "the configuration is not valid, so nothing was changed:\n\
         bgp-agent.conf:14: [bgp_neighbor four] export_prefixes: there is no [bgp_prefix_list nowhere]; add a section [bgp_prefix_list NAME]; there is none yet\n\
         bgp-agent.conf:18: [bgp_neighbor six] hold_time: '1' is not accepted; allowed: 0, or 3–65535 seconds"
    );
    assert_eq!(running.lines(&both()), ["nothing differs"]);
    assert_eq!(established(&frr), up);
}
