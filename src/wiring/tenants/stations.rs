//! What is on a stretched network here without an IP address: its MAC address is told alone (RFC 7432 §7.2: IP address
//! length 0), and an entry of the bridge leads to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bgp::evpn::Vni;

use super::entrance::Entrance;
use super::{Site, Tenants, devices};
use crate::exposure::{Delta, ProviderNetwork, Tenant};
use crate::mac::MacAddr;
use crate::reconcile::{Advert, Destination, Holder, Key, Taught, Value};
use crate::wiring::wish::Needs;
use crate::wiring::{Facts, Touched, Wiring, Wish};

impl Wiring {
    /// The stations of tenants that change.
    pub(in crate::wiring) fn stations(&self, delta: &Delta) -> BTreeSet<Destination> {
        let vnis = delta.tenants.keys();
        vnis.flat_map(|vni| self.tenants.stations(*vni)).collect()
    }

    /// What depends on a station that came or went.
    pub(in crate::wiring) fn touch_station(&self, station: Destination, touched: &mut Touched) {
        touched.destinations.insert(station);
        if let Destination::Host { vni, mac, .. } = station
            && self.tenants.knows_host(vni, mac)
        {
            touched.taught.insert((vni, Taught::Host(mac)));
        }
    }

    /// What a station needs; nothing if the destination is none, or it is not here.
    pub(in crate::wiring) fn station_wish(&self, destination: Destination) -> Wish {
        let nothing = Wish::nothing(Holder::Exposed(destination));
        let Destination::Host { vni, mac, address } = destination else {
            return nothing;
        };
        let needs = || self.tenants.station(vni, mac, &self.facts);
        let needs = address.is_none().then(needs).flatten();
        let Some(Needs { objects, requires }) = needs else {
            return nothing;
        };
        let advert = Advert {
            requires,
            ..Advert::default()
        };
        Wish {
            objects,
            advert: Some(advert),
            ..nothing
        }
    }
}

impl Tenants {
    /// Those of a tenant.
    pub(in crate::wiring) fn stations(&self, vni: Vni) -> impl Iterator<Item = Destination> + '_ {
        let tenant = self.tenant(vni).into_iter();
        let networks = tenant.flat_map(|tenant| tenant.networks.values());
        let stations = networks.flat_map(|network| &network.stations);
        let macs = stations.filter_map(|station| station.mac);
        macs.map(move |mac| Destination::Host {
            vni,
            mac,
            address: None,
        })
    }

    /// Whether one of them has this MAC address.
    pub(in crate::wiring) fn has_station(&self, vni: Vni, mac: MacAddr) -> bool {
        let has =
            |tenant: &Arc<Tenant>| tenant.networks.values().any(|network| is_on(network, mac));
        self.tenant(vni).is_some_and(has)
    }

    fn station(&self, vni: Vni, mac: MacAddr, facts: &Facts) -> Option<Needs> {
        self.site(vni, facts)?.station(mac)
    }
}

impl Site<'_> {
    fn station(&self, mac: MacAddr) -> Option<Needs> {
        let (_, network) = self.networks().find(|(_, network)| is_on(network, mac))?;
        let entrance = Entrance::new(self.tenant, network, self.facts);
        let dev = Arc::clone(&entrance.dev);
        let key = Key::Fdb { dev, mac };
        let devices = devices::requires(self.tenant.vni, self.vtep, self.facts);
        let requires = devices.chain(entrance.requires()).chain([key.clone()]);
        Some(Needs {
            requires: requires.collect(),
            objects: vec![(key, Value::Fdb { vtep: None })],
        })
    }
}

fn is_on(network: &ProviderNetwork, mac: MacAddr) -> bool {
    network
        .stations
        .iter()
        .any(|station| station.mac == Some(mac))
}
