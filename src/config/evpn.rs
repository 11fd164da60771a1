//! Tenants' tables that the configuration names: `[evpn_vni NAME]`, for a speaker without OVN.

use std::net::{IpAddr, Ipv4Addr};

use bgp::evpn::{Import, Instance, Kind, Vni};
use bgp::wire::evpn::{Mac, RouteDistinguisher, RouteTarget};
use ipnet::IpNet;

use crate::mac::MacAddr;

/// `[evpn_vni NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvpnVni {
    /// NAME of the section.
    pub name: String,
    /// 1–16777215.
    pub vni: Vni,
    pub kind: EvpnKind,
    /// `None`: [`EvpnVni::rd`] derives it.
    pub rd: Option<RouteDistinguisher>,
    pub import: Vec<TargetWord>,
    pub export: Vec<TargetWord>,
    /// Where this node takes its traffic; `None`: the router-id.
    pub vtep: Option<IpAddr>,
    /// `None`: it is derived of the VTEP.
    pub router_mac: Option<MacAddr>,
    /// Prefixes originated in it.
    pub originate: Vec<IpNet>,
}

/// What a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EvpnKind {
    /// Prefixes (type 5).
    #[default]
    L3,
    /// Hosts and who floods (types 2 and 3).
    L2,
}

/// A route target, or how it is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetWord {
    /// AS:VNI.
    Auto,
    /// AS:(0x10000000 + VNI) (RFC 8365 §5.1.2.1).
    AutoRfc8365,
    Target(RouteTarget),
}

impl EvpnVni {
    /// Its route distinguisher: unless set, of the VTEP (or, where that is IPv6, the router-id) and the low 16 bits of the
    /// VNI, which are all of it up to 65535.
    pub fn rd(&self, router_id: Ipv4Addr) -> RouteDistinguisher {
        let address = match self.vtep {
            Some(IpAddr::V4(vtep)) => vtep,
            _ => router_id,
        };
        let [_, _, high, low] = self.vni.to_be_bytes();
        let derived = RouteDistinguisher::of_address(address, u16::from_be_bytes([high, low]));
        self.rd.unwrap_or(derived)
    }

    /// What the speaker is told of it.
    pub fn instance(&self, asn: u32, router_id: Ipv4Addr) -> Instance {
        let vtep = self.vtep.unwrap_or(IpAddr::V4(router_id));
        let export = self.export.iter().map(|word| match word {
            TargetWord::Auto => RouteTarget::derived(asn, self.vni),
            TargetWord::AutoRfc8365 => RouteTarget::derived_by_rfc_8365(asn, self.vni),
            TargetWord::Target(target) => *target,
        });
        let import = self.import.iter().map(|word| match word {
            // Of any AS, in both spellings: neighbours have each their own.
            TargetWord::Auto | TargetWord::AutoRfc8365 => Import::Derived(self.vni),
            TargetWord::Target(target) => Import::Target(*target),
        });
        let kind = match self.kind {
            EvpnKind::L2 => Kind::Bridged,
            EvpnKind::L3 => Kind::Routed {
                router_mac: self
                    .router_mac
                    .map_or_else(|| router_mac(vtep), |mac| Mac(mac.0)),
            },
        };
        Instance {
            rd: self.rd(router_id),
            vtep,
            export: export.collect(),
            import: import.collect(),
            kind,
        }
    }
}

/// A MAC address of the node's own for its VTEP: locally administered, with the last four octets of the address.
fn router_mac(vtep: IpAddr) -> Mac {
    let [a, b, c, d] = match vtep {
        IpAddr::V4(vtep) => vtep.octets(),
        IpAddr::V6(vtep) => {
            let [.., a, b, c, d] = vtep.octets();
            [a, b, c, d]
        }
    };
    Mac([0x02, 0x00, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    fn table(vni: Vni) -> EvpnVni {
        EvpnVni {
            name: "red".into(),
            vni,
            kind: EvpnKind::L3,
            rd: None,
            import: vec![TargetWord::Auto],
            export: vec![TargetWord::Auto],
            vtep: None,
            router_mac: None,
            originate: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_set_is_derived() {
        let instance = table(1001).instance(65001, ROUTER_ID);
        assert_eq!(instance.rd.to_string(), "192.0.2.7:1001");
        assert_eq!(instance.vtep, IpAddr::V4(ROUTER_ID));
        assert_eq!(instance.export, [RouteTarget::As(65001, 1001)].into());
        assert_eq!(instance.import, [Import::Derived(1001)].into());
        let router_mac = Mac([2, 0, 192, 0, 2, 7]);
        assert_eq!(instance.kind, Kind::Routed { router_mac });
    }

    #[test]
    fn what_is_set_counts() {
        let set = EvpnVni {
            kind: EvpnKind::L2,
            rd: Some("65001:9".parse().unwrap()),
            vtep: Some("2001:db8::1".parse().unwrap()),
            export: vec![TargetWord::AutoRfc8365],
            import: vec![TargetWord::Target(RouteTarget::As(1, 2))],
            ..table(1001)
        };
        let instance = set.instance(65001, ROUTER_ID);
        assert_eq!(instance.rd.to_string(), "65001:9");
        assert_eq!(instance.vtep.to_string(), "2001:db8::1");
        assert_eq!(
            instance.export,
            [RouteTarget::As(65001, 0x1000_03e9)].into()
        );
        assert_eq!(
            instance.import,
            [Import::Target(RouteTarget::As(1, 2))].into()
        );
        assert_eq!(instance.kind, Kind::Bridged);
    }

    /// Over an IPv6 underlay the router-id is what tells nodes apart (RFC 7432 §7.9).
    #[test]
    fn an_ipv6_vtep_takes_its_distinguisher_from_the_router_id() {
        let mut table = table(0x0001_0002);
        table.vtep = Some("2001:db8::1".parse().unwrap());
        assert_eq!(table.rd(ROUTER_ID).to_string(), "192.0.2.7:2");
    }
}
