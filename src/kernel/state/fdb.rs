//! Forwarding tables: those of tenants' bridges, and of their VXLAN devices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_route::neighbour::NeighbourMessage;

use super::{State, Touched};
use crate::kernel::message::{self, BridgeEntry, FdbEntry, FdbFacts, LinkFacts};
use crate::mac::MacAddr;
use crate::reconcile::Found;
use crate::reconcile::object::{Key, Value};

/// The address of what is flooded.
const ALL_ZEROS: MacAddr = MacAddr([0; 6]);

/// What is known of forwarding tables, by the index of the port or VXLAN device.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    entries: BTreeMap<(u32, MacAddr), Entry>,
    floods: BTreeSet<(u32, IpAddr)>,
}

/// One address on one device, in either table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    bridge: Option<BridgeEntry>,
    /// `Some(None)` is something else than one VTEP.
    vxlan: Option<Option<IpAddr>>,
}

impl Entry {
    /// `None` where there is nothing.
    fn value(self) -> Option<Value> {
        let text = match (self.bridge, self.vxlan) {
            (None, None) => return None,
            (Some(_), Some(Some(vtep))) => return Some(Value::Fdb { vtep: Some(vtep) }),
            (Some(BridgeEntry::Static), None) => return Some(Value::Fdb { vtep: None }),
            (Some(BridgeEntry::Taught), None) => "in the bridge's table alone".to_owned(),
            (_, Some(None)) => "not to one VTEP".to_owned(),
            (None, Some(Some(vtep))) => format!("to {vtep}, but not in the bridge's table"),
        };
        Some(Value::Stray { text: text.into() })
    }
}

impl State {
    pub(super) fn fdb(&mut self, message: &NeighbourMessage, present: bool, touched: &mut Touched) {
        let Some(FdbFacts { index, mac, entry }) = message::fdb(message) else {
            return;
        };
        let link = self.links.get(index);
        let Some(link) = link.filter(|link| self.has_forwarding_table(link)) else {
            return;
        };
        let dev = Arc::clone(&link.name);
        if mac == ALL_ZEROS {
            if let FdbEntry::Vxlan(Some(vtep)) = entry {
                touched.keys.insert(Key::Flood { dev, vtep });
                if present {
                    self.forwarding.floods.insert((index, vtep));
                } else {
                    self.forwarding.floods.remove(&(index, vtep));
                }
            }
            return;
        }
        touched.keys.insert(Key::Fdb { dev, mac });
        let of = (index, mac);
        let known = self.forwarding.entries.entry(of).or_default();
        match entry {
            FdbEntry::Bridge(how) => known.bridge = present.then_some(how),
            FdbEntry::Vxlan(to) => known.vxlan = present.then_some(to),
        }
        if *known == Entry::default() {
            self.forwarding.entries.remove(&of);
        }
    }

    /// An address was taken off a device, of both tables. Each is announced by itself: after the first the other half
    /// would look like somebody else's.
    pub(in crate::kernel) fn forget_fdb(&mut self, dev: &str, mac: MacAddr) {
        if let Some(index) = self.links.index(dev) {
            self.forwarding.entries.remove(&(index, mac));
        }
    }

    pub(super) fn found_fdb(&self, dev: &str, mac: MacAddr) -> Option<Found> {
        let link = self.links.named(dev)?;
        let entry = self.forwarding.entries.get(&(link.index, mac))?;
        Some(Found {
            value: entry.value()?,
            owned: self.owns_forwarding(link),
        })
    }

    pub(super) fn found_flood(&self, dev: &str, vtep: IpAddr) -> Option<Found> {
        let link = self.links.named(dev)?;
        self.forwarding.floods.get(&(link.index, vtep))?;
        Some(Found {
            value: Value::Flood {},
            owned: self.owns_forwarding(link),
        })
    }

    /// The table is that of the VXLAN device, or of the bridge that the device is a port of.
    fn owns_forwarding(&self, link: &LinkFacts) -> bool {
        let table = match link.vxlan() {
            Some(_) => Some(link),
            None => self.links.master(link),
        };
        let ours = table.is_some_and(|table| self.owns_tenant_device(table));
        let tenants = self.scope.tenants.as_ref();
        tenants.is_some_and(|tenants| tenants.owns_fdb(ours))
    }

    pub(super) fn forwarding_keys(&self) -> impl Iterator<Item = Key> {
        let entries = self.forwarding.entries.keys().filter_map(|(index, mac)| {
            let dev = self.links.name(*index)?;
            Some(Key::Fdb {
                dev: Arc::clone(dev),
                mac: *mac,
            })
        });
        let floods = self.forwarding.floods.iter().filter_map(|(index, vtep)| {
            let dev = self.links.name(*index)?;
            Some(Key::Flood {
                dev: Arc::clone(dev),
                vtep: *vtep,
            })
        });
        entries.chain(floods)
    }
}
