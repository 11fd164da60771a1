//! Maps and sets whose keys are addresses, prefixes, or have one in them.
//!
//! FxHash, fastest for small integers, only multiplies. An IPv6 address is hashed as one number with its last octets at
//! the top, where a product lets the bits of them leave nothing below: the hosts of one subnet land in a few buckets, and
//! the map becomes a list. This hash folds the whole product and costs as little.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::{FixedState, FoldHasher};

/// A map from addresses or prefixes. The same keys are in the same order in every run.
pub type AddressMap<K, V> = HashMap<K, V, AddressHash>;

/// A set of addresses or prefixes.
pub type AddressSet<K> = HashSet<K, AddressHash>;

/// What hashes them. Neighbouring addresses are neighbours in the table as well: routes come in runs of them, and each
/// would otherwise cost a miss of the cache.
#[derive(Clone, Debug, Default)]
pub struct AddressHash(FixedState);

/// Addresses that lie side by side.
const RUN: u32 = 16;

/// See [`AddressHash`].
#[derive(Clone)]
pub struct AddressHasher {
    /// Of all but the place in a run.
    fold: FoldHasher<'static>,
    place: u64,
}

impl BuildHasher for AddressHash {
    type Hasher = AddressHasher;

    fn build_hasher(&self) -> AddressHasher {
        AddressHasher {
            fold: self.0.build_hasher(),
            place: 0,
        }
    }
}

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.fold.write(bytes);
    }

    fn write_u8(&mut self, number: u8) {
        self.fold.write_u8(number);
    }

    fn write_u16(&mut self, number: u16) {
        self.fold.write_u16(number);
    }

    /// Addresses write their octets as they lie in memory.
    fn write_u32(&mut self, number: u32) {
        let number = u32::from_be(number);
        self.place ^= u64::from(number % RUN);
        self.fold.write_u32(number / RUN);
    }

    fn write_u64(&mut self, number: u64) {
        self.fold.write_u64(number);
    }

    fn write_u128(&mut self, number: u128) {
        let number = u128::from_be(number);
        let run = u128::from(RUN);
        self.place ^= (number % run) as u64;
        self.fold.write_u128(number / run);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold.write_usize(number);
    }

    /// The map finds the place by the lower bits, and tells keys there apart by the upper seven.
    fn finish(&self) -> u64 {
        let run = self.fold.finish();
        run.wrapping_add(self.place) ^ (self.place << 59)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use ipnet::IpNet;

    use super::*;

    /// The hosts of a subnet, a bit of whose address at a time counts them.
    fn hosts(v6: bool, lowest_bit: u32) -> impl Iterator<Item = IpNet> {
        (0..1024u32).map(move |n| {
            let address: IpAddr = if v6 {
                let subnet = 0x2001_0db8_ffff_0000_0000_0000_0000_0000;
                Ipv6Addr::from(subnet + (u128::from(n) << lowest_bit)).into()
            } else {
                Ipv4Addr::from(0x0a00_0000 + (n << lowest_bit)).into()
            };
            address.into()
        })
    }

    #[test]
    fn hosts_that_differ_anywhere_land_in_different_buckets() {
        let places = [(false, 0..14), (true, 0..54)];
        for (v6, bits) in places {
            for bit in bits {
                // The map looks for a bucket by the lower bits, and in it by the upper seven.
                let hash = |host| AddressHash::default().hash_one(host);
                let buckets: HashSet<_> = hosts(v6, bit).map(|h| hash(h) % 1024).collect();
                let marks: HashSet<_> = hosts(v6, bit).map(|h| hash(h) >> 57).collect();
                // By chance 647 buckets of 1024 are taken, and all 128 marks.
                assert!(buckets.len() > 300, "{v6} {bit}: {}", buckets.len());
                assert!(marks.len() > 50, "{v6} {bit}: {}", marks.len());
            }
        }
    }
}
