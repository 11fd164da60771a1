//! The speaker alone, by its configuration and its command line, with FRR as a VTEP.

use std::process::Stdio;

use interop::gobgp::Gobgp;
use interop::rootfs::Generation;
use interop::{Daemon, Need, Place, eventually, require, scrape};
use serde_json::Value;

use crate::frr::BGPD;
use crate::lab::*;

const METRICS: &str = "127.0.0.1:9469";

struct Tool {
    lab: Lab,
    config: std::path::PathBuf,
}

impl Tool {
    fn new() -> Self {
        let lab = Lab::new();
        let config = lab.path("bgp-agent.conf");
        let tool = Self { lab, config };
        tool.configure("auto");
        tool
    }

    fn configure(&self, targets: &str) {
        let socket = self.lab.path("control.sock");
        let text = format!(
            "[DEFAULT]\ncontrol_socket = {}\n[bgp]\nas = 65001\nrouter_id = {OURS}\nmetrics_listen = {METRICS}\nfib_import = none\n\
             [bgp_neighbor leaf]\naddress = {LEAF}\nremote_as = 65002\nconnect_retry_time = 1\n\
             [evpn_vni red]\nvni = 77\nvtep = {OUR_VTEP}\nroute_targets = {targets}\nrouter_mac = 02:00:5e:00:00:01\noriginate = {OUR_V4}\n\
             [evpn_vni 1001]\nkind = l2\nvtep = {OUR_VTEP}\n",
            socket.display()
        );
        std::fs::write(&self.config, text).unwrap();
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let place = Place::inside(&self.lab.ours);
        let mut command = place.command(env!("CARGO_BIN_EXE_ovn-bgp-agent")).unwrap();
        command.arg("--config-file").arg(&self.config).args(words);
        command.stdin(Stdio::null());
        command
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        serde_json::from_str(&self.says(&words)).unwrap()
    }
}

#[test]
fn the_speaker_alone_has_tenants_tables() {
    require!(Need::Root, BGPD);
    let tool = Tool::new();
    let leaf = tool
        .lab
        .start_leaf(Generation::Bookworm, &LeafConfig::default().text());
    let mut speaker = tool.command(&["speaker"]);
    let speaker = Daemon::spawn("speaker", tool.lab.dir.path(), &mut speaker).unwrap();
    eventually(vec![OUR_VTEP.to_owned()], || leaf.tenant_hops(OUR_V4));
    // By hand.
    let mut watch = tool.command(&["watch", "--vni", "77"]);
    let watch = Daemon::spawn("watch", tool.lab.dir.path(), &mut watch).unwrap();
    let said = tool.says(&["originate", "--vni", "77", OUR_HOST, OUR_V6]);
    assert!(said.starts_with("2 prefixes originated"), "{said}");
    for prefix in [OUR_HOST, OUR_V6] {
        eventually(vec![OUR_VTEP.to_owned()], || leaf.tenant_hops(prefix));
    }
    let refused = tool
        .command(&["originate", "--vni", "78", OUR_HOST])
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && why.contains("no table of VNI 78"),
        "{why}"
    );
    it_can_be_seen(&tool);
    // A reload changes targets at once, and no session.
    tool.configure("65009:9");
    tool.says(&["reload"]);
    eventually(Vec::<String>::new(), || leaf.tenant_hops(OUR_HOST));
    eventually(Some(0), || {
        Some(
            tool.json(&["show", "evpn", "77"])["tables"][0]["prefixes"]
                .as_array()
                .map_or(0, Vec::len),
        )
    });
    tool.configure("auto");
    tool.says(&["reload"]);
    eventually(vec![OUR_VTEP.to_owned()], || leaf.tenant_hops(OUR_HOST));
    assert_eq!(
        tool.json(&["show", "neighbors"])["leaf"]["connectionsDropped"],
        0
    );
    eventually(true, || {
        watch
            .log_text()
            .contains("vni 77 10.77.0.0/24 behind no VTEP")
    });
    assert!(
        !watch.log_text().contains("vni 1001"),
        "{}",
        watch.log_text()
    );
    // A drain takes all of it away, and back.
    tool.says(&["drain", "--after", "0"]);
    eventually(Vec::<String>::new(), || leaf.tenant_hops(OUR_HOST));
    eventually(Vec::<String>::new(), || leaf.floods_to());
    tool.says(&["undrain"]);
    eventually(vec![OUR_VTEP.to_owned()], || leaf.tenant_hops(OUR_HOST));
    eventually(vec![OUR_VTEP.to_owned()], || leaf.floods_to());
    let said = tool.says(&["withdraw", "--vni", "77", "--all"]);
    assert!(said.starts_with("2 prefixes withdrawn"), "{said}");
    eventually(Vec::<String>::new(), || leaf.tenant_hops(OUR_HOST));
    assert_eq!(
        leaf.tenant_hops(OUR_V4),
        [OUR_VTEP],
        "the configuration's stays"
    );
    drop(speaker);
}

/// A host by hand, and what GoBGP is told of it (RFC 7432 §7.2, §10.1).
fn a_host_by_hand(generation: Generation) {
    let tool = Tool::new();
    let place = Place::inside(&tool.lab.leaf).with(generation);
    let config = crate::gobgp::config(65002);
    let gobgp = Gobgp::start(&place, &tool.lab.path("gobgp"), &config).unwrap();
    let mut speaker = tool.command(&["speaker"]);
    let _speaker = Daemon::spawn("speaker", tool.lab.dir.path(), &mut speaker).unwrap();
    let of_mac = |mac: &str| -> Vec<String> {
        let table = gobgp.run("global rib -a evpn").unwrap_or_default();
        let lines = table.lines().filter(|line| line.contains(mac));
        lines.map(str::to_owned).collect()
    };
    let (gateway, bare) = ("02:00:00:00:99:01", "02:00:00:00:99:02");
    eventually(true, || {
        let table = gobgp.run("global rib -a evpn").unwrap_or_default();
        table.contains("[type:multicast]")
    });
    let by_hand = ["originate", "--vni", "1001", "--mac", gateway];
    let more = ["--default-gateway", "10.101.0.1", "2001:db8:101::1"];
    let said = tool.says(&[&by_hand[..], &more[..]].concat());
    assert!(
        said.starts_with("host 02:00:00:00:99:01 originated"),
        "{said}"
    );
    tool.says(&["originate", "--vni", "1001", "--mac", bare]);
    eventually(3, || of_mac(gateway).len());
    eventually(1, || of_mac(bare).len());
    let routes = of_mac(gateway);
    let marked = |line: &&String| line.to_lowercase().contains("default-gateway");
    assert_eq!(routes.iter().filter(marked).count(), 3, "{routes:#?}");
    for ip in ["[ip:<nil>]", "[ip:10.101.0.1]", "[ip:2001:db8:101::1]"] {
        assert!(
            routes.iter().any(|line| line.contains(ip)),
            "{ip}: {routes:#?}"
        );
    }
    let routes = of_mac(bare);
    assert!(
        routes[0].contains("[ip:<nil>]") && !marked(&&routes[0]),
        "{routes:#?}"
    );
    // Without the mark it is a host like others.
    tool.says(&["originate", "--vni", "1001", "--mac", gateway, "10.101.0.1"]);
    eventually((2, 0), || {
        let routes = of_mac(gateway);
        (routes.len(), routes.iter().filter(marked).count())
    });
    let said = tool.says(&["withdraw", "--vni", "1001", "--mac", gateway]);
    assert_eq!(said, "host 02:00:00:00:99:01 withdrawn\n");
    eventually(0, || of_mac(gateway).len());
    assert_eq!(of_mac(bare).len(), 1);
    let said = tool.says(&["withdraw", "--vni", "1001", "--all"]);
    assert_eq!(said, "1 prefix withdrawn\n");
    eventually(0, || of_mac(bare).len());
    let mut refused = tool.command(&["originate", "--vni", "77", "--mac", bare]);
    let refused = refused.output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("VNI 77 is a routed table"), "{why}");
}

#[test]
fn a_default_gateway_by_hand_is_told_as_one_to_gobgp_3_10() {
    require!(Need::Root, Need::Program("gobgpd"));
    a_host_by_hand(Generation::Bookworm);
}

#[test]
fn a_default_gateway_by_hand_is_told_as_one_to_gobgp_3_36() {
    require!(Need::Root, Need::Trixie);
    a_host_by_hand(Generation::Trixie);
}

fn it_can_be_seen(tool: &Tool) {
    eventually(2, || {
        let shown = tool.json(&["show", "evpn", "77"]);
        shown["tables"][0]["prefixes"]
            .as_array()
            .map_or(0, Vec::len)
    });
    tool.lab.host_at_leaf(host(2));
    eventually(true, || {
        tool.says(&["show", "evpn", "1001"])
            .contains("02:00:00:00:42:02")
    });
    let shown = tool.json(&["show", "evpn", "--routes"]);
    let [red, bridged] = &shown["tables"].as_array().unwrap()[..] else {
        panic!("{shown:#}")
    };
    assert_eq!(
        (&red["vni"], &red["type"], &red["rd"]),
        (&77.into(), &"l3".into(), &"192.0.2.1:77".into())
    );
    assert_eq!(red["importRts"][0], "*:77");
    assert_eq!(red["exportRts"][0], "65001:77");
    assert_eq!(red["remoteVteps"][0], LEAF);
    assert_eq!(red["originated"], 3);
    assert_eq!(bridged["flood"][0], LEAF);
    assert_eq!(bridged["originated"], 1);
    let routes = red["routes"].as_array().unwrap();
    let used = |route: &&Value| route["peer"] == "leaf" && route["unused"].is_null();
    assert_eq!(routes.iter().filter(used).count(), 2, "{routes:#?}");
    let text = tool.says(&["show", "evpn"]);
    assert!(
        text.contains("192.0.2.1:1001") && text.contains(LEAF),
        "{text}"
    );
    let samples = tool
        .lab
        .ours
        .inside(|| scrape::metrics(METRICS))
        .unwrap()
        .unwrap();
    let of = |name: &str, vni: u32| samples[&format!("ovn_bgp_agent_evpn_{name}{{vni=\"{vni}\"}}")];
    assert_eq!(
        (of("originated_routes", 77), of("learned_prefixes", 77)),
        (3.0, 2.0)
    );
    assert_eq!(
        (of("remote_vteps", 77), of("remote_vteps", 1001)),
        (1.0, 1.0)
    );
    assert!(of("remote_macs", 1001) >= 1.0);
    assert_eq!(
        (of("mac_moves_total", 1001), of("duplicate_macs", 1001)),
        (0.0, 0.0)
    );
}
