//! `Load_Balancer.vips` of either database.

use std::net::IpAddr;

use super::row::{ColumnError, Reader};

/// One entry: an address and port, and the members behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The key's address. Its port decides nothing here.
    pub address: IpAddr,
    /// Addresses of the members, in their order, each as often as it is there.
    pub members: Vec<IpAddr>,
}

impl Vip {
    /// Every entry whose key is an address. Those of template load balancers (`^name`) are not.
    pub(super) fn read(row: &Reader<'_>) -> Result<Vec<Self>, ColumnError> {
        let entries = row.pairs("vips")?;
        let read = |(key, value): (_, &str)| {
            Some(Self {
                address: address(key)?,
                members: value.split(',').filter_map(address).collect(),
            })
        };
        Ok(entries.filter_map(read).collect())
    }
}

/// The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.split_once(']')?.0.parse().ok();
    }
    let host = text.split_once(':').map_or(text, |(host, _)| host);
    text.parse().or_else(|_| host.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ovsdb::{Datum, Row};

    fn vips(pairs: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
        let row = Row::new([Some(Datum::map(pairs.iter().copied()))]);
        let vips = Vip::read(&Reader::new(&["vips"], &row)).unwrap();
        let text = |ip: &IpAddr| ip.to_string();
        vips.iter()
            .map(|vip| (text(&vip.address), vip.members.iter().map(text).collect()))
            .collect()
    }

    #[test]
    fn b100_addresses_of_both_families_are_read_with_and_without_port() {
        let read = vips(&[
            ("10.0.0.1", "10.0.0.2"),
            ("10.0.0.1:80", "10.0.0.2:8080,10.0.0.3:8080"),
            ("2001:db8::1", ""),
            ("[2001:db8::1]:80", "[2001:db8::2]:8080"),
        ]);
        let expected = [
            ("10.0.0.1", vec!["10.0.0.2"]),
            ("10.0.0.1", vec!["10.0.0.2", "10.0.0.3"]),
            ("2001:db8::1", vec![]),
            ("2001:db8::1", vec!["2001:db8::2"]),
        ];
        let expected = expected.map(|(vip, members)| {
            let members = members.into_iter().map(str::to_owned).collect();
            (vip.to_owned(), members)
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_address_is_no_vip() {
        assert_eq!(vips(&[("^vip:^port", "^members"), ("[::1", "")]), []);
        assert_eq!(
            vips(&[("10.0.0.1:80", "^members,[::1,")]),
            [("10.0.0.1".to_owned(), vec![])]
        );
    }
}
