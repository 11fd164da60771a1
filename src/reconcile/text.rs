//! Objects in the words of `ip`(8) and `ovs-ofctl`(8).

use std::fmt;

use super::object::{EtherType, FlowSource, Key};

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableName { name } => write!(f, "rt_tables entry {name}"),
            Self::Link { name } => write!(f, "link {name}"),
            Self::Master { dev } => write!(f, "master of {dev}"),
            Self::BridgePort { dev } => write!(f, "bridge port {dev}"),
            Self::Sysctl { path } => write!(f, "sysctl {path}"),
            Self::Address { dev, address } => write!(f, "address {address} dev {dev}"),
            Self::Route { table, prefix } => write!(f, "route {prefix} table {table}"),
            Self::Unreachable { table, prefix } => {
                write!(f, "unreachable {prefix} table {table}")
            }
            Self::Fdb { dev, mac } => write!(f, "fdb {mac} dev {dev}"),
            Self::Flood { dev, vtep } => write!(f, "fdb flood to {vtep} dev {dev}"),
            Self::SwitchPort { bridge, port } => write!(f, "port {port} of {bridge}"),
            Self::Neighbour { dev, address } => write!(f, "neighbour {address} dev {dev}"),
            Self::Proxy { dev, address } => write!(f, "ndp proxy {address} dev {dev}"),
            Self::Rule {
                priority,
                to,
                table,
            } => {
                write!(f, "rule {priority}: to {to} lookup {table}")
            }
            Self::Flow {
                bridge,
                priority,
                in_port,
                ether_type,
                source,
            } => {
                let (ether_type, network) = match ether_type {
                    EtherType::Ipv4 => ("ip", "nw_src"),
                    EtherType::Ipv6 => ("ipv6", "ipv6_src"),
                    EtherType::Arp => ("arp", "arp_tpa"),
                    EtherType::Nd => ("icmp6,icmp_type=135", "nd_target"),
                };
                write!(
                    f,
                    "flow {bridge} priority={priority},{ether_type},in_port={in_port}"
                )?;
                match source {
                    Some(source) => {
                        let FlowSource { mac, network: of } = source;
                        write!(f, ",dl_src={mac},{network}={of}")
                    }
                    None if network == "nd_target" => {
                        f.write_str(",dl_dst=33:33:ff:00:00:00/ff:ff:ff:00:00:00")
                    }
                    None => Ok(()),
                }
            }
            Self::StrayRoute {
                table,
                prefix,
                metric,
                tos,
            } => {
                write!(f, "route {prefix} table {table} metric {metric} tos {tos}")
            }
            Self::StrayFlow {
                bridge,
                table,
                priority,
                ..
            } => {
                write!(f, "stray flow {bridge} table={table},priority={priority}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_read_as_operators_type_them() {
        let rule = Key::Rule {
            priority: 32000,
            to: "172.24.4.10/32".parse().unwrap(),
            table: 189,
        };
        assert_eq!(rule.to_string(), "rule 32000: to 172.24.4.10/32 lookup 189");
        let flow = Key::Flow {
            bridge: "br-ex".into(),
            priority: 900,
            in_port: 3,
            ether_type: EtherType::Ipv6,
            source: None,
        };
        assert_eq!(flow.to_string(), "flow br-ex priority=900,ipv6,in_port=3");
    }
}
