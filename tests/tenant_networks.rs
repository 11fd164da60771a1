//! Tenant networks on the chassis of their gateway, by every driver: databases as Neutron and northd left
//! them (tests/fixtures/snap/03_tenant_snat), served by real servers, to a real switch, kernel and peer.

mod agent_node;

use std::collections::BTreeSet;
use std::path::Path;

use agent_node::*;
use interop::collector::Event;
use interop::ovsdb::OvsdbServer;
use interop::{Need, Place, require, wait_until};
use ipnet::IpNet;
use serde_json::{Value, json};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("ovs-vswitchd"),
    Need::Program("ovsdb-server"),
];

const SNAPSHOT: &str = "tests/fixtures/snap/03_tenant_snat";
const PROVNET: &str = "provnet-ae25c50f-ff25-4b7a-a5b3-16a434695de7";
/// compute-2, which hosts the router's gateway.
const OWN_CHASSIS: &str = "7e2b90f3-21cb-47d2-8a34-0b7d4ce2c002";
const OWN_CHASSIS_ROW: &str = "15d1157a-70bb-4ce1-b1c3-9223d2f6f958";
/// gw-1.
const OTHER_CHASSIS: &str = "a9d8c7b6-0f1e-4d2c-b3a4-5e6f7a8b9001";
const OTHER_CHASSIS_ROW: &str = "8de6b056-6a38-4a1f-b2dc-1f188f7b69a2";
const GATEWAY_PORT: &str = "lrp-e2e1a3dc-39ef-4bed-bfb3-0963cd1df2fc";
const GATEWAY: &str = "172.24.4.248";
const SUBNETS: [&str; 5] = [
    "10.10.1.0/24",
    "10.10.2.0/24",
    "2001:db8:200:1::/64",
    "2a05:d014:aa:1::/64",
    "fd00:aa:0:1::/64",
];

/// The cloud's databases, and compute-2 in it.
struct Lab {
    nb: OvsdbServer,
    sb: OvsdbServer,
    node: Node,
}

impl Lab {
    fn new(driver: &str, options: &str) -> Self {
        let dir = interop::scratch().unwrap();
        let serve = |name: &str| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOT);
            let file = root.join(format!("{name}.db.gz"));
            OvsdbServer::from_file(&Place::host(), dir.path(), name, &file).unwrap()
        };
        let (nb, sb) = (serve("nb"), serve("sb"));
        let remote = nb.unix();
        let node = Node::new(dir, &remote);
        for id in [
            format!("system-id={OWN_CHASSIS}"),
            "hostname=compute-2".to_owned(),
        ] {
            let id = format!("external-ids:{id}");
            node.switch.vsctl(&["set", "open", ".", &id]).unwrap();
        }
        node.switch.add_localnet_patch("br-ex", PROVNET).unwrap();
        let mut lab = Self { nb, sb, node };
        lab.drive(driver);
        lab.node.configure(options);
        lab
    }

    /// Another driver from the next start on.
    fn drive(&mut self, driver: &str) {
        self.node
            .replace_line("driver = ", &format!("driver = {driver}"));
    }

    fn with_southbound(self) -> Self {
        let sb = format!("ovn_sb_connection = {}", self.sb.unix());
        self.node.configure_section("ovn", &sb);
        self
    }

    fn started(mut self) -> Self {
        self.node.start_agent();
        self
    }

    /// Another driver in place of the one that runs, and a peer that has forgotten what that said.
    fn restart_with(&mut self, driver: &str) {
        self.node.kill_agent();
        self.node.stop_peer();
        self.drive(driver);
        self.node.start_peer();
        self.node.start_agent();
    }

    /// ovn-controller of another chassis claims the gateway.
    fn fail_over(&self, chassis_row: &str) {
        self.sb
            .transact(&json!(["OVN_Southbound", {
                "op": "update", "table": "Port_Binding",
                "where": [["logical_port", "==", format!("cr-{GATEWAY_PORT}")]],
                "row": {"chassis": ["uuid", chassis_row]}}]))
            .unwrap();
    }

    /// northd copies that to Northbound.
    fn copy_to_northbound(&self, chassis: &str) {
        self.nb
            .transact(&json!(["OVN_Northbound", {
                "op": "update", "table": "Logical_Router_Port",
                "where": [["name", "==", GATEWAY_PORT]],
                "row": {"status": ["map", [["hosting-chassis", chassis]]]}}]))
            .unwrap();
    }

    /// Waits until the peer has exactly what `expected.json` says of compute-2.
    fn expect(&self, combination: &str) {
        self.expect_routes(&expected(combination));
    }

    fn expect_routes(&self, wanted: &[IpNet]) {
        if let Err(routes) = self.node.peer().wait_for_routes(DEADLINE, wanted) {
            panic!(
                "the peer has {routes:?}, not {wanted:?}\n{}",
                self.node.log()
            );
        }
    }

    fn rules(&self) -> BTreeSet<String> {
        let lines = ["-4 rule show", "-6 rule show"].map(|what| self.node.ip(what));
        let all = lines.iter().flat_map(|text| text.lines());
        let ours = all.filter(|line| line.starts_with("32000:"));
        ours.map(|line| line.trim().replace('\t', " ")).collect()
    }
}

fn expected(combination: &str) -> Vec<IpNet> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(SNAPSHOT)
        .join("expected.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let here = &all[combination]["advertised"]["compute-2"]["bgp-vrf"];
    let prefixes = here.as_array().unwrap().iter();
    let mut prefixes: Vec<IpNet> = prefixes
        .map(|p| p.as_str().unwrap().parse().unwrap())
        .collect();
    prefixes.sort();
    prefixes
}

#[test]
fn b079_b084_b085_hosts_share_their_subnets_wiring_and_go_and_come_with_the_gateway() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = Lab::new("nb_ovn_bgp_driver", "expose_tenant_networks = true").started();
    lab.expect("nb/tenant");
    let node = &lab.node;
    node.expect_wired(&format!("10.10.1.0/24 via {GATEWAY} dev br-ex"), true);
    node.expect_wired(
        "2a05:d014:aa:1::/64 via 2001:db8:100:0:f816:3eff:fe83:4bc1",
        true,
    );
    node.expect_wired(&format!("{GATEWAY} lladdr fa:16:3e:83:4b:c1"), true);
    let rules = lab.rules();
    assert_eq!(
        rules.len(),
        SUBNETS.len() + 2,
        "one per subnet and gateway address: {rules:#?}"
    );
    assert!(
        rules
            .iter()
            .any(|rule| rule.contains("to 10.10.1.0/24 lookup")),
        "{rules:#?}"
    );

    node.peer().forget();
    lab.copy_to_northbound(OTHER_CHASSIS);
    lab.expect_routes(&[]);
    let left = || lab.rules().is_empty();
    wait_until(DEADLINE, "no rule is left", left).unwrap();
    let wiring = node.wiring();
    let of_tenants: Vec<_> = wiring
        .iter()
        .filter(|line| line.contains(" via ") || line.contains("lladdr"))
        .collect();
    assert!(of_tenants.is_empty(), "{of_tenants:#?}");

    lab.copy_to_northbound(OWN_CHASSIS);
    lab.expect("nb/tenant");
}

#[test]
fn b087_b169_in_subnet_mode_subnets_pass_the_default_filter() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let options = "expose_tenant_networks = true\nadvertisement_method_tenant_networks = subnet";
    let lab = Lab::new("nb_ovn_bgp_driver", options).started();
    lab.expect("nb/tenant+subnet");
    assert_eq!(lab.rules().len(), SUBNETS.len() + 2);
}

#[test]
fn a_failover_is_seen_in_southbound_before_northd_has_copied_it() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = Lab::new("nb_ovn_bgp_driver", "expose_tenant_networks = true");
    let mut lab = lab.with_southbound().started();
    lab.expect("nb/tenant");
    lab.fail_over(OTHER_CHASSIS_ROW);
    lab.expect_routes(&[]);
    lab.fail_over(OWN_CHASSIS_ROW);
    lab.expect("nb/tenant");
    // Without it, nothing changes: Northbound says the same.
    lab.node.peer().forget();
    lab.sb.stop();
    lab.node.wait_for_log("OVN_Southbound is not connected");
    let rules = lab.rules();
    assert_eq!(lab.node.history(), []);
    assert_eq!(lab.rules(), rules);
}

#[test]
fn b145_the_southbound_driver_exposes_the_same() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = Lab::new("ovn_bgp_driver", "expose_tenant_networks = true");
    let lab = lab.with_southbound().started();
    lab.expect("sb/tenant");
    lab.node
        .expect_wired(&format!("10.10.1.0/24 via {GATEWAY} dev br-ex"), true);
    let summary = lab.node.says(&["show", "summary"]);
    assert!(summary.contains("OVN_Southbound"), "{summary}");
    assert!(!summary.contains("OVN_Northbound"), "{summary}");
    let told = lab.node.says(&["explain", "10.10.1.100"]);
    assert!(told.contains("is advertised to leaf"), "{told}");
    lab.fail_over(OTHER_CHASSIS_ROW);
    lab.expect_routes(&[]);
}

/// northd has copied to `Port_Binding` what a port says.
fn say(lab: &Lab, port: &str, said: &[(&str, &str)]) {
    let keys = ["bgp:advertise", "bgp:communities", "bgp:med"];
    let pairs: Vec<Value> = said
        .iter()
        .map(|(key, value)| json!([key, value]))
        .collect();
    lab.sb
        .transact(&json!(["OVN_Southbound", {
            "op": "mutate", "table": "Port_Binding", "where": [["logical_port", "==", port]],
            "mutations": [["external_ids", "delete", ["set", keys]],
                          ["external_ids", "insert", ["map", pairs]]]}]))
        .unwrap();
}

fn med(lab: &Lab, prefix: &str) -> Option<u8> {
    let prefix: IpNet = prefix.parse().unwrap();
    let value = |table: &interop::collector::Table| {
        let med = table.routes.get(&prefix)?.others.get(&4)?;
        med.last().copied()
    };
    lab.node.peer().with(value)
}

#[test]
fn policies_hold_with_the_southbound_drivers() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = Lab::new("ovn_bgp_driver", "expose_tenant_networks = true");
    let lab = lab.with_southbound();
    let policy = lab.node.dir.path().join("policy.conf");
    std::fs::write(
        &policy,
        "[expose v6]\ncidr = 2a05:d014:aa:1::/64\nmed = 9\n",
    )
    .unwrap();
    let option = format!("exposure_policy_file = {}", policy.display());
    lab.node.configure(&option);
    let mut lab = lab.started();
    let all = expected("sb/tenant");
    lab.expect_routes(&all);
    let host: IpNet = "10.10.1.100/32".parse().unwrap();
    let port = {
        let plan = lab.node.json(&["plan"]);
        let exposures = plan["exposures"].as_array().unwrap();
        let entry = exposures.iter().find(|e| e["prefix"] == host.to_string());
        let v6 = exposures.iter().find(|e| {
            let prefix = e["prefix"].as_str().unwrap();
            prefix.starts_with("2a05:d014:aa:1:")
        });
        assert_eq!(v6.unwrap()["attributes"], json!({"med": 9}));
        entry.unwrap()["port"].as_str().unwrap().to_owned()
    };
    lab.node.peer().forget();
    say(&lab, &port, &[("bgp:med", "7")]);
    let told = || med(&lab, "10.10.1.100/32") == Some(7);
    wait_until(DEADLINE, "the MED is told", told).unwrap();
    assert_eq!(lab.node.withdrawn(), []);
    say(&lab, &port, &[("bgp:advertise", "false")]);
    let gone = || {
        !lab.node
            .peer()
            .with(|table| table.routes.contains_key(&host))
    };
    wait_until(DEADLINE, "the host is gone", gone).unwrap();
    let told = lab.node.says(&["explain", "10.10.1.100"]);
    let why = format!("Port_Binding {port} external_ids:bgp:advertise is false [policy]");
    assert!(told.contains(&why), "{told}");
    say(&lab, &port, &[]);
    lab.expect_routes(&all);

    // The gateway's own network is of its router port.
    say(&lab, GATEWAY_PORT, &[("bgp:med", "5")]);
    lab.restart_with("ovn_stretched_l2_bgp_driver");
    lab.expect("stretched/default");
    let told = || med(&lab, "172.24.4.0/24") == Some(5);
    wait_until(DEADLINE, "the MED of the gateway's network", told).unwrap();
    assert_eq!(med(&lab, "10.10.1.0/24"), None);
}

#[test]
fn b161_stretched_networks_lead_to_their_gateway_and_another_drivers_wiring_is_swept() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let lab = Lab::new("nb_ovn_bgp_driver", "expose_tenant_networks = true");
    let mut lab = lab.with_southbound().started();
    lab.expect("nb/tenant");
    lab.restart_with("ovn_stretched_l2_bgp_driver");
    lab.expect("stretched/default");
    let hop = |prefix: &str| {
        let prefix: IpNet = prefix.parse().unwrap();
        lab.node.peer().with(|table| table.routes[&prefix].next_hop)
    };
    assert_eq!(hop("10.10.1.0/24").to_string(), GATEWAY);
    assert_eq!(
        hop("2a05:d014:aa:1::/64").to_string(),
        "2001:db8:100:0:f816:3eff:fe83:4bc1"
    );
    let swept = || lab.rules().is_empty() && own_flows(&lab.node.switch).is_empty();
    wait_until(DEADLINE, "what the other driver wired is gone", swept).unwrap();
    lab.node.expect_wired(" via ", false);
    lab.restart_with("nb_ovn_bgp_driver");
    lab.expect("nb/tenant");
}

#[test]
fn the_python_agents_rule_with_host_bits_is_adopted_as_it_is_and_goes_with_its_subnet() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let mut lab = Lab::new("nb_ovn_bgp_driver", "expose_tenant_networks = true");
    std::fs::write(lab.node.dir.path().join("rt_tables"), "201 br-ex\n").unwrap();
    lab.node.ip("link set br-ex up");
    lab.node
        .ip("rule add pref 32000 to 10.10.1.1/24 lookup 201");
    let before = lab.rules();
    assert!(
        before.iter().any(|rule| rule.contains("to 10.10.1.1/24")),
        "{before:?}"
    );
    let mut kernel = lab.node.monitor();
    lab.node.start_agent();
    lab.expect("nb/tenant");
    let heard = kernel.heard();
    let touched = heard
        .iter()
        .filter(|(_, line)| line.contains("to 10.10.1."));
    assert_eq!(touched.count(), 0, "{heard:#?}");
    lab.copy_to_northbound(OTHER_CHASSIS);
    lab.expect_routes(&[]);
    let left = || lab.rules().is_empty();
    wait_until(DEADLINE, "the rule is gone", left).unwrap();
    assert!(lab.node.withdrawn().contains(&host("10.10.1.100")));
    assert!(
        !lab.node
            .history()
            .contains(&Event::Announced(host("10.10.1.1")))
    );
}

#[test]
fn b014_hosts_of_tenant_networks_stay_when_the_agent_restarts_without_a_database() {
    require!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let mut lab = Lab::new("nb_ovn_bgp_driver", "expose_tenant_networks = true").started();
    lab.expect("nb/tenant");
    lab.nb.stop();
    lab.node.kill_agent();
    lab.node.stop_peer();
    lab.node.start_peer();
    lab.node.launch_agent();
    lab.node
        .wait_for_log("OVN_Northbound cannot be reached: advertising");
    lab.expect("nb/tenant");
    lab.node.expect_end_of_rib(1);
    lab.nb.start().unwrap();
    lab.node.wait_for_log("BGP Agent Started...");
    assert_eq!(lab.node.withdrawn(), []);
    lab.copy_to_northbound(OTHER_CHASSIS);
    lab.expect_routes(&[]);
}
