//! Routes by hand: `originate` and `withdraw`.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use bgp::RouteAttributes;
use bgp::wire::{Community, LargeCommunity};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `originate`: these routes, in place of those that the operator gave for the same prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Originate {
    #[serde(default)]
    pub prefixes: Vec<IpNet>,
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
    #[serde(default)]
    pub prefixes: Vec<IpNet>,
    /// All of it, whatever `prefixes` says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// As in [`Originate`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
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
