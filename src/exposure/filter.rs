//! Which addresses can be exposed, whatever they belong to.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::Code;
use super::options::{Options, TenantExposure};
use crate::config::TenantAdvertisement;
use crate::ovn::AddressScopes;

/// Link-local and special addresses mean nothing outside their link.
pub fn is_routable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

/// Global unicast IPv6 by IANA's registries of 2024, pinned, so that a node's routes do not change with a
/// library: 2000::/3 but for special purposes (`EXCEPT`), of which a few are global after all (`GLOBAL`).
pub fn is_global(ip: IpAddr) -> bool {
    let IpAddr::V6(ip) = ip else { return false };
    within(ip, &[GLOBAL_UNICAST]) && (!within(ip, EXCEPT) || within(ip, GLOBAL))
}

const GLOBAL_UNICAST: Ipv6Net = net(0x2000, 0, 0, 0, 0, 3);

/// IETF protocol assignments, documentation, 6to4, documentation again (RFC 9637).
const EXCEPT: &[Ipv6Net] = &[
    net(0x2001, 0, 0, 0, 0, 23),
    net(0x2001, 0xdb8, 0, 0, 0, 32),
    net(0x2002, 0, 0, 0, 0, 16),
    net(0x3fff, 0, 0, 0, 0, 20),
];

/// Of 2001::/23, what IANA marks as globally reachable: PCP, TURN and DNS-SD anycast, AMT, AS112, ORCHIDv2,
/// drone remote identification.
const GLOBAL: &[Ipv6Net] = &[
    net(0x2001, 1, 0, 0, 1, 128),
    net(0x2001, 1, 0, 0, 2, 128),
    net(0x2001, 1, 0, 0, 3, 128),
    net(0x2001, 3, 0, 0, 0, 32),
    net(0x2001, 4, 0x112, 0, 0, 48),
    net(0x2001, 0x20, 0, 0, 0, 28),
    net(0x2001, 0x30, 0, 0, 0, 28),
];

/// The first four groups, the last one, and the length.
const fn net(a: u16, b: u16, c: u16, d: u16, last: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, last), length)
}

fn within(ip: Ipv6Addr, nets: &[Ipv6Net]) -> bool {
    nets.iter().any(|net| net.contains(&ip))
}

impl Options {
    /// Whether the options admit an address or a subnet of a tenant network, whose router interface has
    /// these scopes; else why not. SNAT is the driver's to judge.
    ///
    /// # Errors
    /// The code and the reason to withhold it.
    pub fn admit(&self, prefix: IpNet, scopes: &AddressScopes) -> Result<(), (Code, String)> {
        match self.tenants {
            TenantExposure::Nothing => {
                let why = "expose_tenant_networks is off";
                return Err((Code::TenantNetworksDisabled, why.to_owned()));
            }
            TenantExposure::GlobalIpv6 if !is_global(prefix.addr()) => {
                let why = "only expose_ipv6_gua_tenant_networks is on, and this is not global IPv6";
                return Err((Code::NotGlobal, why.to_owned()));
            }
            TenantExposure::GlobalIpv6 | TenantExposure::Everything => {}
        }
        if self.address_scopes.is_empty() {
            return Ok(());
        }
        match scopes.of(prefix) {
            Some(scope) if self.address_scopes.contains(scope) => Ok(()),
            Some(scope) => Err((
                Code::AddressScope,
                format!("its address scope {scope} is not in address_scopes"),
            )),
            None => Err((
                Code::AddressScope,
                "its subnet has no address scope, and address_scopes is set".to_owned(),
            )),
        }
    }

    /// Whether hosts of tenant networks are exposed one by one.
    pub fn hosts(&self) -> bool {
        self.advertisement == TenantAdvertisement::Host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b086_global_ipv6_is_a_pinned_table() {
        let global = |text: &str| is_global(text.parse().unwrap());
        for ip in [
            "2a01::1",
            "2001:200::1",
            "2001:4:112::1",
            "2001:1::2",
            "2606:4700::1111",
        ] {
            assert!(global(ip), "{ip}");
        }
        for ip in [
            "2001:db8::1",
            "fd00::1",
            "fe80::1",
            "2002:1::1",
            "3fff::1",
            "2001::1",
            "2001:1::4",
            "::1",
            "64:ff9b::1",
            "10.0.0.1",
            "8.8.8.8",
        ] {
            assert!(!global(ip), "{ip}");
        }
    }

    #[test]
    fn b089_a_scope_must_be_listed_in_its_family() {
        let scopes = AddressScopes {
            v4: Some("s4".into()),
            v6: None,
        };
        let options = |list: &[&str]| Options {
            tenants: TenantExposure::Everything,
            address_scopes: list.iter().map(|s| (*s).into()).collect(),
            ..Options::default()
        };
        let admit = |options: Options, net: &str| {
            options
                .admit(net.parse().unwrap(), &scopes)
                .map_err(|(code, _)| code)
        };
        assert_eq!(admit(options(&[]), "fd00::/64"), Ok(()));
        assert_eq!(admit(options(&["other", "s4"]), "10.0.0.0/24"), Ok(()));
        assert_eq!(
            admit(options(&["other"]), "10.0.0.0/24"),
            Err(Code::AddressScope)
        );
        assert_eq!(
            admit(options(&["s4"]), "fd00::/64"),
            Err(Code::AddressScope)
        );
    }

    #[test]
    fn b078_b086_the_tenant_options() {
        let admit = |tenants, ip: &str| {
            let options = Options {
                tenants,
                ..Options::default()
            };
            let host = IpNet::from(ip.parse::<IpAddr>().unwrap());
            options
                .admit(host, &AddressScopes::default())
                .map_err(|(code, _)| code)
        };
        use TenantExposure::{Everything, GlobalIpv6, Nothing};
        assert_eq!(admit(Nothing, "2a01::1"), Err(Code::TenantNetworksDisabled));
        assert_eq!(admit(GlobalIpv6, "2a01::1"), Ok(()));
        assert_eq!(admit(GlobalIpv6, "10.0.0.1"), Err(Code::NotGlobal));
        assert_eq!(admit(Everything, "10.0.0.1"), Ok(()));
    }
}
