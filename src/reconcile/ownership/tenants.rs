//! What of tenants' devices is ours. Pure predicates.
//!
//! The names say little: an operator's `br-100` and `vlan-100` are as likely. What we make is marked. The Python
//! agent's devices are told by how they hang together: a VRF whose name and table have the same number, with
//! nothing in it but its devices for that number, and among them one that leads to Open vSwitch. An operator's
//! own EVPN, which follows the same custom, has other members.

use ipnet::IpNet;

use bgp::evpn::Vni;

use super::{BGP, LINK_ALIAS, PROTOCOL, is_helper_address};
use crate::reconcile::object::{LinkKind, TableId};

/// The key of our mark in `Port.external_ids`.
pub const PORT_MARK: &str = "ovn-bgp-agent";

/// The largest VNI (RFC 7348 §5).
const MAX_VNI: Vni = 0x00ff_ffff;

/// How many characters of a localnet port's uuid are in the names of a network's devices.
const SHORT_UUID: usize = 11;

/// Whose devices of tenants count as ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// EVPN is configured: what bears our mark, and what the Python agent left, which is adopted.
    #[default]
    Adopting,
    /// EVPN is not configured (any more): what bears our mark. A process before this one made it, under another driver
    /// or exposing method. What bears none may serve somebody who has EVPN beside us, and stays.
    Marked,
}

/// What EVPN adds to a [`Scope`](super::Scope).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantScope {
    pub claim: Claim,
    /// A VRF that nobody wishes any more stays, empty (`delete_vrf_on_disconnect = false`).
    pub keeps_vrfs: bool,
    /// The agent's own speaker learns what is behind other VTEPs. What an FRR before it has left in the forwarding
    /// tables of our devices is then swept; where an FRR speaks, they are its own.
    pub speaks: bool,
}

/// A device with a name that we give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantDevice {
    /// `br-<vni>`
    Bridge(Vni),
    /// `vxlan-<vni>`
    Vxlan(Vni),
    /// `vrf-<vni>`
    Vrf(Vni),
    /// `lo-<vni>`: the Python agent's alone.
    Loopback(Vni),
    /// `veth-vrf-<vni>`, or `vv-<vni>` where that is too long for the kernel.
    GatewayVeth(Vni),
    /// `veth-ovs-<vni>` or `vo-<vni>`: the other end.
    GatewayPort(Vni),
    /// `vlan-<vni>`: an internal port of Open vSwitch.
    GatewayVlan(Vni),
    /// `vrf<uuid>`, of the uuid its first eleven characters.
    NetworkVeth,
    /// `ovs<uuid>`: the other end.
    NetworkPort,
}

/// A device with such a name, as far as ownership asks.
#[derive(Clone, Copy, Debug)]
pub struct DeviceFacts<'a> {
    pub name: &'a str,
    pub device: TenantDevice,
    pub kind: &'a LinkKind,
    pub alias: Option<&'a str>,
    /// In whose VRF it stands: whether that is one of ours, by mark or by what is in it.
    pub in_our_vrf: bool,
    /// What is enslaved to it.
    pub members: &'a [&'a str],
}

/// A port of an Open vSwitch bridge, as far as ownership asks.
#[derive(Clone, Copy, Debug)]
pub struct PortFacts<'a> {
    pub name: &'a str,
    pub marked: bool,
    pub internal: bool,
    /// The kernel has its device in the VRF of a tenant of ours.
    pub in_our_vrf: bool,
}

impl TenantDevice {
    /// The device that has this name, if it is one we give.
    pub fn named(name: &str) -> Option<Self> {
        /// How a name begins, and what the number after it makes of it.
        type Form = (&'static str, fn(Vni) -> TenantDevice);
        const FORMS: [Form; 7] = [
            ("br-", TenantDevice::Bridge),
            ("vxlan-", TenantDevice::Vxlan),
            ("vrf-", TenantDevice::Vrf),
            ("lo-", TenantDevice::Loopback),
            ("veth-vrf-", TenantDevice::GatewayVeth),
            ("veth-ovs-", TenantDevice::GatewayPort),
            ("vlan-", TenantDevice::GatewayVlan),
        ];
        /// Of the VNIs whose `veth-vrf-<vni>` has more than the 15 characters that a name may have.
        const LONG: [Form; 2] = [
            ("vv-", TenantDevice::GatewayVeth),
            ("vo-", TenantDevice::GatewayPort),
        ];
        let numbered = |(stem, form): &Form| vni(name.strip_prefix(stem)?).map(|n| (n, form(n)));
        if let Some((_, device)) = FORMS.iter().find_map(numbered) {
            return Some(device);
        }
        if let Some((number, device)) = LONG.iter().find_map(numbered) {
            return (number >= 1_000_000).then_some(device);
        }
        if name.strip_prefix("vrf").is_some_and(is_short_uuid) {
            return Some(Self::NetworkVeth);
        }
        let port = name.strip_prefix("ovs").is_some_and(is_short_uuid);
        port.then_some(Self::NetworkPort)
    }

    /// The VNI in its name.
    pub fn vni(self) -> Option<Vni> {
        match self {
            Self::Bridge(vni)
            | Self::Vxlan(vni)
            | Self::Vrf(vni)
            | Self::Loopback(vni)
            | Self::GatewayVeth(vni)
            | Self::GatewayPort(vni)
            | Self::GatewayVlan(vni) => Some(vni),
            Self::NetworkVeth | Self::NetworkPort => None,
        }
    }

    /// True for what leads from a VRF to Open vSwitch under a name that nobody else gives. The Python agent never
    /// gets as far as a [`Self::GatewayVlan`] in a VRF.
    fn is_python_entry(self) -> bool {
        matches!(self, Self::GatewayVeth(_) | Self::NetworkVeth)
    }

    /// True for what may carry addresses, neighbours, and routes of ours.
    pub fn carries_objects(self) -> bool {
        self.is_python_entry() || matches!(self, Self::Bridge(_) | Self::GatewayVlan(_))
    }

    /// True for what comes and goes with another device, or with a port of Open vSwitch.
    fn follows_another(self) -> bool {
        matches!(
            self,
            Self::GatewayPort(_) | Self::GatewayVlan(_) | Self::NetworkPort
        )
    }
}

/// The number of a VNI as we write it.
fn vni(text: &str) -> Option<Vni> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let vni: Vni = plain.then(|| text.parse().ok()).flatten()?;
    (vni <= MAX_VNI).then_some(vni)
}

/// Eight hexadecimal digits, a hyphen, two more.
fn is_short_uuid(text: &str) -> bool {
    text.len() == SHORT_UUID
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

/// The table of a tenant's VRF: never one that every node has (`local`, `main`, `default`).
pub fn is_tenant_table(table: TableId) -> bool {
    (1..=MAX_VNI).contains(&table) && !(253..=255).contains(&table)
}

impl TenantScope {
    /// Whether what the Python agent left counts as ours.
    fn adopts(&self) -> bool {
        self.claim == Claim::Adopting
    }

    /// True for a VRF of ours: with our mark, or as the Python agent leaves one, and with nobody else's device in it.
    pub fn is_our_vrf(&self, vrf: &DeviceFacts<'_>) -> bool {
        let (TenantDevice::Vrf(vni), LinkKind::Vrf { table }) = (vrf.device, vrf.kind) else {
            return false;
        };
        let devices = || vrf.members.iter().map(|name| TenantDevice::named(name));
        let ours = |device: Option<TenantDevice>| {
            device.is_some_and(|d| d.vni().is_none_or(|of| of == vni))
        };
        let has_entry = devices().flatten().any(TenantDevice::is_python_entry);
        *table == vni
            && is_tenant_table(*table)
            && devices().all(ours)
            && (vrf.alias == Some(LINK_ALIAS) || (self.adopts() && has_entry))
    }

    /// True for a device that may be removed, or made anew.
    pub fn owns_device(&self, device: &DeviceFacts<'_>) -> bool {
        if device.device.follows_another() {
            return false;
        }
        if let TenantDevice::Vrf(_) = device.device {
            return self.is_our_vrf(device) && !self.keeps_vrfs;
        }
        device.alias == Some(LINK_ALIAS) || (self.adopts() && self.is_python_device(device))
    }

    fn is_python_device(&self, device: &DeviceFacts<'_>) -> bool {
        match (device.device, device.kind) {
            (TenantDevice::Bridge(vni), LinkKind::Bridge) => {
                let vxlan = TenantDevice::Vxlan(vni);
                let known = |name: &&str| {
                    let member = TenantDevice::named(name);
                    member == Some(vxlan) || member == Some(TenantDevice::NetworkVeth)
                };
                device.in_our_vrf && device.members.iter().all(known)
            }
            (TenantDevice::Vxlan(vni), LinkKind::Vxlan { vni: id, .. }) => {
                *id == vni && device.in_our_vrf
            }
            (TenantDevice::Loopback(_), LinkKind::Dummy) => device.in_our_vrf,
            // Nobody else has both names.
            (TenantDevice::GatewayVeth(vni), LinkKind::Veth { peer }) => {
                TenantDevice::named(peer) == Some(TenantDevice::GatewayPort(vni))
            }
            (TenantDevice::NetworkVeth, LinkKind::Veth { peer }) => {
                device.name.get(3..) == peer.get(3..)
                    && TenantDevice::named(peer) == Some(TenantDevice::NetworkPort)
            }
            _ => false,
        }
    }

    /// Routes in a tenant's table: ours by their mark, and the Python agent's where the VRF is ours. Those of FRR,
    /// BIRD and OVN, an operator's static ones and the kernel's are not (b012).
    pub fn owns_route(&self, protocol: u8, in_our_vrf: bool) -> bool {
        protocol == PROTOCOL || (self.adopts() && in_our_vrf && protocol == libc::RTPROT_BOOT)
    }

    /// Routes of BGP by way of VTEPs in a VRF of ours: what an FRR before our own speaker was taught. They are FRR's and are
    /// not touched; what they say is taken over until peers have taught us.
    pub fn inherits_route(&self, protocol: u8, in_our_vrf: bool) -> bool {
        self.adopts() && self.speaks && in_our_vrf && protocol == BGP
    }

    /// Addresses with our mark, and on a device of ours what the Python agent put there: host prefixes.
    pub fn owns_address(&self, address: &IpNet, protocol: u8, on_our_device: bool) -> bool {
        let host = address.prefix_len() == address.max_prefix_len();
        let python = protocol == 0 && (host || is_helper_address(address));
        protocol == PROTOCOL || (self.adopts() && on_our_device && python)
    }

    /// Permanent neighbours with our mark, and on a device of ours those without any.
    pub fn owns_neighbour(&self, protocol: u8, on_our_device: bool) -> bool {
        protocol == PROTOCOL || (self.adopts() && on_our_device && protocol == 0)
    }

    /// The entries of the forwarding tables of our devices, which bear no mark. Without EVPN they go with the device.
    pub fn owns_fdb(&self, on_our_device: bool) -> bool {
        self.adopts() && self.speaks && on_our_device
    }

    /// Ports with our mark, or with a name that only the Python agent gives; `vlan-<vni>` only where its device is
    /// in that tenant's VRF.
    pub fn owns_port(&self, port: &PortFacts<'_>) -> bool {
        let python = || match TenantDevice::named(port.name) {
            Some(TenantDevice::NetworkPort | TenantDevice::GatewayPort(_)) => !port.internal,
            Some(TenantDevice::GatewayVlan(_)) => port.internal && port.in_our_vrf,
            _ => false,
        };
        port.marked || (self.adopts() && python())
    }
}

#[cfg(test)]
mod tests;
