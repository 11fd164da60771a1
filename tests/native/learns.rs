//! `driver = ovn_native` with OVN 25.03 and a router of the fabric: what that teaches ovn-controller learns, and OVN goes
//! by it; what OVN advertises the fabric learns. No routing daemon is on the node.

use std::net::IpAddr;
use std::path::PathBuf;

use interop::frr::Frr;
use interop::netns::{Namespace, connect};
use interop::ovn::{Central, Chassis, Vm};
use interop::{Daemon, Need, PATIENCE, Place, require, scratch, wait_until};

use super::cloud;

const FABRIC: &str = "203.0.113.0/24";
const VM_MAC: &str = "02:00:00:00:00:55";

/// It peers over a link of its own, and says that its networks are reached on the provider network: the userspace datapath
/// carries no TCP whose checksums a veth has left to others.
const LEAF: &str = "\
router bgp 65000
 bgp router-id 172.24.4.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 3 9
 neighbor 10.9.0.2 remote-as 65001
 neighbor 10.9.0.2 timers connect 1
 address-family ipv4 unicast
  network 203.0.113.0/24
  network 198.51.100.0/24
  neighbor 10.9.0.2 route-map PROVIDER out
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:9::/48
  neighbor 10.9.0.2 activate
  neighbor 10.9.0.2 route-map PROVIDER out
 exit-address-family
route-map PROVIDER permit 10
 set ip next-hop 172.24.4.1
 set ipv6 next-hop global 2001:db8:4::1
";

struct Lab {
    agent: Option<Daemon>,
    frr: Frr,
    vm: Vm,
    _chassis: Chassis,
    central: Central,
    node: Namespace,
    _leaf: Namespace,
    config: PathBuf,
    dir: tempfile::TempDir,
    starts: usize,
}

impl Lab {
    fn new() -> Self {
        let dir = scratch().unwrap();
        let [node, leaf] = ["node", "leaf"].map(|label| Namespace::new(label).unwrap());
        let (central, chassis) = cloud(dir.path(), &node);
        let remote = central.southbound.unix();
        connect((&node, "uplink"), (&leaf, "eth0")).unwrap();
        let uplink = ["add-port", "br-ex", "uplink"];
        chassis.switch.vsctl(&uplink).unwrap();
        for (namespace, device, last) in [(&node, "br-ex", 2), (&leaf, "eth0", 1)] {
            let v4 = format!("172.24.4.{last}/24");
            namespace.address(device, &v4).unwrap();
            let v6 = format!("address add 2001:db8:4::{last}/64 dev {device} nodad");
            namespace.ip(&v6).unwrap();
        }
        connect((&node, "eth1"), (&leaf, "eth1")).unwrap();
        node.address("eth1", "10.9.0.2/24").unwrap();
        leaf.address("eth1", "10.9.0.1/24").unwrap();
        leaf.address("lo", "203.0.113.1/32").unwrap();
        leaf.address("lo", "2001:db8:9::99/128").unwrap();
        central.nbctl_line("lsp-add tenant vm").unwrap();
        let addresses = format!("{VM_MAC} 10.0.0.5 fd00::5");
        let addresses = ["lsp-set-addresses", "vm", &addresses];
        central.nbctl(&addresses).unwrap();
        let vm = chassis.plug(&node, "vm", VM_MAC).unwrap();
        vm.namespace.ip("address add 10.0.0.5/24 dev eth0").unwrap();
        vm.namespace.ip("route add default via 10.0.0.1").unwrap();
        let v6 = "address add fd00::5/64 dev eth0 nodad";
        vm.namespace.ip(v6).unwrap();
        vm.namespace.ip("route add default via fd00::1").unwrap();
        central.sync().unwrap();
        let frr = Frr::start(&Place::inside(&leaf), &dir.path().join("frr"), LEAF).unwrap();
        let config = dir.path().join("bgp-agent.conf");
        let text = format!(
            "[DEFAULT]\ndriver = ovn_native\novsdb_connection = {}\ncontrol_socket = {}\nbgp_AS = 65001\n\
             bgp_router_id = 10.9.0.2\n[ovn]\novn_sb_connection = {remote}\n[bgp]\nconnect_retry_time = 1\n\
             import_prefixes = any\nexport_prefixes = any\nfib_import = none\n\
             [bgp_neighbor leaf]\naddress = 10.9.0.1\nremote_as = 65000\n",
            chassis.switch.remote(),
            dir.path().join("control.sock").display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut lab = Self {
            agent: None,
            frr,
            vm,
            _chassis: chassis,
            central,
            node,
            _leaf: leaf,
            config,
            dir,
            starts: 0,
        };
        lab.start_agent();
        lab
    }

    fn start_agent(&mut self) {
        self.starts += 1;
        let mut command = self.command(&[]);
        let name = format!("agent-{}", self.starts);
        self.agent = Some(Daemon::spawn(&name, self.dir.path(), &mut command).unwrap());
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let place = Place::inside(&self.node);
        let mut command = place.command(env!("CARGO_BIN_EXE_ovn-bgp-agent")).unwrap();
        let tables = self.dir.path().join("rt_tables");
        command.args(words).arg("--config-file").arg(&self.config);
        command.env("RT_TABLES", tables);
        command
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `show fib`; `None` while the agent does not answer.
    fn fib(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.says(&["show", "fib", "--json"])).ok()
    }

    /// `Learned_Route`: prefixes and next hops.
    fn learned(&self) -> Vec<String> {
        let rows = [
            "--no-headings",
            "--format=csv",
            "--data=bare",
            "--columns=ip_prefix,nexthop",
            "list",
            "Learned_Route",
        ];
        let rows = self.central.sbctl(&rows).unwrap_or_default();
        let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    }

    fn wait_learned(&self, expected: &[&str]) {
        let learned = || self.learned() == *expected;
        if wait_until(PATIENCE, "Learned_Route", learned).is_err() {
            let log = self.agent.as_ref().map(Daemon::log_text);
            panic!(
                "learned {:?}, not {expected:?}\n{}\n{}",
                self.learned(),
                self.says(&["show", "fib"]),
                log.unwrap_or_default()
            );
        }
    }

    /// What is there is what is wished.
    fn nothing_is_to_do(&self) {
        let plan: serde_json::Value =
            serde_json::from_str(&self.says(&["plan", "--json"])).unwrap();
        assert_eq!(plan["changes"], serde_json::json!([]));
    }

    /// Whether the VM gets an answer from the fabric.
    fn vm_reaches(&self, to: &str) -> bool {
        let to: IpAddr = to.parse().unwrap();
        self.vm.namespace.pings(to, None)
    }
}

#[test]
fn what_the_fabric_teaches_ovn_learns_and_goes_by_until_it_is_withdrawn() {
    require!(
        Need::Root,
        Need::Program("ip"),
        Need::Program("ping"),
        Need::Program("/usr/lib/frr/bgpd"),
        Need::Trixie
    );
    let mut lab = Lab::new();
    let all = [
        "198.51.100.0/24,172.24.4.1",
        "2001:db8:9::/48,2001:db8:4::1",
        "203.0.113.0/24,172.24.4.1",
    ];
    lab.wait_learned(&all);
    // Both ways: the fabric has the tenant's network from OVN, and OVN the fabric's from the fabric.
    let back = || {
        let hops = lab.frr.next_hops("10.0.0.0/24").unwrap_or_default();
        hops == ["172.24.4.10".parse::<IpAddr>().unwrap()]
    };
    wait_until(PATIENCE, "10.0.0.0/24 at the leaf", back).unwrap();
    wait_until(PATIENCE, "ping", || lab.vm_reaches("203.0.113.1")).unwrap();
    // OVN 25.03 asks for 2001:db8:4::1 at the group of ::99.
    let v6 = || lab.vm_reaches("2001:db8:9::99");
    wait_until(PATIENCE, "ping over IPv6", v6).unwrap();
    lab.nothing_is_to_do();
    let shown = lab.says(&["show", "fib"]);
    assert!(
        shown.contains("router") && shown.contains(FABRIC),
        "{shown}"
    );
    assert!(lab.node.ip("route show proto bgp").unwrap().is_empty());

    let found = lab.says(&["check"]);
    let is_judged = !found.contains("row-unreadable") && !found.contains("ovn-too-old");
    assert!(is_judged, "{found}");

    // A restart takes nothing from OVN, and writes nothing.
    let before = ids(&lab);
    drop(lab.agent.take());
    lab.start_agent();
    let settled = || {
        let fib = lab.fib().unwrap_or_default();
        let routes = fib["routers"][0]["routes"].as_array();
        let installed = |route: &serde_json::Value| route["state"] == "installed";
        let routes = routes.map(|routes| routes.iter().filter(|r| installed(r)).count());
        (routes, fib["writes"].as_u64()) == (Some(3), Some(0))
    };
    wait_until(PATIENCE, "the routes after a restart", settled).unwrap();
    assert_eq!(ids(&lab), before);

    // Withdrawn.
    let withdraw = [
        "router bgp 65000",
        "address-family ipv4 unicast",
        "no network 203.0.113.0/24",
    ];
    lab.frr.configure(&withdraw).unwrap();
    lab.wait_learned(&all[..2]);
    // The network of the router's own is not taught back to it.
    let own = [
        "router bgp 65000",
        "address-family ipv4 unicast",
        "network 10.0.0.0/24",
    ];
    lab.frr.configure(&own).unwrap();
    let told = || lab.says(&["show", "fib"]).contains("Advertised_Route");
    wait_until(PATIENCE, "10.0.0.0/24 is withheld", told).unwrap();
    assert_eq!(lab.learned(), all[..2]);

    // The router wants none of it any more.
    let stop = "set Logical_Router router options:dynamic-routing=false";
    lab.central.nbctl_line(stop).unwrap();
    let gone = || {
        let v4 = lab.node.ip("route show table all proto bgp").unwrap();
        let v6 = lab.node.ip("-6 route show table all proto bgp").unwrap();
        v4.is_empty() && v6.is_empty()
    };
    wait_until(PATIENCE, "no route of ours", gone).unwrap();
    let told = || lab.fib().is_some_and(|fib| fib["routers"].is_null());
    wait_until(PATIENCE, "no router's table", told).unwrap();
}

/// The rows of `Learned_Route`: one that is written anew has another.
fn ids(lab: &Lab) -> Vec<String> {
    let ids = ["--bare", "--columns=_uuid", "list", "Learned_Route"];
    let ids = lab.central.sbctl(&ids).unwrap();
    let mut ids: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
    ids.sort();
    ids
}
