//! `bgp_backend = frr` on a kernel with VRF and dummy devices, beside FRR 10.3 (VM tier). One boot serves all:
//! `interop/vm/frr_backend.sh` is what happens inside.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use interop::{Need, require, rootfs::Generation, vm};

struct Played(tempfile::TempDir);

impl Played {
    fn play() -> Self {
        let dir = interop::scratch().unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/vm");
        for script in ["node.sh", "frr_backend.sh"] {
            std::fs::copy(scripts.join(script), dir.path().join(script)).unwrap();
        }
        let agent = env!("CARGO_BIN_EXE_ovn-bgp-agent");
        std::fs::copy(agent, dir.path().join("ovn-bgp-agent")).unwrap();
        let root = Generation::Trixie.root().unwrap();
        let command = "sh /share/frr_backend.sh";
        let outcome = vm::boot(&root, dir.path(), command, Duration::from_secs(900)).unwrap();
        let played = Self(dir);
        let logs: Vec<String> = (1..8)
            .map(|n| played.tail(&format!("ours-{n}.log")))
            .collect();
        assert_eq!(outcome.status, 0, "{}\n{}", outcome.output, logs.join("\n"));
        println!("{}", outcome.output);
        played
    }

    fn text(&self, file: &str) -> String {
        let path = self.0.path().join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    fn lines(&self, file: &str) -> BTreeSet<String> {
        self.text(file).lines().map(str::to_owned).collect()
    }

    fn tail(&self, file: &str) -> String {
        let text = std::fs::read_to_string(self.0.path().join(file)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(40);
        format!("{file}:\n{}", lines[from..].join("\n"))
    }
}

#[test]
fn vm_frr_advertises_what_is_exposed_and_another_backend_leaves_nothing() {
    require!(Need::Root, Need::Vm, Need::Trixie);
    let played = Played::play();
    adoption_writes_nothing(&played);
    a_restart_writes_nothing(&played);
    devices_are_those_of_the_golden_state(&played);
    the_operator_can_see_it(&played);
    b010_b011_interference_is_undone(&played);
    b018_bgpd_is_told_again(&played);
    an_exposure_that_goes_takes_its_address_along(&played);
    what_policies_say_is_heard_at_the_leaf(&played);
    switching_leaves_nothing_and_comes_back(&played);
    b087_subnets_of_tenants_are_announced_with_the_node_as_next_hop(&played);
    b161_a_stretched_layer_2_is_what_the_golden_state_has(&played);
}

/// Of the kernel's news, what is about FRR's part.
fn about_frr(monitor: &str) -> Vec<&str> {
    let of_frr =
        |l: &&str| l.contains("bgp-nic") || l.contains("bgp-vrf") || l.contains("table 10");
    monitor.lines().filter(of_frr).collect()
}

fn adoption_writes_nothing(played: &Played) {
    let monitor = played.text("monitor");
    assert_eq!(about_frr(&monitor), [""; 0], "written while taking over");
    for what in ["leaked", "vrf-routes", "running-config"] {
        let of = |stage| played.lines(&format!("{stage}/{what}"));
        assert_eq!(of("python"), of("ours"), "{what}");
    }
    assert_eq!(played.lines("ours/leaked").len(), 7);
    let leaf = played.text("leaf-monitor");
    let lost: Vec<&str> = leaf
        .lines()
        .filter(|l| l.starts_with("Deleted 172."))
        .collect();
    assert!(lost.is_empty(), "the leaf lost {lost:#?}");
    let pings = played.lines("ours/pings");
    assert!(pings.iter().all(|l| l.ends_with("answers")), "{pings:?}");
}

fn a_restart_writes_nothing(played: &Played) {
    let log = played.text("ours-2.log");
    assert!(log.contains("exposures=7 writes=0"), "{log}");
    let monitor = played.text("monitor-restart");
    assert_eq!(about_frr(&monitor), [""; 0]);
    let sent = "Add VRF leak";
    assert!(
        !log.lines()
            .take_while(|l| !l.contains("FRR: "))
            .any(|l| l.contains(sent))
    );
}

/// Kind, table, master and state of both devices, as `ip -d link` has them in the golden state.
fn devices_are_those_of_the_golden_state(played: &Played) {
    let golden = include_str!("fixtures/golden/frr_leak/ip-d-link.txt");
    let golden: Vec<String> = golden
        .lines()
        .map(|l| l.split_once(": ").map_or(l, |(_, rest)| rest).to_owned())
        .collect();
    let golden = devices(&golden.join("\n"));
    for stage in ["python", "ours", "anew"] {
        let ours = devices(&played.text(&format!("{stage}/links-in-detail")));
        assert_eq!(ours, golden, "{stage}");
    }
}

/// Per device: the flags, the master, and the line that tells its kind.
fn devices(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut all = Vec::new();
    for name in ["bgp-vrf", "bgp-nic"] {
        let at = lines
            .iter()
            .position(|l| l.starts_with(&format!("{name}: ")) || l.contains(&format!(" {name}: ")))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        let flags = lines[at].split_once(" mtu").unwrap().0.to_owned();
        let flags = flags[flags.find(name).unwrap()..].to_owned();
        let master = lines[at].contains("master bgp-vrf");
        let kind: Vec<&str> = lines[at + 1..]
            .iter()
            .take(4)
            .filter_map(|l| {
                ["vrf table 10", "dummy", "vrf_slave table 10"]
                    .into_iter()
                    .find(|kind| l.starts_with(kind))
            })
            .collect();
        all.push((flags, format!("{master} {kind:?}")));
    }
    all
}

fn the_operator_can_see_it(played: &Played) {
    let summary = played.text("summary");
    assert!(summary.contains("configured as it should be"), "{summary}");
    let explained = played.text("explain");
    assert!(explained.contains("advertised to FRR"), "{explained}");
    let check = played.text("check");
    assert!(
        !check.contains("[frr-") && !check.contains("bgpd"),
        "{check}"
    );
}

fn b010_b011_interference_is_undone(played: &Played) {
    for what in ["leaked", "vrf-routes"] {
        let of = |stage| played.lines(&format!("{stage}/{what}"));
        assert_eq!(of("ours"), of("interfered"), "{what}");
    }
}

/// The machine waited for it, in vain had it been left to the interval: the next look is an hour away. How long it takes is
/// measured where nothing is emulated (`tests/frr_backend`).
fn b018_bgpd_is_told_again(played: &Played) {
    println!(
        "b018: FRR was told again after {}",
        played.text("repaired").trim()
    );
    let told = "Add VRF leak for VRF bgp-vrf on router bgp 64999";
    assert_eq!(played.text("ours-2.log").matches(told).count(), 1);
}

fn an_exposure_that_goes_takes_its_address_along(played: &Played) {
    let before = played.lines("interfered/leaked");
    let after = played.lines("without/leaked");
    let gone: Vec<&String> = before.difference(&after).collect();
    assert_eq!(gone, ["inet 172.24.4.151/32"]);
    assert!(after.is_subset(&before));
}

fn what_policies_say_is_heard_at_the_leaf(played: &Played) {
    for of in ["policy-4", "policy-6", "policy-first"] {
        let heard = played.text(of);
        for words in [
            "metric 50",
            "Community: 65000:100",
            "Large Community: 65000:1:2",
        ] {
            assert!(heard.contains(words), "{of}: {heard}");
        }
    }
    let exposures = played.text("policy-exposures");
    assert!(
        exposures.contains("\"med\": 50") || exposures.contains("\"med\":50"),
        "{exposures}"
    );
    let explained = played.text("policy-explain");
    assert!(
        explained.contains("MED 50") && explained.contains("advertised to FRR"),
        "{explained}"
    );
    let again = played.text("policy-again.log");
    assert!(again.contains("writes=0"), "{again}");
    assert!(
        !again.contains("Add VRF leak") && !again.contains("policies say"),
        "{again}"
    );
    let config = played.text("policy/running-config");
    assert_eq!(
        leaked_families(
            &config,
            "redistribute connected route-map ovn-bgp-agent-policy"
        ),
        2
    );
}

fn switching_leaves_nothing_and_comes_back(played: &Played) {
    assert!(played.text("embedded/leaked").is_empty());
    assert!(played.text("embedded/vrf-routes").is_empty());
    let links = played.text("embedded/links-in-detail");
    assert!(
        !links.contains("bgp-nic") && !links.contains("bgp-vrf"),
        "{links}"
    );
    let config = played.text("embedded/running-config");
    assert!(
        !config.contains("bgp-vrf") && !config.contains("ovn-bgp-agent"),
        "{config}"
    );
    for what in ["leaked", "vrf-routes", "running-config"] {
        let of = |stage| played.lines(&format!("{stage}/{what}"));
        assert_eq!(of("without"), of("anew"), "{what}");
    }
    for what in ["rules", "routes", "neighbours", "flows"] {
        let of = |stage| played.lines(&format!("{stage}/{what}"));
        assert_eq!(of("embedded"), of("anew"), "the wiring is the same: {what}");
    }
}

/// Routes of the VRF in the words of `ip route`, without what only says whose they are.
fn routes_of_the_vrf(text: &str) -> BTreeSet<String> {
    let routes = text.lines().filter(|line| !line.contains("proto kernel"));
    let way = |line: &str| {
        let line = line.replace(" table 10", "");
        let end = [" proto", " scope", " metric"].into_iter();
        let end = end.filter_map(|word| line.find(word)).min();
        line[..end.unwrap_or(line.len())].trim_end().to_owned()
    };
    routes.map(way).collect()
}

/// A subnet is on-link in the VRF (decision 92), so that FRR announces the node.
fn b087_subnets_of_tenants_are_announced_with_the_node_as_next_hop(played: &Played) {
    let expected = ["10.10.0.0/24", "2001:db8:300::/64"].map(|p| format!("{p} dev bgp-nic"));
    let routes = routes_of_the_vrf(&played.text("subnet/vrf-routes"));
    assert!(
        expected.iter().all(|route| routes.contains(route)),
        "{routes:?}"
    );
    let hosts = played.lines("anew/leaked");
    assert_eq!(
        played.lines("subnet/leaked"),
        hosts,
        "other addresses stay hosts"
    );
    let paths = "10.10.0.0/24 100.65.1.2\n2001:db8:300::/64 fd00:65::2\n";
    assert_eq!(played.text("subnet/paths"), paths);
    let config = played.text("subnet/running-config");
    for line in ["redistribute connected", "redistribute kernel"] {
        assert_eq!(leaked_families(&config, line), 2, "{line} in {config}");
    }
}

/// How often a line is in the instance of the VRF.
fn leaked_families(config: &str, line: &str) -> usize {
    let (_, vrf) = config.split_once("router bgp 64999 vrf bgp-vrf").unwrap();
    let (vrf, _) = vrf.split_once("\nexit\n").unwrap();
    vrf.matches(line).count()
}

fn b161_a_stretched_layer_2_is_what_the_golden_state_has(played: &Played) {
    let golden = include_str!("fixtures/golden/frr_leak/stretched_l2/ip-route-all.txt");
    // its tenants are in the prefix that another network has here
    let golden = golden.replace("2001:db8:200::", "2001:db8:300::");
    let golden: Vec<&str> = golden
        .lines()
        .filter(|l| l.contains(" table 10 "))
        .collect();
    let golden = routes_of_the_vrf(&golden.join("\n"));
    assert_eq!(golden.len(), 4);
    let routes = routes_of_the_vrf(&played.text("stretched/vrf-routes"));
    assert_eq!(routes, golden);
    assert!(played.text("stretched/leaked").is_empty());
    for what in ["rules", "routes", "neighbours", "flows"] {
        assert!(
            played.text(&format!("stretched/{what}")).is_empty(),
            "{what}"
        );
    }
    let config = played.text("stretched/running-config");
    assert_eq!(
        leaked_families(&config, "redistribute kernel"),
        2,
        "{config}"
    );
    assert_eq!(
        leaked_families(&config, "redistribute connected"),
        0,
        "{config}"
    );
    // FRR tells what it leaks with itself as next hop, the Python agent's too (announceNexthopSelf); our speaker tells the gateway (86)
    let expected = [
        "10.10.0.0/24 100.65.1.2",
        "172.24.4.0/24 100.65.1.2",
        "2001:db8:100::/64 fd00:65::2",
        "2001:db8:300::/64 fd00:65::2",
    ];
    assert_eq!(
        played.lines("stretched/paths"),
        expected.map(str::to_owned).into()
    );
}
