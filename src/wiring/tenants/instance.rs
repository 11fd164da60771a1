//! What the speaker is told of a tenant: whose routes are taken, and how ours are told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use bgp::evpn::{Import, Instance, Kind, Vni};
use bgp::wire::evpn::{Mac, RouteDistinguisher, RouteTarget};

use crate::exposure::{Layer, RouterAdvertisement, Tenant};
use crate::wiring::Tenancy;

/// What IPv6 routers say on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdvertisedRouter {
    /// Whose the words are: the device's link-local address, the same on every node.
    pub source: Option<Ipv6Addr>,
    /// Of each IPv6 subnet, sorted.
    pub advertisements: Vec<RouterAdvertisement>,
}

/// The instance of a tenant; `None` while its Router's MAC is not known, or there is nothing to tell its routes apart by.
/// `number` is that of [`numbers`].
pub(super) fn instance(
    tenant: &Tenant,
    tenancy: &Tenancy,
    vtep: IpAddr,
    router_mac: Option<crate::mac::MacAddr>,
    number: u16,
) -> Option<Instance> {
    let vni = tenant.vni;
    let kind = match tenant.layer {
        Layer::Bridged => Kind::Bridged,
        Layer::Routed => Kind::Routed {
            router_mac: Mac(router_mac?.0),
        },
    };
    let derived = || {
        Some(RouteDistinguisher::of_address(
            tenancy.distinguisher()?,
            number,
        ))
    };
    let targets = |explicit: &std::collections::BTreeSet<RouteTarget>| explicit.clone();
    let mut export = targets(&tenant.export);
    if export.is_empty() {
        let asn = tenant.asn.unwrap_or(tenancy.asn);
        export.insert(RouteTarget::derived(asn, vni));
    }
    let import = if tenant.import.is_empty() {
        [Import::Derived(vni)].into()
    } else {
        tenant.import.iter().copied().map(Import::Target).collect()
    };
    Some(Instance {
        rd: tenant.rd.or_else(derived)?,
        vtep,
        export,
        import,
        kind,
    })
}

/// The route distinguisher of a tenant that a table of the configuration has, and that table's VNI. Of a derived one with
/// a VNI of more than 16 bits [`numbers`] takes another.
pub(super) fn clash(tenant: &Tenant, tenancy: &Tenancy) -> Option<(RouteDistinguisher, Vni)> {
    let derived = || {
        let number = u16::try_from(tenant.vni).ok()?;
        Some(RouteDistinguisher::of_address(
            tenancy.distinguisher()?,
            number,
        ))
    };
    let rd = tenant.rd.or_else(derived)?;
    Some((rd, tenancy.distinguished(rd, tenant.vni)?))
}

/// The number in the distinguisher of each VNI on this node: its own, as far as it fits into 16 bits (RFC 4364 §4.2). The
/// others get what neither these nor the configuration's tables have, beginning with their lower 16 bits.
pub(super) fn numbers(vnis: impl Iterator<Item = Vni>, tenancy: &Tenancy) -> BTreeMap<Vni, u16> {
    let (mut numbers, mut large) = (BTreeMap::new(), Vec::new());
    let mut taken = std::collections::BTreeSet::new();
    let address = tenancy.distinguisher();
    for vni in vnis {
        match u16::try_from(vni) {
            Ok(number) => {
                numbers.insert(vni, number);
                taken.insert(number);
            }
            Err(_) => large.push(vni),
        }
    }
    for vni in large {
        let [_, _, high, low] = vni.to_be_bytes();
        let first = u16::from_be_bytes([high, low]);
        let candidates = (0..=u16::MAX).map(|step| first.wrapping_add(step));
        // 65536 tenants on one node leave no number; what has none is not told.
        let of_configuration = |number: u16| {
            let rd = address.map(|address| RouteDistinguisher::of_address(address, number));
            rd.is_some_and(|rd| tenancy.distinguished(rd, vni).is_some())
        };
        let mut candidates = candidates.filter(|number| !of_configuration(*number));
        if let Some(free) = candidates.find(|number| taken.insert(*number)) {
            numbers.insert(vni, free);
        }
    }
    numbers
}
