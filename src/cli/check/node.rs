//! What is wrong with a node. Pure over [`NodeFacts`].

use std::collections::BTreeMap;

use super::frr::frr_findings;
use super::{Finding, NodeFacts, SocketFact};
use crate::config::{Config, Severity};

/// Every problem of the node for this configuration.
pub fn node_findings(facts: &NodeFacts, config: &Config) -> Vec<Finding> {
    let mut node = Node::default();
    node.forwarding(facts);
    node.capabilities(facts, config);
    node.database(facts, config);
    node.bridges(facts);
    node.tables(facts, config);
    node.findings.extend(frr_findings(facts, config));
    node.findings
}

#[derive(Default)]
struct Node {
    findings: Vec<Finding>,
}

impl Node {
    fn error(&mut self, place: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Error, place, problem.into(), remedy.into());
    }

    fn warning(&mut self, place: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Warning, place, problem.into(), remedy.into());
    }

    fn push(&mut self, severity: Severity, place: &str, problem: String, remedy: String) {
        let place = place.to_owned();
        self.findings.push(Finding {
            severity,
            place,
            problem,
            remedy,
        });
    }

    fn forwarding(&mut self, facts: &NodeFacts) {
        for (path, problem) in [
            (
                "net.ipv4.ip_forward",
                "IPv4 forwarding is off: traffic from the fabric stops here",
            ),
            (
                "net.ipv6.conf.all.forwarding",
                "IPv6 forwarding is off: traffic from the fabric stops here",
            ),
        ] {
            if facts.sysctls.get(path).is_some_and(|v| v == "0") {
                self.error(
                    path,
                    problem,
                    format!("sysctl -w {path}=1, and keep it in /etc/sysctl.d"),
                );
            }
        }
        // The kernel uses the higher of `all` and the device's own value; strict is 1.
        for (path, value) in &facts.sysctls {
            if path.starts_with("net.ipv4.conf.") && path.ends_with(".rp_filter") && value == "1" {
                self.warning(
                    path,
                    "strict reverse-path filter drops what returns by another way",
                    format!("sysctl -w {path}=2 (loose) or 0, and keep it in /etc/sysctl.d"),
                );
            }
        }
    }

    fn capabilities(&mut self, facts: &NodeFacts, config: &Config) {
        let privileged = config.bgp.port < 1024 && !config.bgp.listen.is_empty();
        for (name, needed, what) in [
            (
                "CAP_NET_ADMIN",
                true,
                "routes, rules and flows cannot be written",
            ),
            ("CAP_NET_RAW", true, "sockets cannot be bound to a device"),
            (
                "CAP_NET_BIND_SERVICE",
                privileged,
                "the BGP port cannot be listened on",
            ),
        ] {
            if needed && !facts.capabilities.iter().any(|c| c == name) {
                let remedy =
                    format!("run as root, or add {name} (AmbientCapabilities= of systemd)");
                self.error("process", format!("{name} is missing: {what}"), remedy);
            }
        }
    }

    fn database(&mut self, facts: &NodeFacts, config: &Config) {
        let place = config.ovn.ovsdb_connection.as_str();
        match &facts.ovsdb {
            SocketFact::Reachable => {}
            SocketFact::Missing => self.error(
                place,
                "nothing listens there",
                "start Open vSwitch, or set ovsdb_connection (often unix:/run/openvswitch/db.sock)",
            ),
            SocketFact::Denied => self.error(
                place,
                "permission denied",
                "run as root, or in the socket's group",
            ),
            SocketFact::Failed(why) => self.error(
                place,
                format!("cannot be read: {why}"),
                "check ovsdb_connection",
            ),
        }
        if facts.ovsdb != SocketFact::Reachable {
            return;
        }
        if !facts.external_ids.contains_key("system-id") {
            self.error(
                "Open_vSwitch external_ids:system-id",
                "is missing: the agent does not know its chassis",
                "ovs-vsctl set open . external_ids:system-id=<chassis>",
            );
        }
        if !facts.external_ids.contains_key("hostname") {
            let host = facts.hostname.as_deref().unwrap_or("unknown");
            self.warning(
                "Open_vSwitch external_ids:hostname",
                format!("is missing: the machine's name ({host}) is used"),
                "ovs-vsctl set open . external_ids:hostname=<name in Neutron>",
            );
        }
        for (id, given, option) in [(
            "ovn-nb-remote",
            &config.ovn.northbound.connection,
            "ovn_nb_connection",
        )] {
            if given.is_none() && !facts.external_ids.contains_key(id) {
                self.error(
                    &format!("Open_vSwitch external_ids:{id}"),
                    format!("is missing, and [ovn] {option} is not set"),
                    format!("set [ovn] {option}"),
                );
            }
        }
    }

    fn bridges(&mut self, facts: &NodeFacts) {
        if facts.ovsdb != SocketFact::Reachable {
            return;
        }
        let place = "Open_vSwitch external_ids:ovn-bridge-mappings";
        let Some(mappings) = facts.external_ids.get("ovn-bridge-mappings") else {
            return self.warning(
                place,
                "is missing: no provider network is attached, so nothing is exposed",
                "ovs-vsctl set open . external_ids:ovn-bridge-mappings=<network>:<bridge>",
            );
        };
        let mut seen = BTreeMap::new();
        for entry in mappings.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let parts: Vec<_> = entry.split(':').collect();
            let &[network, bridge] = parts.as_slice() else {
                self.warning(
                    place,
                    format!("'{entry}' is not <network>:<bridge>, ignored"),
                    "correct the entry",
                );
                continue;
            };
            if seen.insert(network, bridge).is_some() {
                self.warning(
                    place,
                    format!("network '{network}' is mapped twice"),
                    "remove one of the two",
                );
            }
            match facts.bridges.get(bridge) {
                None => self.error(
                    place,
                    format!("bridge '{bridge}' does not exist"),
                    format!("ovs-vsctl add-br {bridge}, or correct the mapping"),
                ),
                Some(fact) if !fact.is_up => self.warning(
                    &format!("bridge {bridge}"),
                    "is down; the agent sets it up",
                    format!("ip link set {bridge} up, at boot"),
                ),
                Some(_) => {}
            }
        }
    }

    fn tables(&mut self, facts: &NodeFacts, config: &Config) {
        let place = "/etc/iproute2/rt_tables";
        let rows = match &facts.rt_tables {
            Ok(text) => text,
            Err(why) => {
                return self.error(
                    place,
                    format!("cannot be read: {why}"),
                    "run as root, and mount /etc/iproute2 into the container",
                );
            }
        };
        let own = config.agent.bgp_vrf_table_id;
        for row in rows.lines() {
            let mut words = row.split_whitespace();
            let id = words.next().and_then(|w| w.parse::<u32>().ok());
            if let (true, Some(name)) = (id == Some(own), words.next())
                && facts.bridges.contains_key(name)
            {
                self.error(
                    place,
                    format!("table {own} is bridge {name}'s and bgp_vrf_table_id's"),
                    "set bgp_vrf_table_id to a free number",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::BridgeFact;
    use crate::config::{Input, Loaded};

    fn config() -> Config {
        let text = "[ovn]\novn_nb_connection = tcp:192.0.2.1:6641\n";
        let files = vec![("a.conf".into(), text.to_owned())];
        Loaded::read(&Input {
            files,
            ..Input::default()
        })
        .config
    }

    fn healthy() -> NodeFacts {
        let pair = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
        NodeFacts {
            sysctls: [
                ("net.ipv4.ip_forward", "1"),
                ("net.ipv6.conf.all.forwarding", "1"),
                ("net.ipv4.conf.all.rp_filter", "2"),
            ]
            .map(pair)
            .into(),
            capabilities: ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"]
                .map(str::to_owned)
                .into(),
            ovsdb: SocketFact::Reachable,
            external_ids: [
                ("system-id", "c1"),
                ("hostname", "h1"),
                ("ovn-bridge-mappings", "physnet1:br-ex"),
            ]
            .map(pair)
            .into(),
            bridges: [("br-ex".to_owned(), BridgeFact { is_up: true })].into(),
            rt_tables: Ok("254 main\n201 br-ex\n".into()),
            hostname: Some("h1".into()),
            frr: None,
        }
    }

    /// The one finding after `change`, as `place: problem`.
    fn finding(change: impl FnOnce(&mut NodeFacts)) -> String {
        let mut facts = healthy();
        change(&mut facts);
        let findings = node_findings(&facts, &config());
        assert_eq!(findings.len(), 1, "{findings:?}");
        format!("{}: {}", findings[0].place, findings[0].problem)
    }

    #[test]
    fn a_healthy_node_has_no_finding() {
        assert_eq!(node_findings(&healthy(), &config()), []);
    }

    #[test]
    fn each_fault_is_one_finding() {
        let set = |path: &str, value: &str| {
            let (path, value) = (path.to_owned(), value.to_owned());
            move |f: &mut NodeFacts| drop(f.sysctls.insert(path, value))
        };
        assert!(finding(set("net.ipv4.ip_forward", "0")).contains("IPv4 forwarding is off"));
        assert!(
            finding(set("net.ipv6.conf.all.forwarding", "0")).contains("IPv6 forwarding is off")
        );
        assert!(finding(set("net.ipv4.conf.br-ex.rp_filter", "1")).contains("strict"));
        for capability in ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"] {
            assert!(finding(|f| f.capabilities.retain(|c| c != capability)).contains(capability));
        }
        assert!(finding(|f| f.ovsdb = SocketFact::Missing).contains("nothing listens"));
        assert!(finding(|f| f.ovsdb = SocketFact::Denied).contains("permission denied"));
        assert!(finding(|f| f.ovsdb = SocketFact::Failed("reset".into())).contains("reset"));
        assert!(
            finding(|f| drop(f.external_ids.remove("ovn-bridge-mappings")))
                .contains("nothing is exposed")
        );
        assert!(
            finding(|f| f.rt_tables = Err("permission denied".into()))
                .contains("rt_tables: cannot be read")
        );
        assert!(finding(|f| f.rt_tables = Ok("10 br-ex\n".into())).contains("table 10"));
        assert!(finding(|f| f.bridges.get_mut("br-ex").unwrap().is_up = false).contains("is down"));
        assert!(finding(|f| f.bridges.clear()).contains("'br-ex' does not exist"));
    }

    #[test]
    fn b001_no_system_id_is_an_error() {
        assert!(
            finding(|f| drop(f.external_ids.remove("system-id"))).contains("system-id: is missing")
        );
    }

    #[test]
    fn b002_no_hostname_takes_the_machines() {
        assert!(finding(|f| drop(f.external_ids.remove("hostname"))).contains("(h1) is used"));
    }

    #[test]
    fn b007_a_malformed_mapping_is_reported_and_the_others_count() {
        let set = |mappings: &str| {
            let mappings = mappings.to_owned();
            move |f: &mut NodeFacts| {
                drop(
                    f.external_ids
                        .insert("ovn-bridge-mappings".into(), mappings),
                )
            }
        };
        assert!(finding(set("physnet1,p2:br-ex")).contains("'physnet1' is not"));
        assert!(finding(set("a:b:c, p2:br-ex")).contains("'a:b:c' is not"));
        assert!(finding(set("p1:br-ex,p1:br-ex")).contains("mapped twice"));
    }
}
