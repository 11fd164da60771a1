//! Tenant subnets: what all hosts of one share.
//!
//! A rule and a route carry a whole subnet to a gateway of OVN's; its hosts have none of their own. They are
//! held once for the subnet, however many hosts there are, and go with the last of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Facts, underlay};
use crate::exposure::{Attachment, Exposure};
use crate::mac::MacAddr;
use crate::reconcile::Key;
use ipnet::IpNet;

/// A router's gateway on a provider network: the next hop into what is behind the router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gateway {
    pub(super) attachment: Attachment,
    /// Its address, of the subnet's family.
    pub(super) via: IpAddr,
    /// Pins a permanent neighbour when known.
    pub(super) mac: Option<MacAddr>,
}

impl Gateway {
    /// The subnet that carries an exposure's traffic, and its gateway; `None` for what is on-link, or in a table of its
    /// tenant's own, where no rule is needed.
    pub(super) fn of(exposure: &Exposure) -> Option<(IpNet, Self)> {
        if exposure.vni.is_some() {
            return None;
        }
        let gateway = Self {
            attachment: exposure.attachment.clone()?,
            via: exposure.via?,
            mac: exposure.mac,
        };
        Some((exposure.subnet?.trunc(), gateway))
    }
}

/// A subnet with the gateways through which something in it is exposed.
#[derive(Clone, Debug, Default)]
pub(super) struct Subnet {
    /// With how many exposures each has.
    gateways: BTreeMap<Gateway, usize>,
    carried: Option<Carried>,
}

/// The gateway that carries a subnet, and what must be in place before anything in it is advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) gateway: Gateway,
    pub(super) requires: Arc<[Key]>,
}

impl Subnet {
    /// One exposure more through this gateway. True when it is the first.
    pub(super) fn add(&mut self, gateway: Gateway) -> bool {
        let count = self.gateways.entry(gateway).or_default();
        *count += 1;
        *count == 1
    }

    /// One exposure less. True when it was the last through this gateway.
    pub(super) fn remove(&mut self, gateway: &Gateway) -> bool {
        let Some(count) = self.gateways.get_mut(gateway) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.gateways.remove(gateway);
        }
        last
    }

    /// True when nothing in it is exposed any more.
    pub(super) fn is_empty(&self) -> bool {
        self.gateways.is_empty()
    }

    /// What carries it; `None` before [`Self::choose`].
    pub(super) fn carried(&self) -> Option<&Carried> {
        self.carried.as_ref()
    }

    /// True when a gateway is on a bridge for which this holds.
    pub(super) fn is_on(&self, holds: impl Fn(&Arc<str>) -> bool) -> bool {
        let mut gateways = self.gateways.keys();
        gateways.any(|gateway| holds(&gateway.attachment.bridge))
    }

    /// Chooses the gateway: of those that need not wait the first, else the first. The order is that of their
    /// bridges and addresses, so that a choice depends on nothing that happened before. True when what carries
    /// the subnet has changed.
    pub(super) fn choose(&mut self, subnet: IpNet, facts: &Facts) -> bool {
        let ready = |gateway: &&Gateway| underlay::waits_for(&gateway.attachment, facts).is_none();
        let first = self.gateways.keys().find(ready);
        let chosen = first.or_else(|| self.gateways.keys().next());
        let carried = chosen.map(|gateway| Carried {
            gateway: gateway.clone(),
            requires: underlay::requires_through(subnet, gateway, facts).into(),
        });
        let changed = self.carried != carried;
        self.carried = carried;
        changed
    }
}

/// How an exposure that a subnet carries is reached.
pub(super) enum Way<'a> {
    /// By what the subnet has.
    Shared(&'a Carried),
    /// Through another gateway than the rest of the subnet, by a route of its own in the same table: two
    /// routers with overlapping subnets.
    Beside(&'a Carried),
    /// Through another gateway on another bridge, whose table the subnet's rule does not look up.
    Blocked(&'a Carried),
}

impl<'a> Way<'a> {
    /// How `exposure`, which goes through `gateway`, is reached while the subnet is `carried`.
    pub(super) fn of(exposure: &Exposure, gateway: &Gateway, carried: &'a Carried) -> Self {
        if carried.gateway == *gateway {
            return Self::Shared(carried);
        }
        let whole = exposure
            .subnet
            .is_some_and(|s| s.trunc() == exposure.prefix.trunc());
        let same_bridge = carried.gateway.attachment.bridge == gateway.attachment.bridge;
        if same_bridge && !whole {
            Self::Beside(carried)
        } else {
            Self::Blocked(carried)
        }
    }
}
