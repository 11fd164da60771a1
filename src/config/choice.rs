//! Options with a closed set of values.

use std::fmt;
use std::net::IpAddr;

use super::evpn::EvpnKind;

/// An option whose values are words.
pub(super) trait Choice: Copy + 'static {
    /// Every value with its word, in the order the documentation lists them.
    const WORDS: &'static [(&'static str, Self)];
}

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

choice! {
    /// Which OVN database decides, and how.
    Driver {
        /// The Northbound driver.
        Northbound = "nb_ovn_bgp_driver",
        /// The Southbound driver, the Python agent's default.
        #[default]
        Southbound = "ovn_bgp_driver",
        /// The Southbound EVPN driver.
        Evpn = "ovn_evpn_driver",
        /// The stretched layer-2 driver.
        StretchedL2 = "ovn_stretched_l2_bgp_driver",
        /// What OVN's own dynamic routing wants advertised.
        Native = "ovn_native",
    }
}

choice! {
    /// How the node is wired.
    ExposingMethod {
        /// Kernel routing through the provider bridge.
        #[default]
        Underlay = "underlay",
        /// EVPN layer-2 VNIs.
        L2Vni = "l2vni",
        /// EVPN layer-3 VNIs, one VRF each.
        Vrf = "vrf",
        /// Chosen per network.
        Dynamic = "dynamic",
        /// A second OVN cluster on the node.
        Ovn = "ovn",
    }
}

choice! {
    /// Who carries the BGP sessions.
    Backend {
        /// The speaker in this process.
        #[default]
        Embedded = "embedded",
        /// FRR, configured through vtysh.
        Frr = "frr",
        /// FRR, as a BGP neighbour on this node.
        FrrPeer = "frr-peer",
    }
}

choice! {
    /// What is advertised for a tenant network.
    TenantAdvertisement {
        /// One host route per port.
        #[default]
        Host = "host",
        /// One route per subnet.
        Subnet = "subnet",
    }
}

choice! {
    /// What of a connected address is originated.
    ConnectedAs {
        /// The address: /32 or /128.
        #[default]
        Hosts = "hosts",
        /// The prefix that is connected, as FRR redistributes it.
        Prefixes = "prefixes",
    }
}

impl Choice for EvpnKind {
    const WORDS: &'static [(&'static str, Self)] = &[("l3", Self::L3), ("l2", Self::L2)];
}

/// Which AS numbers a neighbour may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RemoteAs {
    /// This one (1–4294967295).
    Number(u32),
    /// Ours: iBGP.
    Internal,
    /// Any but ours: eBGP.
    External,
    /// Any: whatever its OPEN says.
    #[default]
    Auto,
}

/// Which local end a session uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateSource {
    Address(IpAddr),
    /// The address of this device that is nearest to the neighbour; the way there is the routes' choice.
    Device(String),
}

/// How far away a neighbour may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ttl {
    /// eBGP: one hop (TTL 1); iBGP: any distance.
    #[default]
    Standard,
    /// At most this many hops (1–255).
    Multihop(u8),
    /// GTSM (RFC 5082): exactly within this many hops (1–254), checked on what is received.
    Security(u8),
}

/// Address families of a session (RFC 4760).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    pub ipv4_unicast: bool,
    pub ipv6_unicast: bool,
    /// Tenants' tables (RFC 7432).
    pub l2vpn_evpn: bool,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            ipv4_unicast: true,
            ipv6_unicast: true,
            l2vpn_evpn: false,
        }
    }
}

/// Which prefixes pass, while it is a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prefixes {
    Any,
    None,
    HostOnly,
    DefaultOnly,
    /// `[bgp_prefix_list NAME]`.
    List(String),
}

/// Which policy applies, while it is a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PolicyName {
    Any,
    /// `[bgp_policy NAME]`.
    Policy(String),
}

/// Whether BFD watches the path, while it is a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bfd {
    Off,
    Default,
    /// `[bfd_profile NAME]`.
    Profile(String),
}

/// Whether a neighbour is kept down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Shutdown {
    #[default]
    Up,
    Down(String),
}
