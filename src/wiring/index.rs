//! The exposures in force by destination.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;

use bgp::evpn::Vni;
use ipnet::IpNet;

use crate::exposure::Exposure;
use crate::mac::MacAddr;
use crate::reconcile::Destination;

/// Exposures, sorted under each destination.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    exposures: BTreeMap<Destination, Vec<Arc<Exposure>>>,
}

impl Index {
    /// False when it was there already.
    pub(super) fn insert(&mut self, exposure: &Arc<Exposure>) -> bool {
        let exposures = self.exposures.entry(exposure.destination()).or_default();
        match exposures.binary_search(exposure) {
            Ok(_) => false,
            Err(place) => {
                exposures.insert(place, exposure.clone());
                true
            }
        }
    }

    /// False when it was not there.
    pub(super) fn remove(&mut self, exposure: &Arc<Exposure>) -> bool {
        let destination = exposure.destination();
        let Some(exposures) = self.exposures.get_mut(&destination) else {
            return false;
        };
        let Ok(place) = exposures.binary_search(exposure) else {
            return false;
        };
        exposures.remove(place);
        if exposures.is_empty() {
            self.exposures.remove(&destination);
        }
        true
    }

    /// Those of one destination.
    pub(super) fn of(&self, destination: Destination) -> &[Arc<Exposure>] {
        let exposures = self.exposures.get(&destination);
        exposures.map_or(&[], Vec::as_slice)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Destination, &[Arc<Exposure>])> {
        let exposures = self.exposures.iter();
        exposures.map(|(destination, exposures)| (*destination, exposures.as_slice()))
    }

    /// The prefixes of the default table inside a subnet.
    pub(super) fn inside(&self, subnet: IpNet) -> impl Iterator<Item = Destination> + '_ {
        self.from(Destination::Prefix(subnet))
            .take_while(move |destination| {
                let prefix = destination.prefix();
                prefix.is_some_and(|prefix| subnet.contains(&prefix))
            })
    }

    /// What is exposed of a tenant.
    pub(super) fn of_tenant(&self, vni: Vni) -> impl Iterator<Item = Destination> + '_ {
        let prefixes = Destination::Tenant {
            vni,
            prefix: IpNet::default(),
        };
        let hosts = Destination::Host {
            vni,
            mac: MacAddr([0; 6]),
            address: None,
        };
        [prefixes, hosts].into_iter().flat_map(move |first| {
            self.from(first).take_while(move |found| {
                discriminant(found) == discriminant(&first) && found.vni() == Some(vni)
            })
        })
    }

    /// Whether something with this MAC address is exposed of a tenant.
    pub(super) fn has_host(&self, vni: Vni, mac: MacAddr) -> bool {
        let address = None;
        let next = self.from(Destination::Host { vni, mac, address }).next();
        next.is_some_and(|found| {
            matches!(found, Destination::Host { vni: v, mac: m, .. } if (v, m) == (vni, mac))
        })
    }

    fn from(&self, first: Destination) -> impl Iterator<Item = Destination> + '_ {
        self.exposures.range(first..).map(|(found, _)| *found)
    }
}
