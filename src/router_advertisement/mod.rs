//! Router advertisements for the hosts of provider networks whose gateway is this node (upstream.md 5.2.4, 6.4): that
//! they are to use DHCPv6, which prefixes are on their link, whom to ask for names (RFC 4861, RFC 8106).
//!
//! ```text
//!   exposure ──► Advertisement ──► RouterAdvertisements::set ──► one task per device
//!                                                                     ▲          │
//!      kernel ── links, addresses ──► LinkMonitor ────────────────────┤          ▼
//!                                                                     └─── Advertiser (pure) ──► RouterSocket
//! ```
//!
//! `links` and `socket` serve the neighbours by interface of [`crate::peering`] as well.

mod advertisement;
mod advertiser;
mod consistency;
mod device;
pub(crate) mod links;
pub(crate) mod socket;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use advertisement::{Advertisement, Assignment, NotTold};
use device::Device;
use links::LinkMonitor;

/// What `show` prints of a device that hosts are advertised a router on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvertisingSnapshot {
    /// The device's name.
    pub device: String,
    /// How it stands, in words.
    pub state: String,
    /// True when advertisements go out.
    pub advertising: bool,
    /// Advertisements sent.
    pub advertisements_sent: u64,
    /// Valid solicitations received; those that came while an answer was due are not counted.
    pub solicitations_received: u64,
    /// Messages dropped as invalid.
    pub invalid: u64,
    /// Why the last one was.
    pub last_invalid: Option<String>,
    /// Other routers of the link that say otherwise than we do, and what (RFC 4861 §6.2.7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconsistent: Vec<String>,
}

/// The devices that advertisements are sent on, and no others. What ends with this says nothing: hosts keep their
/// router while the agent restarts.
#[derive(Debug, Default)]
pub struct RouterAdvertisements {
    /// Since the first of them, and on: a device that ceases still follows its link.
    monitor: Option<LinkMonitor>,
    devices: BTreeMap<Arc<str>, Device>,
}

impl RouterAdvertisements {
    /// From now on this is said, by the name of the device; a device that is not there yet is waited for. Devices
    /// that are not named are not sent on any more, and hosts are not told: others may be their router still.
    ///
    /// Call it on a runtime with I/O, in the namespace of the devices.
    pub fn set(&mut self, wanted: BTreeMap<Arc<str>, Advertisement>) {
        self.devices.retain(|name, _| wanted.contains_key(name));
        for (name, advertisement) in wanted {
            match self.devices.get(&name) {
                Some(device) => device.set(advertisement),
                None => {
                    let monitor = self.monitor.get_or_insert_with(LinkMonitor::start);
                    let device = Device::start(Arc::clone(&name), advertisement, monitor.links());
                    self.devices.insert(name, device);
                }
            }
        }
    }

    /// [`Self::set`], where `has_network` says of a device whether there is still a network behind it, with or without
    /// something of it on this node: hosts of one without are told that they have no router here any more. The future
    /// ends when they have been told: see [`Self::cease`].
    pub fn follow<F: Fn(&str) -> bool>(
        &mut self,
        wanted: BTreeMap<Arc<str>, Advertisement>,
        has_network: F,
    ) -> impl Future<Output = ()> + Send + use<F> {
        let lost = |name: &&Arc<str>| !wanted.contains_key(*name) && !has_network(name);
        let lost: Vec<_> = self.devices.keys().filter(lost).cloned().collect();
        let last_words: Vec<_> = lost.iter().map(|device| self.cease(device)).collect();
        self.set(wanted);
        async move {
            for said in last_words {
                said.await;
            }
        }
    }

    /// The network behind a device is no more, on no chassis: its hosts are told that they have no router here, and
    /// nothing after that. The future ends when that has been sent or cannot be; it need not be awaited, but a device
    /// that goes before it ends takes the message with it. It takes 3 s at most, and most often none.
    pub fn cease(&mut self, device: &str) -> impl Future<Output = ()> + Send + use<> {
        let device = self.devices.remove(device);
        let ceased = device.map(Device::cease);
        async move {
            if let Some(ceased) = ceased {
                ceased.await;
            }
        }
    }

    /// How the devices stand, by name.
    pub fn snapshot(&self) -> Vec<AdvertisingSnapshot> {
        self.devices.values().map(Device::snapshot).collect()
    }
}
