//! What makes networks tenants of a VNI: the annotations of networking-bgpvpn, and the DHCP options that name a gateway.

use anyhow::Result;
use serde_json::json;

use super::networks::localnet;
use super::{Neutron, delete_keys, new_row, set_keys};
use crate::cloud::objects::{Network, Port, Router};

const SWITCH: &str = "Logical_Switch";
const PORT: &str = "Logical_Switch_Port";

impl Neutron {
    /// Sets annotations (`neutron_bgpvpn:<key>`) of a network, as `openstack bgpvpn network association create` does.
    pub fn annotate(&self, network: &Network, pairs: &[(&str, &str)]) -> Result<()> {
        let pairs = qualified(pairs);
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        self.set_keys(SWITCH, &network.name(), "external_ids", &pairs)
    }

    /// Says how large the packets of a network are, as `openstack network set --mtu` does.
    pub fn set_mtu(&self, network: &Network, mtu: u32) -> Result<()> {
        let mtu = mtu.to_string();
        let pairs = [("neutron:mtu", mtu.as_str())];
        self.set_keys(SWITCH, &network.name(), "external_ids", &pairs)
    }

    /// Takes annotations away, all in one transaction.
    pub fn unannotate(&self, network: &Network, keys: &[&str]) -> Result<()> {
        let keys: Vec<String> = keys.iter().map(|key| annotation(key)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.transact(vec![delete_keys(
            SWITCH,
            &network.name(),
            "external_ids",
            &keys,
        )])
    }

    /// Sets annotations of a router's ports on these networks, as `openstack bgpvpn router association create` does: the Southbound
    /// EVPN driver reads them there.
    pub fn annotate_router(
        &self,
        router: &Router,
        networks: &[&Network],
        pairs: &[(&str, &str)],
    ) -> Result<()> {
        let pairs = qualified(pairs);
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        let ports = router_ports(router, networks);
        let change = ports
            .iter()
            .map(|port| set_keys(PORT, port, "external_ids", &pairs));
        self.transact(change.collect())
    }

    /// Takes annotations of a router's ports away.
    pub fn unannotate_router(
        &self,
        router: &Router,
        networks: &[&Network],
        keys: &[&str],
    ) -> Result<()> {
        let keys: Vec<String> = keys.iter().map(|key| annotation(key)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let ports = router_ports(router, networks);
        let change = ports
            .iter()
            .map(|port| delete_keys(PORT, port, "external_ids", &keys));
        self.transact(change.collect())
    }

    /// A network's DHCP options of both families, and that these ports of it use them.
    pub fn serve_dhcp(&self, network: &Network, ports: &[&Port]) -> Result<()> {
        let [v4, v6] = network.subnets();
        let [router, _] = network.gateways();
        let mut operations = vec![
            json!({"op": "insert", "table": "DHCP_Options", "uuid-name": "v4", "row": {"cidr": v4,
                "external_ids": ["map", [["neutron:revision_number", "0"], ["subnet_id", format!("{}-4", network.id)]]],
                "options": ["map", [["dns_server", "{10.255.255.53}"], ["lease_time", "43200"], ["mtu", "1500"], ["router", router],
                    ["server_id", router], ["server_mac", "fa:16:3e:5e:dd:c6"]]]}}),
            json!({"op": "insert", "table": "DHCP_Options", "uuid-name": "v6", "row": {"cidr": v6,
                "external_ids": ["map", [["neutron:revision_number", "0"], ["subnet_id", format!("{}-6", network.id)]]],
                "options": ["map", [["dns_server", "{2001:db8:53::53}"], ["server_id", "fa:16:3e:5e:dd:c7"]]]}}),
        ];
        operations.extend(ports.iter().map(|port| {
            json!({"op": "update", "table": PORT, "where": super::named(&port.id),
                "row": {"dhcpv4_options": new_row("v4"), "dhcpv6_options": new_row("v6")}})
        }));
        self.transact(operations)
    }

    /// The id of the row of a provider network's localnet port: agents name devices by it.
    pub fn localnet_row(&self, network: &Network) -> Result<String> {
        let id = self.uuid(PORT, "name", &localnet(network))?;
        Ok(id[1].as_str().unwrap_or_default().to_owned())
    }
}

/// The names of a router's ports' peers.
fn router_ports(router: &Router, networks: &[&Network]) -> Vec<String> {
    let mut ports: Vec<String> = networks
        .iter()
        .flat_map(|network| ["v4", "v6"].map(|family| router.port(network, family)))
        .map(|name| name.trim_start_matches("lrp-").to_owned())
        .collect();
    ports.dedup();
    ports
}

fn annotation(key: &str) -> String {
    format!("neutron_bgpvpn:{key}")
}

fn qualified<'a>(pairs: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
    let qualify = |(key, value): &(&str, &'a str)| (annotation(key), *value);
    pairs.iter().map(qualify).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_one_port_of_two_families_and_an_inside_network_has_two() {
        let router = Router::new(1);
        let (public, tenant) = (Network::provider(1, "physnet1"), Network::tenant(8));
        assert_eq!(router_ports(&router, &[&public, &tenant]).len(), 3);
    }

    #[test]
    fn annotations_are_those_of_networking_bgpvpn() {
        let pairs = qualified(&[("vni", "1001")]);
        assert_eq!(pairs, [("neutron_bgpvpn:vni".to_owned(), "1001")]);
    }
}
