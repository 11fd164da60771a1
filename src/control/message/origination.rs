//! Routes by hand: `originate` and `withdraw`.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;

use bgp::RouteAttributes;
use bgp::wire::{Community, LargeCommunity};
use ipnet::IpNet;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mac::MacAddr;

/// `originate`: these routes, in place of those that the operator gave for the same prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Originate {
    #[serde(default, deserialize_with = "listed")]
    pub prefixes: Vec<IpNet>,
    /// In this tenant's table (EVPN) rather than in unicast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// In that table, a host with this MAC address, which has these addresses: the prefixes, of full length. None: it is told
    /// by its MAC address alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// The host is a default gateway of the network (RFC 7432 §10.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default_gateway: bool,
    /// Of all of them.
    #[serde(flatten)]
    pub attributes: Attributes,
    /// More prefixes follow, an array of them per line, until an empty one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// `withdraw`: what the operator has originated, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdraw {
    #[serde(default, deserialize_with = "listed")]
    pub prefixes: Vec<IpNet>,
    /// As in [`Originate`]: what was originated there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// As in [`Originate`]: this host, with all its addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// All of it, whatever `prefixes` says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// As in [`Originate`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A line of prefixes behind a request that says `more`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::control) struct Line {
    #[serde(deserialize_with = "listed")]
    pub(in crate::control) prefixes: Vec<IpNet>,
}

/// What a route by hand carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// MULTI_EXIT_DISC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub med: Option<u32>,
    /// LOCAL_PREF towards internal neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_preference: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "texts")]
    pub communities: Vec<Community>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "texts")]
    pub large_communities: Vec<LargeCommunity>,
}

impl From<Attributes> for RouteAttributes {
    fn from(attributes: Attributes) -> Self {
        Self {
            med: attributes.med,
            local_pref: attributes.local_preference,
            next_hop: attributes.next_hop,
            communities: attributes.communities,
            large_communities: attributes.large_communities,
            ..Self::default()
        }
    }
}

/// The answer to `originate` and `withdraw`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Prefixes that were taken in.
    pub prefixes: usize,
}

/// Prefixes come by the ten thousand, and [`IpNet`]'s own way of reading allocates twice for each.
fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let prefixes = Vec::<Listed>::deserialize(deserializer)?;
    Ok(prefixes.into_iter().map(|Listed(prefix)| prefix).collect())
}

struct Listed(IpNet);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a prefix, as 192.0.2.0/24 or 2001:db8::1/128")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Listed, E> {
                let unexpected = || E::invalid_value(Unexpected::Str(text), &self);
                prefix(text).map(Listed).ok_or_else(unexpected)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

fn prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    // The number's own reader would take a sign, and zeros in front.
    let is_plain = length == "0" || !length.starts_with(['0', '+']);
    let length = length.parse().ok().filter(|_| is_plain)?;
    IpNet::new(address.parse().ok()?, length).ok()
}

/// Values as their text.
mod texts {
    use super::*;

    pub(super) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parsed = texts.iter().map(|text| text.parse());
        parsed
            .collect::<Result<_, _>>()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It reads nothing otherwise, and refuses zeros in front of an address's numbers, which some take as octal.
        #[test]
        fn a_listed_prefix_is_what_its_type_reads(text in "[0-9a-f:.+/ ]{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){3}/[+]?[0-9]{0,3}") {
            if let Some(read) = prefix(&text) {
                prop_assert_eq!(Some(read), text.parse().ok());
            }
        }

        #[test]
        fn every_prefix_is_read(address: IpAddr, length in 0..=128u8) {
            if let Ok(net) = IpNet::new(address, length) {
                prop_assert_eq!(prefix(&net.to_string()), Some(net));
            }
        }
    }

    #[test]
    fn what_is_no_prefix_is_named() {
        assert_eq!(prefix("010.0.0.0/8"), None);
        assert_eq!(prefix("10.0.0.0/+8"), None);
        let error = serde_json::from_str::<Line>(r#"["192.0.2.1/32", "host"]"#).unwrap_err();
        assert!(
            error.to_string().contains("\"host\", expected a prefix"),
            "{error}"
        );
    }
}
