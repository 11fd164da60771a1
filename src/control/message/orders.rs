//! Orders to the running agent.

use serde::{Deserialize, Serialize};

/// `drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrainOrder {
    /// Milliseconds until the routes are withdrawn; absent: they stay, unloved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraw_after_msec: Option<u64>,
}

/// `reset`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResetOrder {
    /// The neighbour; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only ask for its routes again, and tell it ours again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
    /// What the neighbour is told (RFC 9003).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

/// What an order came to, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    pub lines: Vec<String>,
}
