//! Pure: the diff of desired and observed objects, and the order of its steps.
//!
//! An object on a node is a [`Key`] and a [`Value`]. What [`crate::wiring`] wishes and what
//! [`crate::kernel`] and [`crate::openflow`] see use these same types, so that one rule serves every
//! kind. [`diff`] compares two whole states (for `plan`); a [`Reconciler`] remembers both and
//! examines only what changed (for `run`). They share every decision and agree, which is tested.
//!
//! The order of steps is make before break:
//!
//! 1. withdraw what is not wished any more;
//! 2. add and replace wiring, in the order of [`Key`]'s variants: table names, links, masters,
//!    sysctls, addresses, routes, neighbours, proxies, rules, flows;
//! 3. advertise prefixes whose wiring has been seen in place;
//! 4. remove unwanted wiring, in the reverse order.
//!
//! The steps of one phase go to the kernel and to the bridges apart ([`Key::is_flow`]). When
//! wiring is made, the kernel's part comes first; when it is removed, the bridges'.
//!
//! An advert that is out stays out while its wiring is being repaired, and while it cannot be
//! repaired (fail static): it goes when nobody wishes it. What is said of it changes without a withdrawal. Only what is [`Found::owned`] is removed
//! or overwritten; see [`ownership`].

mod destination;
mod diff;
mod holder;
pub mod object;
pub mod ownership;
mod reconciler;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::exposure::Attributes;

pub use self::destination::Destination;
pub use self::diff::diff;
pub use self::holder::{Domain, Holder, Taught};
pub use self::object::{Key, Value};
pub use self::reconciler::Reconciler;

/// What a node should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    pub objects: BTreeMap<Key, Value>,
    pub adverts: BTreeMap<Destination, Advert>,
}

/// Something to advertise, once its wiring is in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advert {
    /// Desired objects without which its traffic would be lost.
    pub requires: Arc<[Key]>,
    /// What is said of it.
    pub announcement: Announcement,
}

/// What neighbours are told of a prefix, besides the prefix. The default is that this node is the next hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// BGP next hop, where it is not this node (RFC 4271 §5.1.3): stretched L2.
    pub next_hop: Option<IpAddr>,
    pub attributes: Attributes,
}

/// What a node has: the objects that concern us, and what is advertised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    pub objects: BTreeMap<Key, Found>,
    pub adverts: BTreeMap<Destination, Announcement>,
}

/// An object that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub value: Value,
    /// Ours or the Python agent's: it may be removed or overwritten. Everything else is left alone.
    pub owned: bool,
}

impl Found {
    /// An object of ours or the Python agent's.
    pub fn owned(value: Value) -> Self {
        Self { value, owned: true }
    }

    /// Somebody else's object, good to use when it is as we wish.
    pub fn foreign(value: Value) -> Self {
        Self {
            value,
            owned: false,
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Step {
    Withdraw {
        #[serde(flatten)]
        destination: Destination,
    },
    Add {
        #[serde(flatten)]
        key: Key,
        value: Value,
    },
    /// The key exists with another value. Replacing a VLAN device destroys what is on it.
    Replace {
        #[serde(flatten)]
        key: Key,
        value: Value,
    },
    /// Also of a prefix that is out, to say something else of it.
    Advertise {
        #[serde(flatten)]
        destination: Destination,
        #[serde(skip)]
        announcement: Announcement,
    },
    Remove {
        #[serde(flatten)]
        key: Key,
        /// What is there now.
        value: Value,
    },
}

impl Step {
    /// The object it concerns; `None` for adverts.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Add { key, .. } | Self::Replace { key, .. } | Self::Remove { key, .. } => {
                Some(key)
            }
            Self::Withdraw { .. } | Self::Advertise { .. } => None,
        }
    }
}

/// Steps in the order in which to take them, and what stands in the way of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// A [`Reconciler`] reports each once, a [`diff`] every time.
    pub blocked: Vec<Blocked>,
}

/// A desired object that cannot be had now. It blocks only the adverts that require it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub key: Key,
    pub reason: BlockReason,
}

/// Why a desired object cannot be had now, and so when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockReason {
    /// Its interface does not exist and is not ours to create. Retried when it appears.
    NoDevice(Arc<str>),
    /// Somebody else has that identity with another value. Retried when it changes.
    Occupied(Arc<str>),
    /// Applying it failed. Retried when it or its interface changes, and by [`Reconciler::retry`].
    Failed(Arc<str>),
}

impl fmt::Display for BlockReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(device) => {
                write!(f, "interface {device} does not exist; waiting for it")
            }
            Self::Occupied(what) => write!(f, "{what}; remove it to let the agent proceed"),
            Self::Failed(error) => f.write_str(error),
        }
    }
}
