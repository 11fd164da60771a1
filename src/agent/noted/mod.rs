//! What was advertised, noted beside the control socket for an agent that starts while OVN cannot be reached.
//!
//! The kernel remembers the wiring, but not every prefix shows in it: the hosts of a tenant subnet share one
//! rule, and stretched networks have none. Nor does what a tenant's routes are told with. `/run` is empty after a
//! reboot, as the kernel's tables are.

mod instance;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bgp::evpn::{Instance, Vni};
use bgp::wire::{Community, ExtendedCommunity, LargeCommunity};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::instance::NotedInstance;
use crate::exposure::Attributes;
use crate::reconcile::{Announcement, Destination};
use crate::route_settings::Communities;

/// Longer than the note of any node: a hundred thousand prefixes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Between two notes.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the note is, and whether it is up to date.
#[derive(Debug)]
pub(super) struct Noted {
    /// `None` without a control socket.
    path: Option<PathBuf>,
    driver: String,
    stale: bool,
    written_at: Option<Instant>,
}

/// The file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    driver: String,
    adverts: Vec<Advert>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tenants: Vec<NotedInstance>,
}

/// What was advertised, and the tenants' tables of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) adverts: BTreeMap<Destination, Announcement>,
    pub(super) instances: BTreeMap<Vni, Instance>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Advert {
    /// Of the default table without `vni`; absent of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<IpNet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vni: Option<Vni>,
    /// Of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_hop: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    communities: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extended_communities: Vec<[u8; 8]>,
    /// Global administrator and the two parts of the operator's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    large_communities: Vec<[u32; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local_pref: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    med: Option<u32>,
}

impl Noted {
    /// The note of the agent with this control socket and driver.
    pub(super) fn beside(control_socket: &Path, driver: &str) -> Self {
        let named = control_socket.file_name().is_some();
        Self {
            path: named.then(|| control_socket.with_extension("adverts")),
            driver: driver.to_owned(),
            stale: false,
            written_at: None,
        }
    }

    /// What is advertised has changed.
    pub(super) fn outdated(&mut self) {
        self.stale = true;
    }

    /// Writes it down if it has changed, and not a moment ago.
    pub(super) fn keep(
        &mut self,
        adverts: &BTreeMap<Destination, Announcement>,
        instances: &BTreeMap<Vni, Instance>,
    ) {
        let due = self.written_at.is_none_or(|at| at.elapsed() >= PAUSE);
        if due {
            self.keep_now(adverts, instances);
        }
    }

    /// Writes it down if it has changed. An error costs the next agent's neighbours some routes, if OVN is then
    /// out of reach, and is told in the log.
    pub(super) fn keep_now(
        &mut self,
        adverts: &BTreeMap<Destination, Announcement>,
        instances: &BTreeMap<Vni, Instance>,
    ) {
        let Some(path) = self.path.as_deref().filter(|_| self.stale) else {
            return;
        };
        self.stale = false;
        self.written_at = Some(Instant::now());
        let note = Note {
            driver: self.driver.clone(),
            adverts: adverts.iter().map(Advert::of).collect(),
            tenants: instances.iter().map(NotedInstance::of).collect(),
        };
        if let Err(error) = write(path, &note) {
            tracing::warn!(path = %path.display(), %error, "cannot note what is advertised");
        }
    }

    /// What an agent with the same driver has noted last.
    pub(super) fn read(&self) -> Before {
        let Some(path) = self.path.as_deref() else {
            return Before::default();
        };
        let note = read(path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "cannot read what was advertised");
            Note::default()
        });
        if note.driver != self.driver {
            return Before::default();
        }
        let (adverts, tenants) = (note.adverts.into_iter(), note.tenants.into_iter());
        Before {
            adverts: adverts.filter_map(Advert::announcement).collect(),
            instances: tenants.filter_map(NotedInstance::instance).collect(),
        }
    }
}

impl Advert {
    fn of((destination, announcement): (&Destination, &Announcement)) -> Self {
        let attributes = &announcement.attributes;
        let communities = attributes
            .communities
            .as_deref()
            .cloned()
            .unwrap_or_default();
        let large = communities.large.iter();
        let (prefix, mac, address) = match *destination {
            Destination::Prefix(prefix) | Destination::Tenant { prefix, .. } => {
                (Some(prefix), None, None)
            }
            Destination::Host { mac, address, .. } => (None, Some(mac), address),
        };
        Self {
            prefix,
            vni: destination.vni(),
            mac: mac.map(|mac| mac.to_string()),
            address,
            next_hop: announcement.next_hop,
            communities: communities.standard.iter().map(|c| c.0).collect(),
            extended_communities: communities.extended.iter().map(|c| c.0).collect(),
            large_communities: large.map(|c| [c.global, c.local1, c.local2]).collect(),
            local_pref: attributes.local_pref,
            med: attributes.med,
        }
    }

    fn destination(&self) -> Option<Destination> {
        Some(match (self.vni, self.prefix) {
            (None, prefix) => Destination::Prefix(prefix?),
            (Some(vni), Some(prefix)) => Destination::Tenant { vni, prefix },
            (Some(vni), None) => Destination::Host {
                vni,
                mac: self.mac.as_ref()?.parse().ok()?,
                address: self.address,
            },
        })
    }

    /// `None` where the note makes no sense.
    fn announcement(self) -> Option<(Destination, Announcement)> {
        let destination = self.destination()?;
        let large = self.large_communities.into_iter();
        let large = large.map(|[global, local1, local2]| LargeCommunity {
            global,
            local1,
            local2,
        });
        let extended = self.extended_communities.into_iter();
        let communities = Communities {
            standard: self.communities.into_iter().map(Community).collect(),
            extended: extended.map(ExtendedCommunity).collect(),
            large: large.collect(),
        };
        let announcement = Announcement {
            next_hop: self.next_hop,
            attributes: Attributes {
                communities: (!communities.is_empty()).then(|| Arc::new(communities)),
                local_pref: self.local_pref,
                med: self.med,
                rule: None,
            },
        };
        Some((destination, announcement))
    }
}

/// In one stroke: half a note would be believed.
fn write(path: &Path, note: &Note) -> io::Result<()> {
    let beside = path.with_extension("adverts-new");
    std::fs::write(&beside, serde_json::to_vec(note)?)?;
    std::fs::rename(&beside, path)
}

/// An empty one where there is none.
fn read(path: &Path) -> io::Result<Note> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() <= LONGEST => {
            Ok(serde_json::from_slice(&std::fs::read(path)?)?)
        }
        Ok(_) => Err(io::Error::other("it is no file of ours")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Note::default()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(prefix: &str) -> Destination {
        Destination::Prefix(prefix.parse().unwrap())
    }

    fn adverts() -> BTreeMap<Destination, Announcement> {
        let stretched = Announcement {
            next_hop: "172.24.4.76".parse().ok(),
            attributes: Attributes {
                communities: Some(Arc::new(Communities {
                    standard: vec![Community(65_000 << 16 | 7)],
                    extended: vec!["rt:65000:1".parse().unwrap()],
                    large: vec!["65000:1:2".parse().unwrap()],
                })),
                local_pref: Some(50),
                ..Attributes::default()
            },
        };
        [
            (destination("10.0.0.5/32"), Announcement::default()),
            (destination("10.0.1.0/24"), stretched),
            (
                Destination::Tenant {
                    vni: 7,
                    prefix: "10.0.0.5/32".parse().unwrap(),
                },
                Announcement::default(),
            ),
            (
                Destination::Host {
                    vni: 8,
                    mac: "02:00:00:00:00:01".parse().unwrap(),
                    address: "10.0.0.5".parse().ok(),
                },
                Announcement::default(),
            ),
        ]
        .into()
    }

    fn instances() -> BTreeMap<Vni, Instance> {
        instance::tests::instances()
    }

    fn noted(dir: &tempfile::TempDir, driver: &str) -> Noted {
        Noted::beside(&dir.path().join("control.sock"), driver)
    }

    #[test]
    fn the_next_agent_reads_what_was_advertised_and_what_was_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut before = noted(&dir, "nb");
        before.keep_now(&adverts(), &instances());
        assert!(
            noted(&dir, "nb").read() == Before::default(),
            "nothing had changed"
        );
        before.outdated();
        before.keep_now(&adverts(), &instances());
        let read = noted(&dir, "nb").read();
        assert_eq!(read.adverts, adverts());
        assert_eq!(read.instances, instances());
        assert!(
            noted(&dir, "sb").read() == Before::default(),
            "another driver's"
        );
    }

    #[test]
    fn changes_in_quick_succession_are_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut before = noted(&dir, "nb");
        before.outdated();
        before.keep(&BTreeMap::new(), &BTreeMap::new());
        before.outdated();
        before.keep(&adverts(), &instances());
        assert!(noted(&dir, "nb").read() == Before::default());
        before.keep_now(&adverts(), &instances());
        let read = noted(&dir, "nb").read();
        assert_eq!(read.adverts, adverts());
        assert_eq!(read.instances, instances());
    }

    #[test]
    fn a_file_of_somebody_elses_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("control.adverts"), "{\"adverts\": 7").unwrap();
        assert!(noted(&dir, "nb").read() == Before::default());
        std::fs::remove_file(dir.path().join("control.adverts")).unwrap();
        std::fs::create_dir(dir.path().join("control.adverts")).unwrap();
        assert!(noted(&dir, "nb").read() == Before::default());
    }
}
