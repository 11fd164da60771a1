//! The configuration that the Python agent's documentation shows, read by FRR and by us: the fabric and the
//! node's kernel must not see a difference.

use std::path::PathBuf;
use std::sync::Arc;

use interop::frr::Frr;
use interop::netns::{Namespace, connect};
use interop::{Need, Place, eventually, require};
use ovn_bgp_agent::advertise::Embedded;
use ovn_bgp_agent::config::{Input, Loaded};
use serde_json::{Value, json};

const BGPD: Need = Need::Program("/usr/lib/frr/bgpd");
const UPLINKS: [&str; 2] = ["enp2s0", "enp3s0"];
const LOOPBACK_V4: &str = "172.30.1.1/32";
const LOOPBACK_V6: &str = "f00d:f00d:f00d:f00d:f00d:f00d:f00d:4/128";

fn sample() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/frr/documented-sample.conf"
    );
    std::fs::read_to_string(path).unwrap()
}

/// A node with two uplinks, a leaf at each.
struct Fabric {
    dir: tempfile::TempDir,
    node: Namespace,
    leaves: Vec<(Frr, Namespace)>,
}

impl Fabric {
    fn new() -> Self {
        let dir = interop::scratch().unwrap();
        let node = Namespace::new("node").unwrap();
        // As on every node that routes: its kernel makes no default route of the leaves' advertisements.
        node.forward().unwrap();
        let mut leaves = Vec::new();
        for (index, uplink) in UPLINKS.into_iter().enumerate() {
            let leaf = Namespace::new("leaf").unwrap();
            connect((&node, uplink), (&leaf, "eth0")).unwrap();
            let config = leaf_config(index);
            let frr = Frr::start(&Place::inside(&leaf), &dir.path().join(uplink), &config);
            leaves.push((frr.unwrap(), leaf));
        }
        for address in [LOOPBACK_V4, LOOPBACK_V6] {
            node.address("lo", address).unwrap();
        }
        // Connected, and not a host prefix: it stays here.
        node.address("enp2s0", "192.0.2.5/24").unwrap();
        Self { dir, node, leaves }
    }

    /// What each leaf knows from the node, and what the node's kernel knows from the leaves.
    fn seen(&self) -> Value {
        let leaves = self
            .leaves
            .iter()
            .map(|(frr, _)| json!({ "ipv4": told(frr, "ipv4"), "ipv6": told(frr, "ipv6") }));
        json!({
            "leaves": leaves.collect::<Vec<_>>(),
            "kernel": [self.installed("-4"), self.installed("-6")],
        })
    }

    /// The node's default route.
    fn installed(&self, family: &str) -> Value {
        let text = self
            .node
            .ip(&format!("-j {family} route show default proto bgp"));
        let routes: Vec<Value> =
            serde_json::from_str(text.unwrap_or_default().trim()).unwrap_or_default();
        // IPv6 shows one route for each next hop.
        let mut devices: Vec<_> = routes.iter().flat_map(devices).collect();
        devices.sort();
        let first = routes.first().unwrap_or(&Value::Null);
        json!({ "devices": devices, "source": first["prefsrc"], "metric": first["metric"] })
    }
}

fn devices(route: &Value) -> Vec<String> {
    let hops = route["nexthops"].as_array().cloned();
    let hops = hops.unwrap_or_else(|| vec![route.clone()]);
    hops.iter()
        .filter_map(|hop| Some(hop["dev"].as_str()?.to_owned()))
        .collect()
}

fn leaf_config(index: usize) -> String {
    let family = |family: &str| {
        format!(
            " address-family {family} unicast\n  neighbor eth0 activate\n  neighbor eth0 default-originate\n exit-address-family\n"
        )
    };
    format!(
        "router bgp 64999\n bgp router-id 10.255.0.{}\n no bgp default ipv4-unicast\n no bgp ebgp-requires-policy\n \
         neighbor eth0 interface remote-as internal\n neighbor eth0 password foobar\n neighbor eth0 timers connect 1\n{}{}",
        index + 1,
        family("ipv4"),
        family("ipv6"),
    )
}

/// The prefixes a leaf was told, with what of their attributes the fabric decides by.
fn told(frr: &Frr, family: &str) -> Value {
    let table = frr
        .json(&format!("show bgp {family} unicast"))
        .unwrap_or_default();
    let Some(routes) = table["routes"].as_object() else {
        return Value::Null;
    };
    let route = |prefix: &String| {
        let one = frr
            .json(&format!("show bgp {family} unicast {prefix}"))
            .unwrap_or_default();
        let path = &one["paths"][0];
        let learned = path["peer"]["peerId"]
            .as_str()
            .is_some_and(|peer| peer != "::");
        learned.then(|| {
            json!({
                "prefix": prefix,
                "as path": path["aspath"]["string"],
                "origin": path["origin"],
                "preference": path["locPrf"],
                "communities": path["community"]["string"],
                "next hop is link-local": path["nexthops"].as_array().is_some_and(|hops| hops.iter().any(|hop| hop["scope"] == "link-local")),
            })
        })
    };
    routes.keys().filter_map(route).collect()
}

#[test]
fn with_the_documented_sample_the_fabric_sees_what_it_sees_of_frr() {
    require!(Need::Root, BGPD);
    let expected = {
        let fabric = Fabric::new();
        // Where the test may not write.
        let config = sample().replace("log file /var/log/frr/frr.log debugging\n", "");
        let _node = Frr::start(
            &Place::inside(&fabric.node),
            &fabric.dir.path().join("node"),
            &config,
        )
        .unwrap();
        eventually((true, true), || is_complete(&fabric.seen()));
        fabric.seen()
    };
    let fabric = Fabric::new();
    let frr = sample();
    let input = Input {
        files: vec![(
            PathBuf::from("bgp-agent.conf"),
            "[DEFAULT]\ndriver = nb_ovn_bgp_driver\n[bgp]\nfrr_config = /etc/frr/frr.conf\n"
                .to_owned(),
        )],
        ..Input::default()
    };
    let loaded = Loaded::read_with(&input, &|_| Ok(frr.clone()));
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    let mut speaker = Embedded::new(Arc::new(loaded.config));
    let started = fabric.node.inside(|| speaker.start().map(drop));
    started.unwrap().unwrap();
    eventually(serde_json::to_string_pretty(&expected).unwrap(), || {
        serde_json::to_string_pretty(&fabric.seen()).unwrap()
    });
}

/// Whether the leaves know the node's loopbacks, and the kernel both ways out for both families.
fn is_complete(seen: &Value) -> (bool, bool) {
    let leaves = seen["leaves"].as_array().into_iter().flatten();
    let known = leaves.flat_map(|leaf| [&leaf["ipv4"], &leaf["ipv6"]]);
    let kernel = seen["kernel"].as_array().into_iter().flatten();
    let both = |family: &Value| family["devices"].as_array().map_or(0, Vec::len) == 2;
    (
        { known }.all(|prefixes| prefixes.as_array().is_some_and(|all| !all.is_empty())),
        { kernel }.all(both),
    )
}
