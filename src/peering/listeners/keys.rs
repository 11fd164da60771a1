//! Which key belongs to which address. Pure.

use std::collections::BTreeMap;

use bgp::PeerId;
use ipnet::IpNet;

use crate::peering::settings::Password;

/// What every neighbour wants of a listening socket.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<Owner, Want>);

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A neighbour's.
    Peer(PeerId),
    /// That of a range of neighbours, by its position.
    Range(usize),
}

impl From<PeerId> for Owner {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

/// What one wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) remote: IpNet,
    pub(super) password: Option<Password>,
}

impl Keys {
    /// Replaces what `owner` wants; returns the addresses whose key has changed by that.
    pub(super) fn set(&mut self, owner: impl Into<Owner>, want: Option<Want>) -> Vec<IpNet> {
        let owner = owner.into();
        let old = self.0.get(&owner).map(|want| want.remote);
        let mut touched: Vec<IpNet> = old
            .into_iter()
            .chain(want.as_ref().map(|want| want.remote))
            .collect();
        touched.dedup();
        let before: Vec<_> = touched
            .iter()
            .map(|remote| self.key(*remote).cloned())
            .collect();
        match want {
            Some(want) => drop(self.0.insert(owner, want)),
            None => drop(self.0.remove(&owner)),
        }
        let changed = touched.into_iter().zip(before);
        changed
            .filter(|(remote, before)| self.key(*remote) != before.as_ref())
            .map(|(remote, _)| remote)
            .collect()
    }

    /// Where `peer` connects from.
    pub(super) fn remote(&self, peer: PeerId) -> Option<IpNet> {
        let owner = Owner::Peer(peer);
        self.0.get(&owner).map(|want| want.remote)
    }

    /// The key of an address: that of the neighbour configured first, should several have it (a link-local address
    /// on several interfaces).
    pub(super) fn key(&self, remote: IpNet) -> Option<&Password> {
        let mut wants = self.of(remote);
        wants.find_map(|want| want.password.as_ref())
    }

    /// Neighbours with this address want different keys, or one of them none.
    pub(super) fn is_contested(&self, remote: IpNet) -> bool {
        let mut wants = self.of(remote);
        let first = wants.next();
        first.is_some_and(|first| wants.any(|want| want.password != first.password))
    }

    /// Every address that has a key, and the key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpNet, &Password)> {
        let remotes: std::collections::BTreeSet<IpNet> =
            self.0.values().map(|want| want.remote).collect();
        remotes
            .into_iter()
            .filter_map(|remote| self.key(remote).map(|key| (remote, key)))
    }

    fn of(&self, remote: IpNet) -> impl Iterator<Item = &Want> {
        self.0.values().filter(move |want| want.remote == remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: PeerId = PeerId(0);
    const SECOND: PeerId = PeerId(1);

    fn want(remote: &str, password: Option<&str>) -> Option<Want> {
        Some(Want {
            remote: remote.parse().unwrap(),
            password: password.and_then(Password::new),
        })
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_address_that_changed_is_touched() {
        let mut keys = Keys::default();
        assert_eq!(
            keys.set(FIRST, want("fe80::1/128", Some("a"))),
            [net("fe80::1/128")]
        );
        assert_eq!(
            keys.set(SECOND, want("fe80::2/128", Some("b"))),
            [net("fe80::2/128")]
        );
        assert_eq!(keys.set(SECOND, want("fe80::2/128", Some("b"))), []);
        assert_eq!(
            keys.set(SECOND, want("fe80::2/128", Some("c"))),
            [net("fe80::2/128")]
        );
        assert_eq!(
            keys.set(SECOND, want("fe80::3/128", Some("c"))),
            [net("fe80::2/128"), net("fe80::3/128")]
        );
        assert_eq!(keys.set(SECOND, None), [net("fe80::3/128")]);
        assert_eq!(keys.iter().count(), 1);
    }

    #[test]
    fn one_address_on_two_links_keeps_its_key_until_the_last_has_gone() {
        let mut keys = Keys::default();
        let shared = net("fe80::1/128");
        assert_eq!(keys.set(FIRST, want("fe80::1/128", Some("a"))), [shared]);
        assert_eq!(keys.set(SECOND, want("fe80::1/128", Some("a"))), []);
        assert!(!keys.is_contested(shared));
        assert_eq!(keys.set(FIRST, None), []);
        assert_eq!(keys.set(SECOND, None), [shared]);
        assert_eq!(keys.key(shared), None);
    }

    #[test]
    fn different_keys_for_one_address_are_noticed() {
        let mut keys = Keys::default();
        let shared = net("fe80::1/128");
        keys.set(FIRST, want("fe80::1/128", Some("a")));
        for other in [Some("b"), None] {
            assert_eq!(keys.set(SECOND, want("fe80::1/128", other)), []);
            assert!(keys.is_contested(shared));
        }
        assert_eq!(keys.key(shared), Password::new("a").as_ref());
    }
}
