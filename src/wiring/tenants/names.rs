//! What the devices of a tenant are called, and their hardware addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;
use uuid::Uuid;

use crate::mac::MacAddr;

/// How long an interface's name may be, in characters.
const LONGEST: usize = 15;

/// The VRF; its table has the VNI's number.
pub fn vrf(vni: Vni) -> Arc<str> {
    format!("vrf-{vni}").into()
}

/// The bridge that the VXLAN device is a port of. Its hardware address is the Router's MAC.
pub fn bridge(vni: Vni) -> Arc<str> {
    format!("br-{vni}").into()
}

/// The VXLAN device.
pub fn vxlan(vni: Vni) -> Arc<str> {
    format!("vxlan-{vni}").into()
}

/// The pair that leads from a provider network into the table: the end in the table, and the port of the provider
/// bridge. `localnet` is the row of the network's localnet port.
pub fn pair_of_network(localnet: Uuid) -> (Arc<str>, Arc<str>) {
    let text = localnet.to_string();
    let short: String = text.chars().take(11).collect();
    (format!("vrf{short}").into(), format!("ovs{short}").into())
}

/// The same of the gateways of a tenant on a flat network. A name would be too long from VNI 1000000 on: there it is
/// shorter than the Python agent's, who could not have made it.
pub fn pair_of_gateways(vni: Vni) -> (Arc<str>, Arc<str>) {
    let long = (format!("veth-vrf-{vni}"), format!("veth-ovs-{vni}"));
    let (inner, outer) = if long.0.len() <= LONGEST {
        long
    } else {
        (format!("vv-{vni}"), format!("vo-{vni}"))
    };
    (inner.into(), outer.into())
}

/// The internal port of the provider bridge that the gateways of a tenant on a VLAN use.
pub fn vlan_port(vni: Vni) -> Arc<str> {
    format!("vlan-{vni}").into()
}

/// Whether a port of a provider bridge with this name can be the way into a tenant's table of which the OpenFlow number
/// must be known: those of [`pair_of_gateways`] and [`vlan_port`].
pub fn is_port_of_gateways(name: &str) -> bool {
    numbered(name, &["veth-ovs-", "vo-", "vlan-"])
}

/// Whether something depends on the hardware address that an interface with this name has: a [`bridge`], or a tenant's
/// end of its gateways' entrance.
pub fn has_awaited_mac(name: &str) -> bool {
    numbered(name, &["br-", "veth-vrf-", "vv-", "vlan-"])
}

fn numbered(name: &str, prefixes: &[&str]) -> bool {
    let mut prefixes = prefixes.iter();
    let number = prefixes.find_map(|prefix| name.strip_prefix(prefix));
    number.is_some_and(|number| number.parse::<Vni>().is_ok())
}

/// The hardware address of a network's device in the table, the same on every node: `02:<VNI>:<VLAN>`.
pub fn anycast_mac(vni: Vni, vlan: Option<u16>) -> MacAddr {
    let [_, a, b, c] = vni.to_be_bytes();
    let [d, e] = vlan.unwrap_or(0).to_be_bytes();
    MacAddr([0x02, a, b, c, d, e])
}

/// The link-local address that goes with [`anycast_mac`]: its hexadecimal digits in groups of four, as the Python agent
/// writes it (no EUI-64).
pub fn anycast_link_local(mac: MacAddr) -> Ipv6Addr {
    let MacAddr([a, b, c, d, e, f]) = mac;
    let group = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, group(a, b), group(c, d), group(e, f))
}

/// The hardware address of a new [`bridge`]: another one on each VTEP, and the same after a restart of the node.
pub fn router_mac(vtep: IpAddr, vni: Vni) -> MacAddr {
    derived(0x0a, vtep, vni)
}

/// The hardware address of a new device of [`pair_of_gateways`].
pub fn gateways_mac(vtep: IpAddr, vni: Vni) -> MacAddr {
    derived(0x0e, vtep, vni)
}

/// The address by which this node is the next router of OVN's routers on a network of a router's port, which is given with
/// the port's own address. Nobody else can have it. IPv4: that of the network itself, which no host has, and which OVN
/// takes for one on the port's network as it demands (of two hosts on a link, RFC 3021, the other one). IPv6: a link-local
/// one, another on each VTEP. `None` where there is nobody besides the port.
pub fn next_router(net: IpNet, vtep: IpAddr, vni: Vni) -> Option<IpAddr> {
    match net {
        IpNet::V4(net) => match net.prefix_len() {
            32 => None,
            31 if net.addr() == net.network() => Some(net.broadcast().into()),
            _ => Some(net.network().into()),
        },
        IpNet::V6(_) => Some(anycast_link_local(gateways_mac(vtep, vni)).into()),
    }
}

/// A locally administered address (IEEE 802, clause 8): `first`, then 40 bits of FNV-1a.
fn derived(first: u8, vtep: IpAddr, vni: Vni) -> MacAddr {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let octets: Vec<u8> = match vtep {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    };
    let octets = octets.into_iter().chain(vni.to_be_bytes());
    let hash = octets.fold(OFFSET, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(PRIME)
    });
    // The upper bits depend on all octets more evenly than the lower.
    let [a, b, c, d, e, ..] = (hash ^ (hash << 32)).to_be_bytes();
    MacAddr([first, a, b, c, d, e])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn b107_b108_devices_are_named_and_addressed_as_the_python_agent_does() {
        let localnet = "b4113ba2-78aa-4f3a-9c0e-0123456789ab".parse().unwrap();
        let (inner, outer) = pair_of_network(localnet);
        assert_eq!((&*inner, &*outer), ("vrfb4113ba2-78", "ovsb4113ba2-78"));
        let flat = anycast_mac(1001, None);
        assert_eq!(flat.to_string(), "02:00:03:e9:00:00");
        assert_eq!(
            anycast_mac(1001, Some(100)).to_string(),
            "02:00:03:e9:00:64"
        );
        assert_eq!(anycast_link_local(flat).to_string(), "fe80::200:3e9:0");
    }

    #[test]
    fn the_kernel_takes_every_name() {
        const LARGEST: Vni = (1 << 24) - 1;
        let (inner, outer) = pair_of_gateways(LARGEST);
        let ports = [outer.clone(), vlan_port(LARGEST), pair_of_gateways(77).1];
        for name in [vrf(LARGEST), bridge(LARGEST), vxlan(LARGEST), inner, outer] {
            assert!(name.len() <= LONGEST, "{name}");
        }
        for name in ports {
            assert!(is_port_of_gateways(&name), "{name}");
        }
        for name in ["vlan-", "vlan-x", "veth-ovs-77-", "tap77", "br-ex"] {
            assert!(!is_port_of_gateways(name), "{name}");
        }
        assert_eq!(&*pair_of_gateways(999_999).0, "veth-vrf-999999");
    }

    #[test]
    fn the_next_router_has_an_address_on_the_ports_network_that_no_host_has() {
        let next = |net: &str| {
            let next = next_router(net.parse().unwrap(), IpAddr::from([172, 30, 1, 1]), 77);
            next.map(|ip| ip.to_string())
        };
        assert_eq!(next("172.24.4.76/24").unwrap(), "172.24.4.0");
        assert_eq!(next("172.24.4.76/31").unwrap(), "172.24.4.77");
        assert_eq!(next("172.24.4.77/31").unwrap(), "172.24.4.76");
        assert_eq!(next("172.24.4.76/32"), None);
        let six = next("2001:db8::76/64").unwrap();
        assert!(six.starts_with("fe80::e"), "{six}");
        let elsewhere = IpAddr::from([172, 30, 1, 2]);
        let other = next_router("2001:db8::76/64".parse().unwrap(), elsewhere, 77);
        assert_ne!(other.unwrap().to_string(), six);
    }

    #[test]
    fn derived_addresses_are_unicast_local_and_told_apart_by_vtep_and_vni() {
        let mut all = BTreeSet::new();
        for last in 0..50 {
            for vni in (1..50).chain([1001, 1 << 20]) {
                let vtep = IpAddr::from([172, 30, 1, last]);
                for mac in [router_mac(vtep, vni), gateways_mac(vtep, vni)] {
                    assert_eq!(mac.0[0] & 3, 2, "{mac}");
                    assert!(all.insert(mac), "{vtep} {vni}");
                }
            }
        }
        assert_eq!(
            router_mac("2001:db8::1".parse().unwrap(), 5),
            router_mac("2001:db8::1".parse().unwrap(), 5)
        );
    }
}
