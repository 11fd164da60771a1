//! Next hop self: which of our addresses a peer is told to send traffic to (RFC 4271 §5.1.3, RFC 2545 §3,
//! RFC 8950 §3, draft-ietf-idr-linklocal-capability §3).

use std::net::{IpAddr, Ipv6Addr};

use crate::session::{Ends, Negotiated};
use crate::speaker::PeerConfig;
use crate::wire::{Family, NextHop};

/// Next hop self, per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextHops {
    v4: Option<NextHop>,
    v6: Option<NextHop>,
}

impl NextHops {
    /// The configured address, else the session's own, else one of the interface. IPv4 routes of a session over
    /// IPv6 have an IPv6 next hop where that was agreed: it works without any IPv4 address on the link.
    pub(super) fn new(config: &PeerConfig, ends: &Ends, negotiated: &Negotiated) -> Self {
        let configured_v6 = config.next_hop_v6.map(NextHop::from);
        let v6 = configured_v6.or_else(|| session_v6(ends, negotiated));
        let extended = negotiated
            .codec
            .extended_next_hop
            .contains(&Family::IPV4_UNICAST);
        let v4 = match (config.next_hop_v4, ends.local) {
            (Some(configured), _) => Some(configured.into()),
            (None, IpAddr::V6(_)) if extended => v6,
            (None, IpAddr::V4(session)) => Some(session.into()),
            (None, IpAddr::V6(_)) => None,
        };
        let v4 = v4.or_else(|| ends.local_v4.map(NextHop::from));
        Self { v4, v6 }
    }

    /// The next hop of a family's routes; `None` when this node has no address the peer could use.
    pub(super) fn of(self, family: Family) -> Option<NextHop> {
        match family {
            Family::IPV4_UNICAST => self.v4,
            Family::IPV6_UNICAST => self.v6,
            _ => None,
        }
    }
}

/// The IPv6 next hop that the session's addresses give.
fn session_v6(ends: &Ends, negotiated: &Negotiated) -> Option<NextHop> {
    match ends.local {
        IpAddr::V6(local) if local.is_unicast_link_local() => {
            Some(over_link_local(local, ends.local_v6, negotiated))
        }
        IpAddr::V6(local) => Some(local.into()),
        IpAddr::V4(_) => ends.local_v6.map(NextHop::from),
    }
}

/// A global address and the link-local one, where the interface has both (RFC 2545 §3). With a link-local one
/// alone, 16 octets if the peer said that it knows that form (capability 77); to others the address is sent twice, as
/// FRR and with it most fabrics do: routers that insist on RFC 2545's lengths for a link-local address take it
/// (osrg/gobgp#2280), and every speaker of our labs.
fn over_link_local(local: Ipv6Addr, global: Option<Ipv6Addr>, negotiated: &Negotiated) -> NextHop {
    let address = global.unwrap_or(local);
    let alone = global.is_none() && negotiated.link_local_next_hop;
    NextHop::V6 {
        address,
        link_local: (!alone).then_some(local),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::speaker::RemoteAs;
    use crate::wire::{Asn, CodecOptions, RouterId};

    const LOCAL: &str = "fe80::a";
    const GLOBAL: &str = "2001:db8::a";

    fn negotiated(extended: bool, link_local_next_hop: bool) -> Negotiated {
        let families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let extended = extended.then_some(Family::IPV4_UNICAST);
        Negotiated {
            local_as: Asn(65001),
            remote_as: Asn(65002),
            remote_id: RouterId(Ipv4Addr::new(10, 0, 0, 2)),
            hold_time: Duration::from_secs(90),
            keepalive: None,
            families,
            route_refresh: true,
            enhanced_refresh: false,
            link_local_next_hop,
            graceful_restart: None,
            graceful_notification: false,
            long_lived: Vec::new(),
            codec: CodecOptions {
                extended_next_hop: extended.into_iter().collect(),
                ..CodecOptions::default()
            },
        }
    }

    fn ends(local: &str, v4: Option<&str>, v6: Option<&str>) -> Ends {
        Ends {
            local: local.parse().unwrap(),
            remote: "fe80::b".parse().unwrap(),
            local_v4: v4.map(|address| address.parse().unwrap()),
            local_v6: v6.map(|address| address.parse().unwrap()),
        }
    }

    /// Next hops of both families, in words: those of 32 octets as "first (second)".
    fn words(ends: &Ends, negotiated: &Negotiated) -> [String; 2] {
        let config = PeerConfig::unnumbered("leaf", "eth1", RemoteAs::External);
        let hops = NextHops::new(&config, ends, negotiated);
        [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(|family| {
            let hop = hops.of(family);
            hop.map_or_else(|| "none".to_owned(), |hop| hop.to_string())
        })
    }

    #[test]
    fn a_link_local_address_alone_is_sent_twice_or_once_to_who_knows_that_form() {
        let ends = ends(LOCAL, None, None);
        let twice = "fe80::a (fe80::a)";
        assert_eq!(words(&ends, &negotiated(true, false)), [twice; 2]);
        assert_eq!(words(&ends, &negotiated(true, true)), [LOCAL; 2]);
    }

    #[test]
    fn a_global_address_of_the_link_goes_before_the_link_local_one() {
        let ends = ends(LOCAL, None, Some(GLOBAL));
        for knows in [false, true] {
            let both = "2001:db8::a (fe80::a)";
            assert_eq!(words(&ends, &negotiated(true, knows)), [both; 2]);
        }
    }

    #[test]
    fn without_rfc_8950_ipv4_routes_need_an_ipv4_address() {
        let agreed = negotiated(false, false);
        let none = ends(LOCAL, None, None);
        assert_eq!(words(&none, &agreed), ["none", "fe80::a (fe80::a)"]);
        let some = ends(LOCAL, Some("192.0.2.1"), None);
        assert_eq!(words(&some, &agreed), ["192.0.2.1", "fe80::a (fe80::a)"]);
    }

    #[test]
    fn numbered_sessions_send_their_own_address() {
        let v6 = ends(GLOBAL, Some("192.0.2.1"), Some(GLOBAL));
        assert_eq!(words(&v6, &negotiated(false, false)), ["192.0.2.1", GLOBAL]);
        assert_eq!(words(&v6, &negotiated(true, false)), [GLOBAL; 2]);
        let v4 = ends("192.0.2.1", Some("192.0.2.1"), Some(GLOBAL));
        assert_eq!(words(&v4, &negotiated(true, false)), ["192.0.2.1", GLOBAL]);
    }

    #[test]
    fn configured_next_hops_win() {
        let config = PeerConfig {
            next_hop_v4: Some(Ipv4Addr::new(192, 0, 2, 9)),
            next_hop_v6: Some("2001:db8::9".parse().unwrap()),
            ..PeerConfig::unnumbered("leaf", "eth1", RemoteAs::External)
        };
        let hops = NextHops::new(&config, &ends(LOCAL, None, None), &negotiated(true, false));
        let v4 = hops.of(Family::IPV4_UNICAST).map(|hop| hop.to_string());
        assert_eq!(v4.as_deref(), Some("192.0.2.9"));
        let v6 = hops.of(Family::IPV6_UNICAST).map(|hop| hop.to_string());
        assert_eq!(v6.as_deref(), Some("2001:db8::9"));
    }
}
