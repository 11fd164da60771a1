//! The codec: octets to messages and back (RFC 4271 §4).
//!
//! Reading goes in two steps. [`frame::next_message`] cuts one message off a receive buffer and checks its
//! header; [`decode`] looks inside. Both answer a broken message with the NOTIFICATION to send. Errors in an
//! UPDATE rarely end the session: [`DecodedUpdate`] says what RFC 7606 makes of them.
//!
//! Writing is [`Message::encode`] for single messages and [`pack`] for routes, which fills UPDATEs up to the
//! session's limit.
//!
//! The parsers are nom's over `&[u8]`, each over exactly the octets that its length field granted, so that no
//! length can make one element read its neighbour. Nothing here indexes, unwraps or panics on what a peer sent.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod attribute;
mod capability;
mod error;
pub mod evpn;
mod family;
pub mod frame;
mod identifier;
mod input;
mod message;
mod next_hop;
mod nlri;
pub mod notification;
mod open;
mod options;
pub mod pack;
mod route_refresh;
mod update;

pub use attribute::{
    Aggregator, AsPath, AsPathSegment, Asns, Community, ExtendedCommunity, LargeCommunity, MpReach,
    MpUnreach, Origin, ParseCommunityError, PathAttributes, SegmentKind, Segments,
    UnknownAttribute, attribute_code,
};
pub use capability::{
    AddPath, Capability, ExtendedNextHop, GracefulRestart, LongLivedFamily, RestartFamily,
};
pub use error::{AttributeError, DecodeError, Disposition, EncodeError};
pub use family::Family;
pub use frame::{MessageType, RawMessage};
pub use identifier::{Asn, RouterId};
pub use message::{Message, decode};
pub use next_hop::NextHop;
pub use nlri::{FamilyNlri, Nlri};
pub use notification::Notification;
pub use open::Open;
pub use options::{CodecOptions, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN};
pub use route_refresh::{RefreshSubtype, RouteRefresh};
pub use update::{Announcement, DecodedUpdate, Update};

#[cfg(test)]
mod tests;
