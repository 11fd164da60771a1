//! How large the packets are that a tenant's devices carry.
//!
//! The kernel makes every device for 1500 octets. Where OVN says how large packets of a network are, its devices are made for
//! those, and what the networks of a VNI share for the largest of them. Where nothing is said, nothing is wished: what is
//! there stays as it is.

use crate::exposure::{ProviderNetwork, Tenant};

/// What the kernel gives a device, and what a network counts for that says nothing.
const ETHERNET: u32 = 1500;

/// What IPv6 asks of every link (RFC 8200 §5). The kernel takes IPv6 off a device with less, and the sysctls and addresses
/// that the device needs with it.
const IPV6_LEAST: u32 = 1280;

/// Of the device of a network in the tenant's table.
pub(super) fn of_device(network: &ProviderNetwork) -> Option<u32> {
    Some(network.mtu?.max(IPV6_LEAST))
}

/// Of the other end, on the provider bridge. Open vSwitch gives the bridge's own interface, which other networks may use,
/// the MTU of the smallest port: ours never makes it smaller than it was without.
pub(super) fn of_port(network: &ProviderNetwork) -> Option<u32> {
    Some(network.mtu?.max(ETHERNET))
}

/// Of what all networks of a VNI share: its bridge, whose MTU would follow the smallest of its ports, and its VXLAN device.
pub(super) fn of_vni(tenant: &Tenant) -> Option<u32> {
    let networks = || tenant.networks.values();
    let largest = networks().filter_map(of_device).max()?;
    // One that says nothing has devices as the kernel makes them.
    let silent = networks().any(|network| network.mtu.is_none());
    (largest > ETHERNET || !silent).then_some(largest)
}
