//! Nothing is passed over in silence: every candidate in databases that a real Neutron and northd wrote is
//! exposed or withheld, with every driver, set of options and node. What a candidate is (docs/codes.md) is found
//! here in the rows themselves, without the agent's eyes.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use ovn_bgp_agent::exposure::{Decision, is_routable, northbound, southbound, stretched_l2};
use ovn_bgp_agent::ovn::southbound::Scope;
use serde_json::Value;
use snapshot::rows;

/// A prefix, and the port it must be told of; "" where any will do.
type Candidates = BTreeSet<(IpNet, String)>;

#[test]
fn every_candidate_of_northbound_is_exposed_or_withheld() {
    let mut seen = 0;
    for dir in snapshot::all() {
        let (nb, raw) = (rows::northbound(&dir), Raw::read(&dir, "nb"));
        for combo in snapshot::combos(&dir, "nb") {
            let candidates = raw.northbound(combo.name.contains("subnet"));
            for host in combo.advertised.keys() {
                let node = rows::node(&dir, host);
                let decision = northbound::decide(northbound::Inputs {
                    northbound: &nb,
                    southbound: None,
                    node: &node,
                    options: &combo.options,
                });
                seen += all_told(&dir, &combo.name, host, &candidates, &decision);
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn every_candidate_of_southbound_is_exposed_or_withheld() {
    let mut seen = 0;
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        let raw = Raw::read(&dir, "sb");
        for combo in snapshot::combos(&dir, "sb") {
            let candidates = raw.southbound(combo.name.contains("subnet"));
            for host in combo.advertised.keys() {
                let decision = southbound::decide(southbound::Inputs {
                    southbound: &sb,
                    node: &rows::node(&dir, host),
                    options: &combo.options,
                });
                seen += all_told(&dir, &combo.name, host, &candidates, &decision);
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn every_network_behind_a_router_is_stretched_or_withheld() {
    let mut seen = 0;
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        let candidates = Raw::read(&dir, "sb").behind_routers();
        for combo in snapshot::combos(&dir, "stretched") {
            let decision = stretched_l2::decide(stretched_l2::Inputs {
                southbound: &sb,
                options: &combo.options,
            });
            seen += all_told(&dir, &combo.name, "any node", &candidates, &decision);
        }
    }
    assert!(seen > 20, "{seen}");
}

/// How many candidates there are; each must be told of.
fn all_told(
    dir: &Path,
    combo: &str,
    host: &str,
    candidates: &Candidates,
    decision: &Decision,
) -> usize {
    let exposed = decision.exposures.iter().map(|e| (e.prefix, &e.port));
    let withheld = decision.withheld.iter().map(|w| (w.prefix, &w.port));
    let told: BTreeSet<(IpNet, String)> = exposed
        .chain(withheld)
        .flat_map(|(prefix, port)| [(prefix, port.to_string()), (prefix, String::new())])
        .collect();
    let missing: Vec<_> = candidates.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "{} {combo} on {host}: {missing:?}",
        dir.display()
    );
    candidates.len()
}

/// The tables of a database file, as JSON.
struct Raw(Value);

impl Raw {
    fn read(dir: &Path, name: &str) -> Self {
        let file = std::fs::File::open(dir.join(format!("{name}.db.gz"))).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
        let mut records = text.lines().filter(|line| line.starts_with('{')).skip(1);
        Self(serde_json::from_str(records.next().unwrap()).unwrap())
    }

    fn rows(&self, table: &str) -> impl Iterator<Item = (&str, Row<'_>)> {
        let rows = self.0.get(table).and_then(Value::as_object);
        let rows = rows.into_iter().flatten();
        rows.map(|(uuid, row)| (uuid.as_str(), Row(row)))
    }

    fn northbound(&self, subnets: bool) -> Candidates {
        let mut candidates = Candidates::new();
        let balancers: Vec<Row<'_>> = self.rows("Load_Balancer").map(|(_, row)| row).collect();
        let vip_ports: BTreeSet<String> = balancers
            .iter()
            .filter_map(|row| row.entry("external_ids", "neutron:vip_port_id"))
            .collect();
        for (_, port) in self.rows("Logical_Switch_Port") {
            let name = port.text("name");
            let owner = port
                .entry("external_ids", "neutron:device_owner")
                .unwrap_or_default();
            let is_vip = vip_ports.contains(&name) || owner.starts_with("ovn-lb-vip");
            if ["", "virtual", "external"].contains(&port.text("type").as_str()) && !is_vip {
                let texts = port.texts("addresses");
                let ips = texts
                    .iter()
                    .flat_map(|text| text.split_whitespace().skip(1));
                candidates.extend(hosts(ips, &name));
            }
        }
        for (_, nat) in self
            .rows("NAT")
            .filter(|(_, nat)| nat.text("type") != "snat")
        {
            candidates.extend(hosts([nat.text("external_ip").as_str()], ""));
        }
        for (_, port) in self.rows("Logical_Router_Port") {
            let is_gateway = !port.texts("gateway_chassis").is_empty()
                || !port.texts("ha_chassis_group").is_empty();
            let networks = port.texts("networks");
            if is_gateway {
                let ips = networks.iter().filter_map(|net| net.split('/').next());
                candidates.extend(hosts(ips, &port.text("name")));
            } else if subnets {
                candidates.extend(nets(networks.iter().map(String::as_str)));
            }
        }
        for row in &balancers {
            candidates.extend(row.vips());
            let reserved = row.entry("external_ids", "neutron:vip").unwrap_or_default();
            candidates.extend(hosts([reserved.as_str()], ""));
        }
        candidates
    }

    fn southbound(&self, subnets: bool) -> Candidates {
        let mut candidates = Candidates::new();
        for (_, port) in self.rows("Port_Binding") {
            let name = port.text("logical_port");
            let is_vip = port
                .entry("external_ids", "neutron:port_name")
                .is_some_and(|name| name.starts_with("ovn-lb-vip-"));
            let kind = port.text("type");
            let mac = port.texts("mac");
            let words = mac.iter().flat_map(|text| text.split_whitespace().skip(1));
            let ips = words.filter_map(|word| word.split('/').next());
            match kind.as_str() {
                "" | "virtual" | "external" if !is_vip => candidates.extend(hosts(ips, &name)),
                "chassisredirect" => candidates.extend(hosts(ips, name.trim_start_matches("cr-"))),
                "patch" => {
                    let texts = port.texts("nat_addresses");
                    let words = texts
                        .iter()
                        .flat_map(|text| text.split_whitespace().skip(1));
                    candidates.extend(hosts(words, ""));
                }
                _ => {}
            }
        }
        if subnets {
            candidates.extend(self.behind_routers());
        }
        for (_, row) in self.rows("Load_Balancer") {
            candidates.extend(row.vips());
        }
        candidates
    }

    /// Networks of router ports that are no gateway, of OVN_Southbound.
    fn behind_routers(&self) -> Candidates {
        let bindings: BTreeMap<String, Row<'_>> = self
            .rows("Port_Binding")
            .map(|(_, row)| (row.text("logical_port"), row))
            .collect();
        let inner = bindings.iter().filter(|(name, row)| {
            name.starts_with("lrp-")
                && row.text("type") == "patch"
                && row.entry("options", "chassis-redirect-port").is_none()
        });
        let mac = inner.flat_map(|(_, row)| row.texts("mac"));
        let words: Vec<String> = mac.flat_map(|text| words(&text)).collect();
        nets(words.iter().map(String::as_str)).collect()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// A row of a database file (ovsdb(5)): an atom, `["set", […]]` or `["map", [[k, v], …]]` per column.
#[derive(Clone, Copy)]
struct Row<'a>(&'a Value);

impl Row<'_> {
    fn text(&self, column: &str) -> String {
        self.0
            .get(column)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    fn texts(&self, column: &str) -> Vec<String> {
        let atom = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Array(pair) => pair[1].as_str().unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        match self.0.get(column) {
            None => Vec::new(),
            Some(Value::Array(parts)) if parts[0] == "set" => {
                parts[1].as_array().unwrap().iter().map(atom).collect()
            }
            Some(value) => vec![atom(value)],
        }
    }

    fn map(&self, column: &str) -> BTreeMap<String, String> {
        let pairs = self
            .0
            .get(column)
            .and_then(|map| map.get(1))
            .and_then(Value::as_array);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pairs = pairs.into_iter().flatten();
        pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    }

    fn entry(&self, column: &str, key: &str) -> Option<String> {
        self.map(column).remove(key).filter(|text| !text.is_empty())
    }

    /// The addresses among the keys of `vips`, `address:port` or `[address]:port`.
    fn vips(&self) -> Candidates {
        let keys = self.map("vips");
        let addresses = keys.keys().map(|key| {
            let without_port = key
                .rsplit_once(':')
                .map_or(key.as_str(), |(address, _)| address);
            without_port.trim_matches(['[', ']']).to_owned()
        });
        let addresses: Vec<String> = addresses.collect();
        hosts(addresses.iter().map(String::as_str), "").collect()
    }
}

fn hosts<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    port: &str,
) -> impl Iterator<Item = (IpNet, String)> {
    let ips = texts
        .into_iter()
        .filter_map(|text| text.parse::<IpAddr>().ok());
    let ips: Vec<IpAddr> = ips.filter(|ip| is_routable(*ip)).collect();
    let port = port.to_owned();
    ips.into_iter()
        .map(move |ip| (IpNet::from(ip), port.clone()))
}

fn nets<'a>(texts: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = (IpNet, String)> {
    let nets = texts
        .into_iter()
        .filter_map(|text| text.parse::<IpNet>().ok());
    let nets: Vec<IpNet> = nets.filter(|net| is_routable(net.addr())).collect();
    nets.into_iter().map(|net| (net.trunc(), String::new()))
}
