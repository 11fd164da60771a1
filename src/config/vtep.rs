//! Where this node's tunnels end: the address of its VTEP.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Agent, Driver};

/// There is no address for the tunnels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVtep {
    /// The method has no other way to tell it.
    #[error("evpn_local_ip is not set: give the address where this node's VXLAN tunnels end")]
    NotSet,
    /// The device that is to tell it cannot.
    #[error(
        "device {0} of evpn_nic has no address for VXLAN tunnels (neither loopback nor link-local): give it one, or set \
         evpn_local_ip"
    )]
    Device(String),
    /// Nothing is set, and the loopback device has none.
    #[error(
        "there is no address for VXLAN tunnels: set evpn_local_ip, or evpn_nic to the device that has it, or give lo an \
         address with prefix length 32"
    )]
    Nowhere,
}

/// The address of the VTEP: `evpn_local_ip`; with `ovn_evpn_driver` and `ovn_native` else the first address of `evpn_nic`, if that is set,
/// else the first /32 of `lo`. `addresses` are the node's, each with its device, in the kernel's order; of a device with
/// both families an IPv4 address is taken.
///
/// # Errors
///
/// If there is none. The text names the options.
pub fn vtep<'a>(
    agent: &Agent,
    addresses: impl IntoIterator<Item = (&'a str, IpNet)>,
) -> Result<IpAddr, NoVtep> {
    if let Some(address) = agent.evpn_local_ip {
        return Ok(address);
    }
    if !matches!(agent.driver, Driver::Evpn | Driver::Native) {
        return Err(NoVtep::NotSet);
    }
    let device = agent.evpn_nic.as_deref().unwrap_or("lo");
    let on_device = addresses.into_iter().filter(|(name, _)| *name == device);
    let usable = on_device.map(|(_, net)| net);
    let mut usable = usable.filter(|net| crate::exposure::is_routable(net.addr()));
    // A loopback device may have IPv6 addresses that are not the VTEP's.
    let found = match agent.evpn_nic {
        Some(_) => usable.min_by_key(|net| net.addr().is_ipv6()),
        None => usable.find(is_v4_host),
    };
    found
        .map(|net| net.addr())
        .ok_or_else(|| match &agent.evpn_nic {
            Some(device) => NoVtep::Device(device.clone()),
            None => NoVtep::Nowhere,
        })
}

fn is_v4_host(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(net) if net.prefix_len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: [(&str, &str); 8] = [
        ("lo", "127.0.0.1/8"),
        ("lo", "10.1.0.0/31"),
        ("lo", "172.30.1.1/32"),
        ("lo", "172.30.1.2/32"),
        ("eth0", "fe80::1/64"),
        ("eth0", "2001:db8::1/64"),
        ("eth0", "192.0.2.1/24"),
        ("eth1", "169.254.0.1/16"),
    ];

    fn agent(local_ip: Option<&str>, nic: Option<&str>) -> Agent {
        Agent {
            driver: Driver::Evpn,
            evpn_local_ip: local_ip.map(|ip| ip.parse().unwrap()),
            evpn_nic: nic.map(Into::into),
            ..Agent::default()
        }
    }

    fn of(agent: &Agent, node: &[(&'static str, &str)]) -> Result<String, NoVtep> {
        let node = node
            .iter()
            .map(|(device, net)| (*device, net.parse().unwrap()));
        vtep(agent, node).map(|ip| ip.to_string())
    }

    #[test]
    fn b160_what_is_set_comes_first_then_the_device_then_the_loopback() {
        for (local_ip, nic, expected) in [
            (Some("192.0.2.9"), Some("eth0"), "192.0.2.9"),
            (None, Some("eth0"), "192.0.2.1"),
            (None, None, "172.30.1.1"),
        ] {
            assert_eq!(of(&agent(local_ip, nic), &NODE), Ok(expected.to_owned()));
        }
        let v6 = [("eth0", "fe80::1/64"), ("eth0", "2001:db8::1/64")];
        let of_v6 = of(&agent(None, Some("eth0")), &v6);
        assert_eq!(of_v6, Ok("2001:db8::1".to_owned()));
    }

    #[test]
    fn b160_without_any_the_error_names_the_options() {
        let none = of(&agent(None, None), &NODE[..2]).unwrap_err().to_string();
        for option in ["evpn_local_ip", "evpn_nic", "lo"] {
            assert!(none.contains(option), "{none}");
        }
        for device in ["eth1", "eth7"] {
            let none = of(&agent(None, Some(device)), &NODE).unwrap_err();
            assert_eq!(none, NoVtep::Device(device.into()));
            let none = none.to_string();
            assert!(none.contains("evpn_local_ip") && none.contains(device));
        }
    }

    #[test]
    fn b105_the_northbound_driver_goes_by_its_option_alone() {
        let agent = Agent {
            driver: Driver::Northbound,
            ..agent(None, None)
        };
        assert_eq!(of(&agent, &NODE), Err(NoVtep::NotSet));
    }
}
