//! Where prefixes go: the embedded speaker.
//!
//! The agent states the set of prefixes to be advertised, whole, each time it has computed it; what goes to
//! the speaker is the difference to what was handed over before.

use std::collections::BTreeSet;

use bgp::Route;
use ipnet::IpNet;

use crate::peering::Peering;

/// Advertises through the embedded speaker.
#[derive(Debug)]
pub struct Advertiser {
    peering: Peering,
    handed: BTreeSet<IpNet>,
}

/// What has to be said to get from one set of prefixes to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// New prefixes, sorted.
    pub originate: Vec<IpNet>,
    /// Prefixes that are no more, sorted.
    pub withdraw: Vec<IpNet>,
}

impl Change {
    /// The difference between two sets.
    pub fn between(before: &BTreeSet<IpNet>, after: &BTreeSet<IpNet>) -> Self {
        Self {
            originate: after.difference(before).copied().collect(),
            withdraw: before.difference(after).copied().collect(),
        }
    }

    /// Nothing to say.
    pub fn is_empty(&self) -> bool {
        self.originate.is_empty() && self.withdraw.is_empty()
    }
}

impl Advertiser {
    /// An advertiser that has advertised nothing yet.
    pub fn new(peering: Peering) -> Self {
        Self {
            peering,
            handed: BTreeSet::new(),
        }
    }

    /// Advertise exactly these; returns what that changed.
    pub fn advertise(&mut self, desired: &BTreeSet<IpNet>) -> Change {
        let change = Change::between(&self.handed, desired);
        if !change.is_empty() {
            self.peering.withdraw(change.withdraw.iter().copied());
            self.peering
                .originate(change.originate.iter().copied().map(Route::new));
            self.handed.clone_from(desired);
        }
        change
    }

    /// Add what is new and withdraw nothing: the first half of make before break.
    pub fn advertise_more(&mut self, prefixes: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
        let fresh: Vec<_> = prefixes
            .into_iter()
            .filter(|prefix| self.handed.insert(*prefix))
            .collect();
        self.peering
            .originate(fresh.iter().copied().map(Route::new));
        fresh
    }

    /// What the speaker has been told to originate.
    pub fn advertised(&self) -> &BTreeSet<IpNet> {
        &self.handed
    }

    /// The speaker, to watch it or to ask for its state.
    pub fn peering(&self) -> &Peering {
        &self.peering
    }

    /// The speaker itself, to shut it down.
    pub fn into_peering(self) -> Peering {
        self.peering
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::peering::Settings;

    fn set(prefixes: &[&str]) -> BTreeSet<IpNet> {
        prefixes
            .iter()
            .map(|prefix| prefix.parse().unwrap())
            .collect()
    }

    fn originated(advertiser: &Advertiser) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let snapshot = runtime.block_on(advertiser.peering().status()).unwrap();
        snapshot
            .routes
            .iter()
            .map(|route| route.prefix.to_string())
            .collect()
    }

    #[test]
    fn only_the_difference_is_said() {
        let change = Change::between(
            &set(&["192.0.2.1/32", "192.0.2.2/32"]),
            &set(&["192.0.2.2/32", "2001:db8::1/128"]),
        );
        assert_eq!(change.originate, ["2001:db8::1/128".parse().unwrap()]);
        assert_eq!(change.withdraw, ["192.0.2.1/32".parse().unwrap()]);
        assert!(Change::between(&set(&["192.0.2.1/32"]), &set(&["192.0.2.1/32"])).is_empty());
    }

    #[test]
    fn the_speaker_ends_with_the_desired_set() {
        let settings = Settings {
            listen: Vec::new(),
            ..Settings::new(65001, Ipv4Addr::new(192, 0, 2, 1))
        };
        let mut advertiser = Advertiser::new(Peering::spawn(settings, Vec::new()).unwrap());
        advertiser.advertise(&set(&["192.0.2.1/32", "192.0.2.2/32"]));
        advertiser.advertise_more(set(&["192.0.2.2/32", "192.0.2.3/32"]));
        advertiser.advertise(&set(&["192.0.2.3/32", "192.0.2.4/32"]));
        assert_eq!(
            *advertiser.advertised(),
            set(&["192.0.2.3/32", "192.0.2.4/32"])
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while originated(&advertiser) != ["192.0.2.3/32", "192.0.2.4/32"] {
            assert!(
                std::time::Instant::now() < deadline,
                "{:?}",
                originated(&advertiser)
            );
        }
    }
}
