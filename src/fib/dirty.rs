//! Prefixes that are to be looked at.

use std::collections::{BTreeMap, VecDeque};

use bgp::AddressSet;
use ipnet::IpNet;

/// A queue that holds each prefix once. Shorter prefixes go before longer ones, a default route carries more than any
/// other; of one length, whoever has waited longest goes first.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    by_length: BTreeMap<u8, VecDeque<IpNet>>,
    waiting: AddressSet<IpNet>,
}

impl Dirty {
    pub(super) fn insert(&mut self, prefix: IpNet) {
        if self.waiting.insert(prefix) {
            let queue = self.by_length.entry(prefix.prefix_len()).or_default();
            queue.push_back(prefix);
        }
    }

    pub(super) fn pop(&mut self) -> Option<IpNet> {
        let mut shortest = self.by_length.first_entry()?;
        let prefix = shortest.get_mut().pop_front();
        if shortest.get().is_empty() {
            shortest.remove();
        }
        prefix.inspect(|prefix| {
            self.waiting.remove(prefix);
            if self.waiting.is_empty() {
                // What a burst needed is given back.
                self.waiting = AddressSet::default();
            }
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Extend<IpNet> for Dirty {
    fn extend<T: IntoIterator<Item = IpNet>>(&mut self, prefixes: T) {
        prefixes.into_iter().for_each(|prefix| self.insert(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn the_shortest_goes_first_then_who_waits_longest_and_each_once() {
        let mut dirty = Dirty::default();
        let given = ["192.0.2.9/32", "192.0.2.1/32", "2001:db8::/32", "0.0.0.0/0"];
        dirty.extend(given.map(net));
        dirty.insert(net("192.0.2.9/32"));
        dirty.insert(net("::/0"));
        let order = std::iter::from_fn(|| dirty.pop());
        let expected = [
            "0.0.0.0/0",
            "::/0",
            "192.0.2.9/32",
            "192.0.2.1/32",
            "2001:db8::/32",
        ];
        assert_eq!(order.collect::<Vec<_>>(), expected.map(net));
        assert!(dirty.is_empty());
        dirty.insert(net("::/0"));
        assert_eq!(dirty.pop(), Some(net("::/0")), "it may wait again");
    }
}
