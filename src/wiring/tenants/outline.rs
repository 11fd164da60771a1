//! What the wishes of a tenant depend on, and what of them must be told again when that changes.

use std::sync::Arc;

use bgp::evpn::Vni;

use super::{Site, Tenants, instance, names};
use crate::exposure::{Attachment, Entry, Tenant};
use crate::wiring::Facts;

/// What the wishes of a tenant depend on, but its exposures themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::wiring) struct Outline {
    tenant: Option<Arc<Tenant>>,
    /// The provider networks that have an entrance; `None` without devices.
    networks: Option<Vec<Arc<str>>>,
}

/// What must be told again of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::wiring) enum Extent {
    Devices,
    /// And every exposure, and everything that peers teach.
    All,
}

impl Outline {
    /// What must be told again after it has become `now`.
    pub(in crate::wiring) fn extent(&self, now: &Self) -> Option<Extent> {
        if self == now {
            return None;
        }
        let ways = |outline: &Self| {
            let tenant = outline.tenant.as_deref()?;
            outline.networks.as_ref()?;
            let networks = tenant.networks.iter();
            let networks: Vec<_> = networks
                .map(|(name, n)| {
                    (
                        name.clone(),
                        n.localnet,
                        n.attachment.clone(),
                        n.routers.clone(),
                    )
                })
                .collect();
            // Gateways of a shared network have one entrance; which it is depends on what there is.
            let shared = (tenant.entry == Entry::PerGateway).then(|| outline.networks.clone());
            Some((tenant.layer, tenant.entry, networks, shared))
        };
        let all = ways(self) != ways(now);
        Some(if all { Extent::All } else { Extent::Devices })
    }
}

impl Tenants {
    /// Of a tenant, as things are.
    pub(in crate::wiring) fn outline(&self, vni: Vni, facts: &Facts) -> Outline {
        let tenant = self.tables.get(&vni).and_then(|table| table.tenant.clone());
        let site = self.site(vni, facts);
        let names = |site: Site<'_>| site.networks().map(|(name, _)| Arc::clone(name)).collect();
        Outline {
            tenant,
            networks: site.map(names),
        }
    }

    /// True when what depends on the facts is not the same with these as with those.
    pub(in crate::wiring) fn differs(&self, vni: Vni, old: &Facts, new: &Facts) -> bool {
        let general = |facts: &Facts| {
            let tenancy = &facts.tenancy;
            let (keeps, taken) = (tenancy.keeps_vrf(vni), tenancy.taken.contains(&vni));
            (tenancy.vtep, tenancy.udp_port, keeps, taken)
        };
        let tenant = self.tables.get(&vni).and_then(|t| t.tenant.as_deref());
        let clash = |facts: &Facts| tenant.and_then(|t| instance::clash(t, &facts.tenancy));
        if general(old) != general(new) || clash(old) != clash(new) {
            return true;
        }
        let (inner, outer) = names::pair_of_gateways(vni);
        let vlan = names::vlan_port(vni);
        let macs = [&names::bridge(vni), &inner, &vlan];
        let mac = |facts: &Facts, dev: &Arc<str>| facts.tenancy.macs.get(dev).copied();
        let port = |facts: &Facts, name: &Arc<str>| facts.tenancy.ports.get(name).copied();
        macs.iter().any(|dev| mac(old, dev) != mac(new, dev))
            || [&outer, &vlan]
                .iter()
                .any(|name| port(old, name) != port(new, name))
            || self.attachments(vni).any(|attachment| {
                let bridge = &attachment.bridge;
                old.bridges.get(bridge) != new.bridges.get(bridge)
            })
    }

    fn attachments(&self, vni: Vni) -> impl Iterator<Item = &Attachment> {
        let tenant = self.tables.get(&vni).and_then(|t| t.tenant.as_deref());
        let networks = tenant.into_iter().flat_map(|t| t.networks.values());
        networks.map(|network| &network.attachment)
    }
}
