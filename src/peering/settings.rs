//! What the shell is told: plain values, already checked by `config`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bgp::wire::{Asn, RouterId};
use bgp::{GracefulRestart, Multipath, PeerConfig};

use super::ranges::Range;

/// The BGP port.
pub const PORT: u16 = 179;

/// The speaker as a whole.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our AS number.
    pub asn: u32,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Graceful restart as the restarting side; `None` does not offer it.
    pub graceful_restart: Option<GracefulRestart>,
    /// How many equally good paths to a prefix are used.
    pub multipath: Multipath,
    /// Ask peers from the start to prefer any other path than ours (RFC 8326).
    pub graceful_shutdown: bool,
    /// Where to accept connections; empty: nowhere. That one cannot be bound is reported and no more:
    /// sessions are still opened from here.
    pub listen: Vec<SocketAddr>,
    /// Who else may connect than the neighbours named.
    pub ranges: Vec<Range>,
}

impl Settings {
    /// Defaults: every address on port 179, graceful restart of 120 s.
    pub fn new(asn: u32, router_id: Ipv4Addr) -> Self {
        let restart_time = std::time::Duration::from_secs(120);
        Self {
            asn,
            router_id,
            graceful_restart: Some(GracefulRestart::new(restart_time)),
            multipath: Multipath::default(),
            graceful_shutdown: false,
            listen: vec![
                (Ipv4Addr::UNSPECIFIED, PORT).into(),
                (Ipv6Addr::UNSPECIFIED, PORT).into(),
            ],
            ranges: Vec::new(),
        }
    }

    pub(super) fn speaker(&self) -> bgp::SpeakerConfig {
        bgp::SpeakerConfig {
            asn: Asn(self.asn),
            router_id: RouterId(self.router_id),
            graceful_restart: self.graceful_restart,
            multipath: self.multipath,
            graceful_shutdown: self.graceful_shutdown,
            seed: fastrand::u64(..),
        }
    }
}

/// One neighbour: the protocol's part and the sockets'.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// What the protocol needs to know.
    pub peer: PeerConfig,
    /// Port to connect to.
    pub port: u16,
    /// Source address of our connections; the kernel's choice if absent.
    pub local_address: Option<IpAddr>,
    /// Interface whose address is the source of our connections, where none is given; they may leave by another.
    pub source_interface: Option<String>,
    /// Interface or VRF device to bind our connections to; those of a neighbour that has a link
    /// ([`PeerConfig::link`]) are bound to that.
    pub interface: Option<String>,
    /// TCP-MD5 key (RFC 2385).
    pub password: Option<Password>,
    /// The peer may be this many hops away. Absent: an external peer is on the link.
    pub multihop: Option<u8>,
    /// Accept only packets that have come at most this many hops (GTSM, RFC 5082).
    pub ttl_security: Option<u8>,
    /// Watch the path to it with BFD, so.
    pub bfd: Option<crate::bfd::SessionConfig>,
    /// Router Lifetime in the advertisements that an unnumbered neighbour is sent, in seconds. Zero: nobody on
    /// the link shall take us as default router.
    pub router_lifetime: u16,
}

impl Neighbour {
    /// A neighbour on port 179 without password or bounds.
    pub fn new(peer: PeerConfig) -> Self {
        Self {
            peer,
            port: PORT,
            local_address: None,
            source_interface: None,
            interface: None,
            password: None,
            multihop: None,
            ttl_security: None,
            bfd: None,
            router_lifetime: 0,
        }
    }

    /// The interface on which the neighbour has to be discovered; `None` when its address is configured.
    /// [`PeerConfig::unnumbered`] makes such a neighbour.
    pub fn discovered_on(&self) -> Option<&Arc<str>> {
        let link = self.peer.link.as_ref();
        link.filter(|_| self.peer.remote_address.is_none())
    }

    /// TTL of our packets: 255 under GTSM; 1 towards an external peer on the link, as FRR does, so that
    /// a session never comes up by a detour; otherwise the system's.
    pub(super) fn ttl(&self, asn: u32) -> Option<u8> {
        let local = self.peer.local_as.map_or(Asn(asn), |local| local.asn);
        let external = match self.peer.remote_as {
            bgp::RemoteAs::Number(remote) => remote != local,
            bgp::RemoteAs::External => true,
            bgp::RemoteAs::Internal | bgp::RemoteAs::Auto => false,
        };
        match (self.ttl_security, self.multihop) {
            (Some(_), _) => Some(u8::MAX),
            (None, Some(hops)) => Some(hops),
            (None, None) => external.then_some(1),
        }
    }
}

/// A TCP-MD5 key, at most 80 octets. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// What TCP_MD5SIG takes (`TCP_MD5SIG_MAXKEYLEN`).
    pub const MAX_LEN: usize = 80;

    /// `None` when it is empty or longer than [`Self::MAX_LEN`] octets.
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        (1..=Self::MAX_LEN)
            .contains(&key.len())
            .then_some(Self(key))
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bgp::RemoteAs;

    #[test]
    fn a_password_does_not_show() {
        let password = Password::new("s3cret").unwrap();
        assert!(!format!("{password:?}").contains("s3cret"));
        assert!(Password::new("").is_none() && Password::new("x".repeat(81)).is_none());
    }

    #[test]
    fn external_peers_are_on_the_link_unless_told_otherwise() {
        let ttl = |remote_as, multihop, ttl_security| {
            let peer = PeerConfig::new("leaf", IpAddr::V4(Ipv4Addr::LOCALHOST), remote_as);
            let neighbour = Neighbour {
                multihop,
                ttl_security,
                ..Neighbour::new(peer)
            };
            neighbour.ttl(65001)
        };
        assert_eq!(ttl(RemoteAs::External, None, None), Some(1));
        assert_eq!(ttl(RemoteAs::Number(Asn(65001)), None, None), None);
        assert_eq!(ttl(RemoteAs::Number(Asn(65002)), Some(3), None), Some(3));
        assert_eq!(ttl(RemoteAs::External, None, Some(1)), Some(255));
    }
}
