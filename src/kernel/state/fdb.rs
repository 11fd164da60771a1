//! Forwarding tables: those of tenants' bridges, and of their VXLAN devices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_route::neighbour::NeighbourMessage;

use super::{State, Touched};
use crate::kernel::message::{self, BridgeEntry, FdbEntry, FdbFacts, LinkFacts, Stays, VxlanEntry};
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
    /// VXLAN devices that forget after a while where to flood to: that is said of all of a device's VTEPs at once.
    ageing: BTreeSet<u32>,
}

/// One address on one device, in either table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    bridge: Option<BridgeEntry>,
    vxlan: Option<VxlanEntry>,
}

impl Entry {
    /// `None` where there is nothing.
    fn value(self) -> Option<Value> {
        let text = match (self.bridge, self.vxlan) {
            (None, None) => return None,
            (Some(BridgeEntry::Static), None) => return Some(Value::Fdb { vtep: None }),
            (Some(BridgeEntry::Taught), None) => "in the bridge's table alone".to_owned(),
            (Some(BridgeEntry::Local { .. }), _) => "the bridge's own address".to_owned(),
            (Some(BridgeEntry::Learned), None) => "learned from frames".to_owned(),
            (bridge, Some(VxlanEntry { vtep, stays })) => match (bridge, vtep, stays) {
                (_, None, _) => "not to one VTEP".to_owned(),
                (None | Some(BridgeEntry::Learned), Some(vtep), _) => {
                    format!("to {vtep}, but not in the bridge's table")
                }
                (Some(_), Some(vtep), Stays::Always) => format!("to {vtep}, for ever"),
                (Some(_), Some(vtep), Stays::Ageing) => format!("to {vtep}, for a while"),
                (Some(_), Some(vtep), Stays::Taught) => {
                    return Some(Value::Fdb { vtep: Some(vtep) });
                }
            },
        };
        Some(Value::Stray { text: text.into() })
    }
}

/// Of which tables an entry is to go before another takes its place: the kernel would keep what is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::kernel) struct InTheWay {
    pub(in crate::kernel) of_bridge: bool,
    pub(in crate::kernel) of_vxlan: bool,
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
            if let FdbEntry::Vxlan(entry) = entry {
                self.flood(index, entry, present, touched);
            }
            return;
        }
        let of = (index, mac);
        let known = self.forwarding.entries.get(&of).copied();
        let mut now = known.unwrap_or_default();
        match entry {
            // What frames teach, and ports' own addresses, are no entries of anybody's; but one may become such.
            FdbEntry::Bridge(BridgeEntry::Learned | BridgeEntry::Local { taught: false })
                if known.is_none() =>
            {
                return;
            }
            FdbEntry::Bridge(how) => now.bridge = present.then_some(how),
            FdbEntry::Vxlan(how) => now.vxlan = present.then_some(how),
        }
        touched.keys.insert(Key::Fdb { dev, mac });
        if now == Entry::default() {
            self.forwarding.entries.remove(&of);
        } else {
            self.forwarding.entries.insert(of, now);
        }
    }

    fn flood(&mut self, index: u32, entry: VxlanEntry, present: bool, touched: &mut Touched) {
        let known = &mut self.forwarding;
        let was_ageing = known.ageing.remove(&index);
        let mut is_ageing = was_ageing;
        if present {
            known.floods.extend(entry.vtep.map(|vtep| (index, vtep)));
            is_ageing = entry.stays == Stays::Ageing;
        } else if let Some(vtep) = entry.vtep {
            known.floods.remove(&(index, vtep));
        }
        if is_ageing && known.floods.iter().any(|(of, _)| *of == index) {
            known.ageing.insert(index);
        }
        let dev = self.links.name(index).cloned();
        let told = dev.zip(entry.vtep);
        let told = told.map(|(dev, vtep)| Key::Flood { dev, vtep });
        touched.keys.extend(told);
        if was_ageing != is_ageing {
            touched.keys.extend(self.flood_keys(Some(index)));
        }
    }

    /// What a replacing entry would not put right. In a bridge an address of its own that is taught is still its own, and one
    /// that was taught is still taught when it is made by hand; of a VXLAN device's entry that a process made, `extern_learn`
    /// changes the VTEP and not the state (vxlan_fdb_update_existing).
    pub(in crate::kernel) fn in_the_way(
        &self,
        index: u32,
        mac: MacAddr,
        vtep: Option<IpAddr>,
    ) -> InTheWay {
        let entry = self.forwarding.entries.get(&(index, mac));
        let Some(Entry { bridge, vxlan }) = entry.copied() else {
            return InTheWay::default();
        };
        InTheWay {
            of_bridge: match bridge {
                Some(BridgeEntry::Local { .. }) => true,
                Some(BridgeEntry::Taught) => vtep.is_none(),
                Some(BridgeEntry::Static | BridgeEntry::Learned) | None => false,
            },
            of_vxlan: vtep.is_some() && vxlan.is_some_and(|entry| entry.stays != Stays::Taught),
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
        let value = match self.forwarding.ageing.contains(&link.index) {
            false => Value::Flood {},
            true => Value::Stray {
                text: "for a while".into(),
            },
        };
        Some(Found {
            value,
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
        entries.chain(self.flood_keys(None))
    }

    /// Of one device, or of all.
    fn flood_keys(&self, of: Option<u32>) -> impl Iterator<Item = Key> {
        let floods = self.forwarding.floods.iter();
        let floods = floods.filter(move |(index, _)| of.is_none_or(|of| of == *index));
        floods.filter_map(|(index, vtep)| {
            let dev = self.links.name(*index)?;
            Some(Key::Flood {
                dev: Arc::clone(dev),
                vtep: *vtep,
            })
        })
    }
}
